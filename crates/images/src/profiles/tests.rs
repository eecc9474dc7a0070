//! Media as their makers write them, as far as the profiles read them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::profile::MAX_CHARACTERS;
use super::rules::architecture;
use super::table::TABLES;
use super::*;

/// Files by path; a path that ends in `/` is a folder.
struct Media<'a> {
    label: &'a str,
    files: BTreeMap<&'a str, &'a str>,
}

impl<'a> Media<'a> {
    fn new(label: &'a str, files: MediaFiles<'a>) -> Self {
        Self { label, files: files.iter().copied().collect() }
    }
}

impl Contents for Media<'_> {
    fn label(&self) -> &str {
        self.label
    }

    fn has(&self, path: &str) -> bool {
        self.files
            .keys()
            .any(|file| file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }

    fn read(&self, path: &str) -> Option<String> {
        self.files.get(path).map(|text| (*text).to_owned())
    }
}

type MediaFiles<'a> = &'a [(&'a str, &'a str)];

/// Family, name, version, architecture; empty is none.
fn told(label: &str, files: MediaFiles<'_>) -> [String; 4] {
    let system = detect(&Media::new(label, files)).unwrap_or_default();
    [system.family, system.name, system.version, system.arch].map(Option::unwrap_or_default)
}

const RHEL: &str = "[header]\ntype = productmd.treeinfo\nversion = 1.2\n\n[release]\nname = Red Hat Enterprise Linux\nshort = RHEL\n\
    version = 9.4\n\n[tree]\narch = x86_64\nplatforms = x86_64,xen\n\n[general]\nfamily = Red Hat Enterprise Linux\nversion = 9.4\n";
const CENTOS_7: &str = "[general]\nname = CentOS-7\nfamily = CentOS\ntimestamp = 1603729576.39\nvariant = \nversion = 7\narch = x86_64\n";
const XCP: &str = "[platform]\nname = XCP\nversion = 3.2.1\n\n[branding]\nname = XCP-ng\nversion = 8.2.1\n\n[keys]\nkey1 = KEY\n";
const PROXMOX: &str =
    "PRODUCT='pve'\nPRODUCTLONG='Proxmox VE'\nRELEASE='8.2'\nISORELEASE='1'\nISONAME='proxmox-ve'\n";
const ESXI: &str = "bootstate=0\ntitle=Loading ESXi installer\ntimeout=5\nprefix=\nkernel=/b.b00\nkernelopt=runweasel cdromBoot\n\
    modules=/jumpstrt.gz --- /useropts.gz\nbuild=8.0.3-0.0.24022510\nupdated=0\n";
const SLE_11: &str =
    "CONTENTSTYLE     11\nDISTRIBUTION     SUSE_SLES\nVERSION 11.4-1.109\nBASEARCHS x86_64\n";

#[test]
fn media_are_known_by_their_files() {
    #[rustfmt::skip]
    let cases: &[(&str, MediaFiles<'_>, [&str; 4])] = &[
        ("RHEL-9-4-0-BaseOS-x86_64", &[(".treeinfo", RHEL), (".discinfo", "1\n9.4\nx86_64\n")],
            ["rhel", "Red Hat Enterprise Linux", "9.4", "x86_64"]),
        ("CentOS 7 x86_64", &[(".treeinfo", CENTOS_7)], ["centos", "CentOS", "7", "x86_64"]),
        ("", &[("treeinfo", "[release]\nname=Rocky Linux\nversion=9.4\n[tree]\narch=aarch64\n")], ["rocky", "Rocky Linux", "9.4", "aarch64"]),
        ("", &[(".treeinfo", "[general]\nfamily = AlmaLinux\nversion = 8.10\narch = x86_64\n")], ["almalinux", "AlmaLinux", "8.10", "x86_64"]),
        ("", &[(".treeinfo", "[release]\nname = Fedora\nversion = 40\n[general]\narch = aarch64\n")], ["fedora", "Fedora", "40", "aarch64"]),
        ("", &[(".treeinfo", "[general]\nfamily = openEuler\nversion = 22.03-LTS\narch = x86_64\n")], ["openeuler", "openEuler", "22.03-LTS", "x86_64"]),
        ("XCP-ng 8.2.1", &[(".treeinfo", XCP), ("boot/xen.gz", ""), ("EFI/BOOT/BOOTX64.EFI", "")], ["xcp-ng", "XCP-ng", "8.2.1", "x86_64"]),
        ("", &[("packages.xenserver/", ""), ("XS-REPOSITORY", "<repository/>")], ["xenserver", "XenServer", "", ""]),
        ("CentOS_6.10_Final", &[(".discinfo", "1530286202.98\nCentOS 6.10\nx86_64\n1,2\n")], ["centos", "CentOS", "6.10", "x86_64"]),
        ("OL-8-9-0-BaseOS-x86_64", &[(".discinfo", "1699999999.9\n8.9\nx86_64\nALL\n")], ["ol", "Oracle Linux", "8.9", "x86_64"]),
        ("PVE", &[(".cd-info", PROXMOX), ("boot/linux26", ""), ("EFI/BOOT/BOOTX64.EFI", "")], ["proxmox", "Proxmox VE", "8.2", "x86_64"]),
        ("PVE", &[(".cd-info", "PRODUCT='pmg'\nRELEASE=\"7.3\"\n")], ["proxmox", "Proxmox", "7.3", ""]),
        ("Ubuntu-Server 24.04.1 LTS amd64", &[(".disk/info", "Ubuntu-Server 24.04.1 LTS \"Noble Numbat\" - Release amd64 (20240827)"), ("casper/vmlinuz", "")],
            ["ubuntu", "Ubuntu-Server", "24.04.1", "x86_64"]),
        ("", &[(".disk/info", "Linux Mint 21.3 \"Virginia\" - Release amd64 20240112"), ("casper/", "")], ["linuxmint", "Linux Mint", "21.3", "x86_64"]),
        ("", &[(".disk/info", "Debian GNU/Linux 12.5.0 \"Bookworm\" - Official arm64 NETINST with firmware 20240210-11:28"), ("install.a64/vmlinuz", "")],
            ["debian", "Debian GNU/Linux", "12.5.0", "aarch64"]),
        ("Debian testing amd64 n", &[(".disk/info", "Debian GNU/Linux testing \"Trixie\" - Official Snapshot amd64 NETINST 20240617-03:14")],
            ["debian", "Debian GNU/Linux testing", "", "x86_64"]),
        ("d-live 12.5.0 kd amd64", &[(".disk/info", "Official Debian GNU/Linux Live 12.5.0 kde 2024-02-10T12:05"), ("live/vmlinuz", "")],
            ["debian", "Debian GNU/Linux Live", "12.5.0", "x86_64"]),
        ("Kali Linux amd64 1", &[(".disk/info", "Kali GNU/Linux 2024.2 \"Kali-last-snapshot\" - Official amd64 BD Binary-1 with firmware"), ("live/", "")],
            ["kali", "Kali GNU/Linux", "2024.2", "x86_64"]),
        ("VyOS", &[(".disk/info", ""), ("live/vmlinuz", ""), ("EFI/BOOT/BOOTX64.EFI", "")], ["vyos", "VyOS", "", "x86_64"]),
        ("", &[("Clonezilla-Live-Version", "clonezilla-live-3.1.2-22-amd64\n"), (".disk/info", "Debian GNU/Linux 12"), ("live/", "")],
            ["clonezilla", "Clonezilla Live", "3.1.2", "x86_64"]),
        ("", &[("GParted-Live-Version", "gparted-live-1.6.0-3-i686\n"), ("live/", "")], ["gparted", "GParted Live", "1.6.0", "i686"]),
        ("openSUSE-Leap-15.6-DVD-x86_64-Bu", &[("media.1/products", "/ openSUSE-Leap 15.6-1\n"), ("media.1/media", "openSUSE\nopenSUSE-Leap-15.6-x86_64-Media\n1\n")],
            ["opensuse", "openSUSE-Leap", "15.6", "x86_64"]),
        ("", &[("media.1/products", "/ SLES15-SP5 15.5-0\n"), ("boot/aarch64/linux", "")], ["sles", "SLES15-SP5", "15.5", "aarch64"]),
        ("", &[("media.1/media", "SUSE\n"), ("content", SLE_11)], ["sles", "SUSE Linux Enterprise", "11.4", "x86_64"]),
        ("Install-Leap-16.0-x86_64", &[("LiveOS/squashfs.img", ""), ("boot/x86_64/loader/linux", "")], ["opensuse", "openSUSE Leap", "16.0", "x86_64"]),
        ("AGAMA", &[("LiveOS/squashfs.img", ""), ("boot/x86_64/loader/linux", "")], ["sles", "SUSE", "", "x86_64"]),
        ("Fedora-WS-Live-40-1-14", &[("LiveOS/squashfs.img", ""), ("EFI/BOOT/BOOTX64.EFI", "")], ["fedora", "Fedora", "40", "x86_64"]),
        ("fedora-coreos-40.20240616.3.0", &[("coreos/igninfo.json", "{}"), ("images/pxeboot/rootfs.img", "")], ["fedora", "Fedora CoreOS", "40.20240616.3.0", ""]),
        ("ESXI-8.0U3-24022510-STANDARD", &[("boot.cfg", ESXI), ("EFI/BOOT/BOOTX64.EFI", "")], ["esxi", "VMware ESXi", "8.0.3", "x86_64"]),
        ("PHOTON_20240702", &[("isolinux/sample_ks.cfg", "{}"), ("RPMS/x86_64/", "")], ["photon", "Photon OS", "", ""]),
        ("CCCOMA_X64FRE_EN-US_DV9", &[("sources/boot.wim", "")], ["windows", "Windows", "", "x86_64"]),
        ("SSS_X64FREE_EN-US_DV9", &[("sources/boot.wim", "")], ["windows", "Windows Server", "", "x86_64"]),
        ("MINE", &[("sources/boot.wim", "")], ["windows", "Windows", "", ""]),
        ("ARCH_202407", &[("arch/version", "2024.07.01\n"), ("arch/boot/x86_64/vmlinuz-linux", "")], ["arch", "Arch Linux", "2024.07.01", "x86_64"]),
        ("RESCUE1101", &[("sysresccd/VERSION", "11.01\n")], ["systemrescue", "SystemRescue", "11.01", ""]),
        ("alpine-std 3.20.2 x86_64", &[(".alpine-release", "alpine-standard 3.20.2 240722")], ["alpine", "Alpine Linux", "3.20.2", "x86_64"]),
        ("14_1_RELEASE_AMD64_DVD", &[("bin/freebsd-version", "#!/bin/sh\nset -e\nUSERLAND_VERSION=\"14.1-RELEASE\"\n")], ["freebsd", "FreeBSD", "14.1", "x86_64"]),
        ("14_0_RELEASE_AMD64_BO", &[("usr/freebsd-dist/MANIFEST", "base.txz\n")], ["freebsd", "FreeBSD", "14.0", "x86_64"]),
        ("nixos-minimal-24.05-x86_64", &[("nix-store.squashfs", ""), ("version.txt", "24.05.3024.4c1018dae018\n")], ["nixos", "NixOS", "24.05.3024.4c1018dae018", "x86_64"]),
        // Nothing but the label.
        ("Fedora-S-dvd-x86_64-40", &[], ["fedora", "Fedora", "40", "x86_64"]),
        ("Rocky-9-4-x86_64-dvd", &[], ["rocky", "Rocky Linux", "9.4", "x86_64"]),
        ("CentOS-Stream-9-BaseOS-aarch64", &[], ["centos", "CentOS Stream", "9", "aarch64"]),
        ("OpenBSD/amd64   7.4", &[], ["openbsd", "OpenBSD", "7.4", "x86_64"]),
        ("14_0_RELEASE_AMD64_CD", &[], ["freebsd", "FreeBSD", "14.0", "x86_64"]),
        ("ESXI-8.0U2-22380479-STANDARD", &[], ["esxi", "VMware ESXi", "8.0U2", ""]),
    ];
    for (label, files, expected) in cases {
        assert_eq!(told(label, files), expected.map(str::to_owned), "{label} {files:?}");
    }
}

#[test]
fn what_looks_like_no_system_is_none() {
    for (label, files) in [
        ("", &[][..]),
        ("MYDISC", &[("README", "Ubuntu 24.04")]),
        ("x86_64", &[("boot.cfg", "menu=Boot")]),
        ("", &[("casper/", "")]),
        ("", &[(".treeinfo", "[tree]\narch = x86_64\n")]),
        ("", &[(".treeinfo", "name = no section\n")]),
        ("", &[(".disk/info", "")]),
        ("", &[(".discinfo", "1\n\nx86_64\n")]),
        ("", &[("media.1/products", "/ \n")]),
        ("", &[("coreos/", "")]),
    ] {
        assert_eq!(detect(&Media::new(label, files)), None, "{label} {files:?}");
    }
}

#[test]
fn what_cannot_be_shown_is_left_out() {
    let long = "9".repeat(MAX_CHARACTERS + 1);
    for version in ["9\u{7}", "9\u{202e}4", "<b>9</b>", "\u{200b}", &long, ""] {
        let text = format!("[release]\nname = Fedora\nversion = {version}\n[tree]\narch = {version}\n");
        assert_eq!(told("", &[(".treeinfo", &text)]), ["fedora", "Fedora", "", ""], "{version:?}");
        let text = format!("[release]\nname = {version}\nversion = 9\n");
        let named = told("", &[(".treeinfo", &text)]);
        assert_eq!(named, [""; 4], "{version:?}");
    }
}

#[test]
fn the_table_is_in_order() {
    for (part, _) in TABLES.families {
        assert_eq!(*part, part.to_lowercase());
    }
    for like in TABLES.labels {
        assert_eq!(like.begins, like.begins.to_lowercase());
        assert!(TABLES.family(like.name).is_some(), "{} has no family", like.name);
    }
    // A word that holds an earlier one as a word of its own would never be found.
    for (word, name) in TABLES.architectures {
        assert_eq!(architecture(&format!("a-{word}_b"), TABLES.architectures), Some(*name), "{word}");
    }
}

proptest! {
    #[test]
    fn any_text_anywhere_is_harmless(
        label in "[a-zA-Z0-9_ .-]{0,32}|\\PC{0,16}",
        text in "([A-Za-z_]{0,12}[=: \"'/-]{0,3}[0-9.]{0,6}[\\n\\[\\] ]{0,2}){0,8}|(?s).{0,64}",
        which in any::<prop::sample::Index>(),
        fixed in any::<bool>(),
    ) {
        let paths = [
            ".treeinfo", ".discinfo", ".cd-info", ".disk/info", "media.1/products", "content", "boot.cfg", "arch/version",
            ".alpine-release", "bin/freebsd-version", "version.txt", "Clonezilla-Live-Version",
        ];
        let text = if fixed { format!("[release]\nname = {text}\n") } else { text };
        let files = [(paths[which.index(paths.len())], text.as_str()), ("nix-store.squashfs", ""), ("media.1/media", text.as_str())];
        for shown in told(&label, &files) {
            prop_assert!(shown.chars().count() <= MAX_CHARACTERS && !shown.contains(char::is_control), "{shown:?}");
        }
    }
}
