"""The corpus: every image, how it is made, how Linux mounts its trees, and known differences."""

import fnmatch
from typing import Callable, NamedTuple

import makers
from makers import bsdtar, genisoimage, mkudffs, package, xorriso, xorriso_as


class Known(NamedTuple):
    """A disagreement that has been looked into. It must be met at least once, or the test fails.

    All but `why` are patterns of fnmatch.
    """
    witness: str  # linux, xorriso or 7z
    tree: str
    field: str  # as in manifest.Difference
    path: str
    # Which program is right, and why.
    why: str

    def explains(self, witness, tree, difference):
        met = (witness, tree, difference.field, difference.path)
        return all(map(fnmatch.fnmatchcase, met, self[:4]))


class Image(NamedTuple):
    name: str
    kind: str
    make: Callable[..., None]
    # The trees to compare, each with the file system and the options by which Linux shows the same one.
    trees: dict[str, tuple[str, str]]
    # The tree that 7z and xorriso are asked about; not at all if there is none.
    seven: str | None = None
    xorriso: str | None = None
    known: tuple[Known, ...] = ()


ROCK = ("iso9660", "")
# By default Linux takes Joliet names that differ in case for one and the same, and shows one file under both.
JOLIET = ("iso9660", "norock,iocharset=utf8,check=strict")
PLAIN = ("iso9660", "norock,nojoliet")
# Linux knows no ISO 9660:1999, but the primary tree beside it has the same names, which it can show as
# recorded.
ENHANCED = ("iso9660", "norock,nojoliet,map=off")
UDF = ("udf", "iocharset=utf8")

P = {"plain": PLAIN}
R = P | {"rockridge": ROCK}
J = P | {"joliet": JOLIET}
RJ = R | J
U = {"udf": UDF}

# Disagreements that may be met with any image, and must be with one of them.
COMMON = (
    Known("linux", "*", "mtime", "*/time[-_]196*", "Linux: we know no time before 1970 (documented at Node::modified)"),
    Known("linux", "*", "mtime", "*/time[-_]205*", "we: isofs of Linux 6.1 counts seconds in 32 bits with a sign"),
    Known("*", "joliet", "missing", "/names/trailing",
          "we: the recorded name ends with a dot; lenient look-ups find it without"),
    Known("*", "joliet", "extra", "/names/trailing.", "we: see above"),
)
TRAILING_DOT = Known("linux", "plain", "*", "/names/trailing*",
                     "either: Linux drops the dot before the version only if there is a version")

IMAGES = (
    # Bare ISO 9660 of the four levels.
    *(Image(f"genisoimage-level-{level}", "plain", genisoimage("-iso-level", level, source="simple"), P, "plain", "plain")
      for level in "123"),
    *(Image(f"xorriso-level-{level}", "plain", xorriso_as("--norock", "-iso-level", level, source="simple"), P,
            "plain", "plain") for level in "123"),
    Image("genisoimage-names", "plain", genisoimage("-U", "-D", source="full"), P, known=(TRAILING_DOT,)),
    Image("bsdtar-plain", "plain", bsdtar("!rockridge,!joliet", source="simple"), P, "plain", "plain"),
    # ISO 9660:1999.
    Image("genisoimage-1999", "enhanced", genisoimage("-iso-level", "4", source="simple"), P | {"enhanced": ENHANCED},
          xorriso="enhanced"),
    Image("genisoimage-1999-full", "enhanced", genisoimage("-iso-level", "4", "-R", "-J", source="narrow"),
          RJ | {"enhanced": ENHANCED}, known=(
              Known("linux", "rockridge", "mode", "/names/nnn*",
                    "either: genisoimage lets a second continuation area point to block 0, so the entry has no mode, and"
                    " each takes its own default"),
              Known("linux", "enhanced", "*", "/names/name*", "either: what looks like a version may be part of the name"),
              TRAILING_DOT)),
    # Linux cannot show this second tree, but it has the names of Rock Ridge.
    Image("xorriso-1999", "enhanced", xorriso_as("-iso-level", "4", source="narrow"), R | {"enhanced": ROCK}, known=(
        Known("linux", "enhanced", "missing", "*", "both: ISO 9660:1999 has no links, and cuts or drops two names"),
        Known("linux", "enhanced", "extra", "/names/n*", "both: the names cut"))),
    # Rock Ridge.
    Image("genisoimage-rock", "rock ridge", genisoimage("-R", source="full"), R, None, "rockridge"),
    Image("genisoimage-rational", "rock ridge", genisoimage("-r", "-iso-level", "3", source="full"), R, None,
          "rockridge"),
    Image("genisoimage-deep", "rock ridge", genisoimage("-R", "-D", source="full"), R, None, "rockridge"),
    Image("genisoimage-hidden-shelf", "rock ridge", genisoimage("-R", "-hide-rr-moved", source="full"), R, None,
          "rockridge"),
    Image("xorriso-rock", "rock ridge", xorriso_as("-R", source="full"), R, None, "rockridge"),
    Image("xorriso-rational", "rock ridge", xorriso_as("-r", "-iso-level", "2", source="full"), R, None, "rockridge"),
    Image("xorriso-relocated", "rock ridge", xorriso("-compliance", "deep_paths_off:long_paths_off", source="full"), R,
          None, "rockridge"),
    Image("xorriso-lenient", "rock ridge",
          xorriso("-compliance", "old_empty:lowercase:full_ascii:long_names:no_force_dots", source="full"), R, None,
          "rockridge", (TRAILING_DOT, Known(
              "linux", "plain", "missing", "/names/name.2",
              "we: Linux strips version 1 only and takes another for a part of the name"))),
    Image("xorriso-attributes", "rock ridge", xorriso("-xattr", "on", "-acl", "on", "-hardlinks", "on", source="full"), R,
          None, "rockridge"),
    Image("bsdtar-rock", "rock ridge", bsdtar("rockridge=strict,!joliet", source="full"), R, None, "rockridge"),
    # Joliet.
    Image("genisoimage-joliet", "joliet", genisoimage("-J", "-D", source="simple"), J, "joliet", "joliet"),
    Image("genisoimage-joliet-long", "joliet", genisoimage("-J", "-joliet-long", "-D", source="narrow"), J, "joliet",
          "joliet"),
    Image("genisoimage-joliet-1", "joliet", genisoimage("-J", "-ucs-level", "1", "-D", source="simple"), J, "joliet",
          "joliet"),
    Image("xorriso-joliet", "joliet", xorriso_as("--norock", "-J", source="simple"), J, "joliet", "joliet"),
    Image("xorriso-joliet-long", "joliet",
          xorriso("-compliance", "joliet_long_names:joliet_long_paths", "-joliet", "on", source="full"), RJ,
          "joliet", "rockridge"),
    Image("xorriso-joliet-utf16", "joliet",
          xorriso("-compliance", "joliet_utf16:joliet_long_paths", "-joliet", "on", source="full"), RJ,
          "joliet", "rockridge"),
    Image("genisoimage-both", "joliet", genisoimage("-R", "-J", source="narrow"), RJ, "joliet", "rockridge"),
    Image("bsdtar-both", "joliet", bsdtar("rockridge=useful,joliet=long", source="simple"), RJ, "joliet", "rockridge"),
    # Sessions.
    Image("xorriso-session-2", "sessions", makers.xorriso_grown, RJ, "joliet", "rockridge"),
    Image("xorriso-session-appended", "sessions", makers.xorriso_appended, RJ),
    Image("genisoimage-session-appended", "sessions", makers.genisoimage_appended, R),
    Image("xorriso-rewritten", "sessions", makers.rewritten, R, None, "rockridge"),
    # Boot: El Torito, hybrid discs, partitions.
    Image("genisoimage-el-torito", "boot", genisoimage(*makers.EL_TORITO, "-R", source="simple"), R, None, "rockridge"),
    Image("xorriso-el-torito-efi", "boot",
          xorriso_as(*makers.EL_TORITO, "-eltorito-alt-boot", "-e", "SIZE18.BIN", "-no-emul-boot", "-J", "-r",
                     source="simple"), RJ, "joliet", "rockridge"),
    Image("xorriso-hybrid-gpt", "boot",
          xorriso_as("-r", *makers.EL_TORITO, "-eltorito-alt-boot", "-e", "SIZE18.BIN", "-no-emul-boot",
                     "-isohybrid-gpt-basdat", "-G", makers.SYSTEM_AREA, source="simple"), R, None, "rockridge"),
    Image("xorriso-partition-offset", "boot",
          xorriso_as("-r", "-partition_offset", "16", "-G", makers.SYSTEM_AREA, source="simple"), R, None, "rockridge"),
    Image("xorriso-appended-partition", "boot",
          xorriso_as("-r", "-append_partition", "2", "0xef", makers.SYSTEM_AREA, "-appended_part_as_gpt", source="simple"),
          R, None, "rockridge"),
    Image("xorriso-hfsplus", "boot", xorriso_as("-r", "-hfsplus", source="full"), R, None, "rockridge"),
    Image("genisoimage-hfs", "boot", genisoimage("-R", "-hfs", source="simple"), R, None, "rockridge"),
    # Odd forms.
    Image("genisoimage-xa", "odd", genisoimage("-XA", "-R", source="full"), R),  # xorriso finds no Rock Ridge behind XA.
    Image("genisoimage-xa-plain", "odd", genisoimage("-XA", source="simple"), P, "plain", "plain"),
    # 7z reads only blocks of 2048 bytes, and Linux has to be told of those below 1024.
    Image("blocks-of-512", "odd", makers.blocks(512),
          {tree: (type_, f"{options},block=512") for tree, (type_, options) in J.items()}),
    Image("blocks-of-1024", "odd", makers.blocks(1024), J),
    Image("xorriso-large", "odd", makers.large("xorriso", "-as", "mkisofs", "-quiet", "-R", "-iso-level", "3"),
          {"rockridge": ROCK}),
    Image("genisoimage-hidden", "odd", genisoimage("-R", "-J", "-hide", "BOOT", "-hide-joliet", "MANY", source="simple"),
          RJ, "joliet", "rockridge"),
    # zisofs.
    Image("xorriso-zisofs", "zisofs", makers.zisofs_xorriso("level=6:block_size=32k"), R, None, "rockridge"),
    Image("xorriso-zisofs-128k", "zisofs", makers.zisofs_xorriso("level=9:block_size=128k"), R, None, "rockridge"),
    Image("xorriso-zisofs-2", "zisofs", makers.zisofs_xorriso("version_2=on:block_size_v2=1m"), R, None, "rockridge", (
        Known("linux", "rockridge", "s*", "*", "we and xorriso: Linux 6.1 knows only version 1 and shows compressed bytes"),
        Known("xorriso", "rockridge", "sha256", "*", "xorriso: version 2 is refused by choice, hardly any disc has it"))),
    Image("genisoimage-zisofs", "zisofs", makers.zisofs_genisoimage, R, None, "rockridge"),
    # bsdtar compresses files of several blocks wrongly; xorriso gives up on the whole image.
    Image("bsdtar-zisofs", "zisofs", bsdtar("rockridge=strict,!joliet,zisofs=direct", source="simple"), R, known=(
        Known("linux", "rockridge", "sha256", "/SIZE17.BIN", "we: the file cannot be inflated; Linux shows wrong bytes"),)),
    # UDF beside ISO 9660.
    Image("genisoimage-udf", "udf bridge", genisoimage("-udf", source="simple"), P | U, "udf"),
    Image("genisoimage-udf-all", "udf bridge", genisoimage("-udf", "-R", "-J", source="narrow"), RJ | U, "udf",
          "rockridge"),
    Image("genisoimage-udf-joliet", "udf bridge", genisoimage("-udf", "-J", "-D", source="narrow"), J | U, "udf",
          "joliet"),
    Image("genisoimage-udf-windows", "udf bridge", makers.windows, P | U, "udf"),
    Image("genisoimage-udf-large", "udf bridge",
          makers.large("genisoimage", "-quiet", "-udf", "-allow-limited-size", "-iso-level", "3"), U),
    # UDF alone, filled by Linux. 7z refuses the whole of an image with links or holes, so it judges simpler
    # ones.
    *(Image(f"udf-{revision}-{size}", "udf", mkudffs(revision, size), U)
      for revision, size in (("1.02", 512), ("1.02", 2048), ("1.50", 1024), ("2.01", 512), ("2.01", 1024),
                             ("2.01", 2048), ("2.01", 4096))),
    *(Image(f"udf-simple-{revision}-{size}", "udf", mkudffs(revision, size, fill="simple"), U, "udf")
      for revision, size in (("1.02", 2048), ("1.50", 2048), ("2.01", 2048))),
    Image("udf-long-descriptors", "udf", mkudffs("2.01", 2048, "--ad=long"), U),
    Image("udf-short-descriptors", "udf", mkudffs("1.02", 2048, "--ad=short"), U),
    Image("udf-unallocated-table", "udf", mkudffs("2.00", 2048, "--space=unalloctable", "--noefe"), U),
    Image("udf-dvd-ram", "udf", mkudffs("2.01", 2048, "--media-type=dvdram"), U),
    Image("udf-sparable", "udf", mkudffs("1.50", 2048, "--media-type=cdrw"), U, known=(
        Known("linux", "udf", "refused", "/", "by choice: sparing tables are for rewritable discs, not for files"),)),
    Image("udf-2.50-metadata", "udf", makers.metadata_partition(0x0250), U),
    Image("udf-2.60-mirror", "udf", makers.metadata_partition(0x0260, break_main=True), U),
    # Images of other projects.
    *(Image(name, "package", package(path), trees, None, "rockridge") for name, path, trees in (
        ("grub-rescue", "/usr/lib/grub-rescue/grub-rescue-cdrom.iso", R),
        ("memtest86-x64", "/usr/lib/memtest86+/memtest86+x64.iso", R),
        ("memtest86-ia32", "/usr/lib/memtest86+/memtest86+ia32.iso", R),
        ("ipxe", "/usr/lib/ipxe/ipxe.iso", R))),
)
