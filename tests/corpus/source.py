"""The folder that images are made from: everything about files and names that a format may get wrong.

Contents are pseudo-random but the same in every run, so that a wrong extent never looks right by chance.
"""

import hashlib
import os
import random

# Sizes around the blocks of 512 to 4096 bytes of file systems and the 32 KiB of zisofs.
SIZES = (0, 1, 511, 512, 513, 1023, 1024, 1025, 2047, 2048, 2049, 4095, 4096, 4097, 32767, 32768, 32769,
         65536, 131073, 1_000_000)

# Names of ASCII that Rock Ridge, Joliet and UDF can hold.
NAMES = (
    "README.TXT", "UPPER and lower.Mixed", "case", "Case", "CASE", "noext", "trailing.", "two.dots.txt", ".hidden",
    ".config.d", "-rf", "a b", " leading", "A" * 60 + ".long", "x" * 100, "1234567.890", "under_score", "plus+minus",
    "tilde~1", "at@sign", "comma,semi",
)
# Joliet forbids some of these characters, and so makers replace them.
POSIX_NAMES = ("name;1", "name;2", "a$c'd\"e*f?g|h<i>j&k\\l", "tab\there", "new\nline", "colon:name", "n" * 251)
UNICODE_NAMES = (
    "Gr\u00fc\u00dfe.txt",  # composed (NFC)
    "Gru\u0308\u00dfe-nfd.txt",  # decomposed (NFD)
    "\u6f22\u5b57.txt", "\u05e9\u05dc\u05d5\u05dd", "\u00fc" * 60, "e\u0301\u0302",
)
LINKS = {
    "relative": "BOOT/GRUB", "absolute": "/BOOT/PART0.CFG", "dangling": "no/such/file", "loop": "loop", "self": ".",
    "root": "/", "up": "../../..", "BOOT/back": "../TEXT.TXT", "dots": "./BOOT/./../BOOT",
    "unicode": "names/Gr\u00fc\u00dfe.txt", "long": "component/" * 20 + "end",
}
# Beyond the 65,536 characters of UCS-2.
ASTRAL_NAMES = ("\U0001f680 rocket".encode(),)
# No UTF-8: Latin-1.
BYTE_NAMES = (b"caf\xe9",)


def content(size, seed):
    return random.Random(seed).randbytes(size)


def write(path, data, number):
    """Writes a file whose time and permissions depend on its number."""
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, (0o644, 0o600, 0o755, 0o444, 0o640, 0o4755)[number % 6])
    os.utime(path, (1_000_000_000 + 100_003 * number,) * 2)


def simple(folder):
    """What every format can hold: names of 8.3, four levels, all sizes."""
    os.makedirs(os.path.join(folder, "BOOT/GRUB/FONTS"))
    for number, size in enumerate(SIZES):
        write(os.path.join(folder, f"SIZE{number:02}.BIN"), content(size, number), number)
    for number in range(3):
        write(os.path.join(folder, f"BOOT/PART{number}.CFG"), content(700, 30 + number), 30 + number)
    write(os.path.join(folder, "BOOT/GRUB/FONTS/FONT.PF2"), content(50_000, 40), 40)
    write(os.path.join(folder, "TEXT.TXT"), b"all work and no play " * 20_000, 41)
    write(os.path.join(folder, "ZEROS.BIN"), bytes(300_000), 42)
    os.mkdir(os.path.join(folder, "EMPTY"))
    os.mkdir(os.path.join(folder, "MANY"))
    for number in range(400):
        write(os.path.join(folder, f"MANY/F{number:04}.DAT"), b"%d" % number, number)
    settle(folder)


def full(folder, odd_names=(*ASTRAL_NAMES, *BYTE_NAMES)):
    """All that Linux can hold."""
    simple(folder)
    here = os.fsencode(folder)
    shelf = here + b"/names"
    os.mkdir(shelf)
    names = [name.encode() for name in NAMES + POSIX_NAMES + UNICODE_NAMES]
    for number, name in enumerate([*names, *odd_names]):
        write(shelf + b"/" + name, b"content of " + name, 50 + number)
    deep = here
    for level in range(12):
        deep += b"/level-%02d" % level + b"-x" * level
        os.makedirs(deep + b"/beside")
        write(deep + b"/here", content(10 + level, level), level)
        write(deep + b"/beside/file", b"%d" % level, level)
    write(here + b"/hard-link-1", content(5000, 90), 90)
    os.link(here + b"/hard-link-1", here + b"/names/hard-link-2")
    for name, year in ("time-1965", -157_766_400), ("time-2037", 2_114_380_800), ("time-2055", 2_682_374_400):
        write(here + b"/" + name.encode(), name.encode(), 1)
        os.utime(here + b"/" + name.encode(), (year, year))
    for name, target in LINKS.items():
        os.symlink(target, os.path.join(folder, name))
    settle(folder)


def narrow(folder):
    """All but the names for which genisoimage refuses to write Joliet or UDF."""
    full(folder, odd_names=())


def large(folder):
    """A sparse file of more than 4 GiB, too large for one extent of ISO 9660."""
    os.mkdir(folder)
    with open(os.path.join(folder, "large.img"), "wb") as file:
        file.truncate((4 << 30) + (64 << 20) + 123)
        for offset in (0, (4 << 30) - 4096, (4 << 30) - 2048, (4 << 30) - 3, 4 << 30, (4 << 30) + (64 << 20) + 114):
            file.seek(offset)
            file.write(b"@%08x" % (offset & 0xFFFFFFFF))
    write(os.path.join(folder, "small"), b"small", 1)
    settle(folder)


def more(folder):
    """What is added to `simple` later."""
    os.makedirs(os.path.join(folder, "BOOT"))
    write(os.path.join(folder, "SIZE05.BIN"), b"replaced", 5)
    write(os.path.join(folder, "BOOT/NEW.CFG"), b"new", 6)
    settle(folder)


def windows(folder):
    """A disc that old systems can only read the README of."""
    simple(folder)
    write(os.path.join(folder, "README.TXT"), b"This disc needs UDF.\n", 1)


def settle(folder):
    """Gives all directories a time, deepest first, and fixed permissions."""
    for path, _, _ in os.walk(os.fsencode(folder), topdown=False):
        number = int.from_bytes(hashlib.sha256(path[len(os.fsencode(folder)):]).digest()[:2], "big")
        os.chmod(path, (0o755, 0o750, 0o700, 0o711)[number % 4] | 0o500)
        os.utime(path, (1_200_000_000 + number,) * 2)
