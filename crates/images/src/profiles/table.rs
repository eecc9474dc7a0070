//! The tables. The first profile that fits counts, so a system that is made of another one comes before that.

use crate::profiles::profile::{Profile, Tables};
use crate::profiles::rules::Label;
use crate::profiles::rules::Rule::{In, Is, LabelName, LabelVersion};
use crate::profiles::rules::Take::{Behind, Dotted, Line, Number, Setting, Title, Variable, When};

/// Where Debian and its descendants describe their media.
const DISK: &str = ".disk/info";

pub(super) const TABLES: Tables = Tables {
    profiles: PROFILES,
    labels: LABELS,
    families: FAMILIES,
    architectures: ARCHITECTURES,
    arch_paths: ARCH_PATHS,
};

const PROFILES: &[Profile] = &[
    // The family of RHEL, Fedora, openEuler, newer openSUSE: treeinfo of productmd 1.0 to 1.2, and its
    // predecessors.
    Profile {
        markers: &[],
        name: &[
            In(".treeinfo", Setting("branding", "name")),
            In(".treeinfo", Setting("release", "name")),
            In(".treeinfo", Setting("general", "family")),
            In("treeinfo", Setting("release", "name")),
            In("treeinfo", Setting("general", "family")),
        ],
        version: &[
            In(".treeinfo", Setting("branding", "version")),
            In(".treeinfo", Setting("release", "version")),
            In(".treeinfo", Setting("general", "version")),
            In("treeinfo", Setting("release", "version")),
            In("treeinfo", Setting("general", "version")),
        ],
        arch: &[
            In(".treeinfo", Setting("tree", "arch")),
            In(".treeinfo", Setting("general", "arch")),
            In("treeinfo", Setting("tree", "arch")),
            In("treeinfo", Setting("general", "arch")),
        ],
    },
    // The same family without it. The second line may be a number alone.
    Profile {
        markers: &[".discinfo"],
        name: &[In(".discinfo", Title(1)), LabelName],
        version: &[In(".discinfo", Number(1)), LabelVersion],
        arch: &[In(".discinfo", Line(2))],
    },
    Profile { markers: &["packages.xenserver"], name: &[Is("XenServer")], version: &[], arch: &[] },
    Profile {
        markers: &[".cd-info"],
        name: &[In(".cd-info", Variable("PRODUCTLONG")), In(".cd-info", When("PRODUCT=", "Proxmox"))],
        version: &[In(".cd-info", Variable("RELEASE"))],
        arch: &[],
    },
    Profile {
        markers: &["Clonezilla-Live-Version"],
        name: &[Is("Clonezilla Live")],
        version: &[In("Clonezilla-Live-Version", Dotted)],
        arch: &[In("Clonezilla-Live-Version", Line(0))],
    },
    Profile {
        markers: &["GParted-Live-Version"],
        name: &[Is("GParted Live")],
        version: &[In("GParted-Live-Version", Dotted)],
        arch: &[In("GParted-Live-Version", Line(0))],
    },
    // Ubuntu and its descendants; Debian, Kali and others, as live systems or installers.
    Profile {
        markers: &[DISK, "casper"],
        name: &[In(DISK, Title(0)), Is("Ubuntu")],
        version: &[In(DISK, Number(0)), LabelVersion],
        arch: &[In(DISK, Line(0))],
    },
    Profile {
        markers: &[DISK],
        name: &[In(DISK, Title(0)), LabelName],
        version: &[In(DISK, Number(0)), LabelVersion],
        arch: &[In(DISK, Line(0))],
    },
    // SUSE up to 15, and SLE 11, whose products have no name of their own.
    Profile {
        markers: &["media.1/products"],
        name: &[In("media.1/products", Title(0))],
        version: &[In("media.1/products", Number(0))],
        arch: &[In("media.1/media", Line(1))],
    },
    Profile {
        markers: &["media.1", "content"],
        name: &[In("content", When("SUSE", "SUSE Linux Enterprise"))],
        version: &[In("content", Behind("\nVERSION "))],
        arch: &[In("content", Behind("\nBASEARCHS "))],
    },
    // Agama. A live ISO of Fedora has no such loader.
    Profile {
        markers: &["LiveOS/squashfs.img", "boot/x86_64/loader/linux"],
        name: &[LabelName, Is("SUSE")],
        version: &[LabelVersion],
        arch: &[],
    },
    Profile {
        markers: &["coreos", "images/pxeboot/rootfs.img"],
        name: &[LabelName, Is("CoreOS")],
        version: &[LabelVersion],
        arch: &[],
    },
    // GRUB and others have a file of this name too.
    Profile {
        markers: &["boot.cfg"],
        name: &[In("boot.cfg", When("build=", "VMware ESXi"))],
        version: &[In("boot.cfg", Behind("build="))],
        arch: &[],
    },
    Profile {
        markers: &["isolinux/sample_ks.cfg", "RPMS"],
        name: &[Is("Photon OS")],
        version: &[],
        arch: &[],
    },
    Profile { markers: &["sources/boot.wim"], name: &[LabelName, Is("Windows")], version: &[], arch: &[] },
    Profile {
        markers: &["arch/version"],
        name: &[Is("Arch Linux")],
        version: &[In("arch/version", Line(0))],
        arch: &[],
    },
    Profile {
        markers: &["sysresccd/VERSION"],
        name: &[Is("SystemRescue")],
        version: &[In("sysresccd/VERSION", Line(0))],
        arch: &[],
    },
    Profile {
        markers: &[".alpine-release"],
        name: &[Is("Alpine Linux")],
        version: &[In(".alpine-release", Number(0))],
        arch: &[],
    },
    Profile {
        markers: &["bin/freebsd-version"],
        name: &[Is("FreeBSD")],
        version: &[In("bin/freebsd-version", Behind("USERLAND_VERSION=\"")), LabelVersion],
        arch: &[],
    },
    Profile {
        markers: &["usr/freebsd-dist/MANIFEST"],
        name: &[Is("FreeBSD")],
        version: &[LabelVersion],
        arch: &[],
    },
    Profile {
        markers: &["nix-store.squashfs"],
        name: &[Is("NixOS")],
        version: &[In("version.txt", Line(0)), LabelVersion],
        arch: &[],
    },
    // Only its label is known.
    Profile { markers: &[], name: &[LabelName], version: &[LabelVersion], arch: &[] },
];

/// Labels by their beginnings, in lower case, from osinfo-db and from the media of their makers.
const LABELS: &[Label] = &[
    label("fedora-coreos", "Fedora CoreOS", 1),
    label("rhcos", "RHEL CoreOS", 1),
    label("fedora", "Fedora", 1),
    label("rhel", "Red Hat Enterprise Linux", 2),
    label("centos-stream", "CentOS Stream", 1),
    label("centos", "CentOS", 2),
    label("rocky", "Rocky Linux", 2),
    label("almalinux", "AlmaLinux", 2),
    label("ol-", "Oracle Linux", 2),
    label("openeuler", "openEuler", 1),
    label("esxi-", "VMware ESXi", 1),
    label("photon_", "Photon OS", 0),
    label("opensuse-leap", "openSUSE Leap", 1),
    label("opensuse-tumbleweed", "openSUSE Tumbleweed", 1),
    label("install-leap", "openSUSE Leap", 1),
    label("install-sle", "SUSE Linux Enterprise", 1),
    label("sle-", "SUSE Linux Enterprise", 1),
    label("sles", "SUSE Linux Enterprise", 1),
    label("ubuntu", "Ubuntu", 1),
    label("debian", "Debian GNU/Linux", 1),
    label("vyos", "VyOS", 1),
    label("pve", "Proxmox VE", 1),
    label("arch_", "Arch Linux", 1),
    label("alpine-", "Alpine Linux", 1),
    label("nixos", "NixOS", 1),
    label("openbsd/", "OpenBSD", 1),
    label("*_release_", "FreeBSD", 2),
    label("ccsa_", "Windows", 0),
    label("cccoma_", "Windows", 0),
    label("cpba_", "Windows", 0),
    label("sss_", "Windows Server", 0),
];

const fn label(begins: &'static str, name: &'static str, numbers: usize) -> Label {
    Label { begins, name, numbers }
}

/// Words for programs, by a part of the name in lower case. The first counts.
const FAMILIES: &[(&str, &str)] = &[
    ("red hat", "rhel"),
    ("rhel", "rhel"),
    ("fedora", "fedora"),
    ("centos", "centos"),
    ("rocky", "rocky"),
    ("almalinux", "almalinux"),
    ("oracle linux", "ol"),
    ("openeuler", "openeuler"),
    ("xcp", "xcp-ng"),
    ("xenserver", "xenserver"),
    ("ubuntu", "ubuntu"),
    ("linux mint", "linuxmint"),
    ("pop_os", "pop"),
    ("proxmox", "proxmox"),
    ("clonezilla", "clonezilla"),
    ("gparted", "gparted"),
    ("kali", "kali"),
    ("vyos", "vyos"),
    ("debian", "debian"),
    ("opensuse", "opensuse"),
    ("suse", "sles"),
    ("sles", "sles"),
    ("sle-", "sles"),
    ("esxi", "esxi"),
    ("photon", "photon"),
    ("windows", "windows"),
    ("arch linux", "arch"),
    ("systemrescue", "systemrescue"),
    ("alpine", "alpine"),
    ("freebsd", "freebsd"),
    ("openbsd", "openbsd"),
    ("nixos", "nixos"),
];

/// Paths that only one architecture has.
const ARCH_PATHS: &[(&str, &str)] = &[
    ("boot/x86_64/loader", "x86_64"),
    ("boot/aarch64", "aarch64"),
    ("boot/ppc64le", "ppc64le"),
    ("boot/s390x", "s390x"),
    ("install.amd", "x86_64"),
    ("install.a64", "aarch64"),
    ("install.386", "i686"),
    ("arch/boot/x86_64", "x86_64"),
    ("EFI/BOOT/BOOTX64.EFI", "x86_64"),
    ("EFI/BOOT/BOOTAA64.EFI", "aarch64"),
];

/// Names of architectures, and what Linux calls them. Longer words come before those that they hold.
const ARCHITECTURES: &[(&str, &str)] = &[
    ("x86_64", "x86_64"),
    ("x86-64", "x86_64"),
    ("amd64", "x86_64"),
    ("x64", "x86_64"),
    ("x64fre", "x86_64"),
    ("x64free", "x86_64"),
    ("aarch64", "aarch64"),
    ("arm64", "aarch64"),
    ("a64fre", "aarch64"),
    ("i386", "i686"),
    ("i486", "i686"),
    ("i586", "i686"),
    ("i686", "i686"),
    ("x86", "i686"),
    ("x86fre", "i686"),
    ("ppc64le", "ppc64le"),
    ("ppc64el", "ppc64le"),
    ("s390x", "s390x"),
    ("riscv64", "riscv64"),
    ("loongarch64", "loongarch64"),
];
