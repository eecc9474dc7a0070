"""The makers of the corpus's images. A maker takes the folder of the corpus and the path of its image."""

import os
import shutil
import struct
import subprocess
import zlib

import metadata
import source
import udf

# A fixed name below every folder of sources.
EL_TORITO = ("-b", "SIZE17.BIN", "-c", "BOOT.CAT", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table")
# Replaced by the path of a file of 32 KiB.
SYSTEM_AREA = "{system-area}"


def run(*command):
    """Runs a tool to its end. Its output is part of the error."""
    environment = dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC")
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env=environment, timeout=120, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stdout.decode(errors='replace')[-2000:]}")


def sources(folder):
    """Makes all folders of sources."""
    os.makedirs(f"{folder}/source")
    for make in source.simple, source.full, source.narrow, source.large, source.more, source.windows:
        make(f"{folder}/source/{make.__name__}")
    with open(f"{folder}/system-area", "wb") as file:
        file.write(source.content(32768, 99))


def genisoimage(*options, source):
    # Its ISO 9660:1999 and HFS cannot be had with this charset.
    charset = () if {"4", "-hfs"} & set(options) else ("-input-charset", "utf-8")

    def make(folder, image):
        run("genisoimage", "-quiet", *charset, *options, "-o", image, f"{folder}/source/{source}")
    return make


def xorriso_as(*options, source):
    """xorriso in the role of mkisofs."""
    def make(folder, image):
        words = [f"{folder}/system-area" if option == SYSTEM_AREA else option for option in options]
        run("xorriso", "-no_rc", "-as", "mkisofs", "-quiet", *words, "-o", image, f"{folder}/source/{source}")
    return make


def large(*command):
    """A maker that writes to a pipe, behind which zeros become holes, for a large and sparse source."""
    def make(folder, image):
        words = ["timeout", "120", *command, f"{folder}/source/large"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as maker:
            subprocess.run(["dd", "bs=64K", "iflag=fullblock", "conv=sparse", "status=none", f"of={image}"],
                           stdin=maker.stdout, timeout=150, check=True)
            said = maker.stderr.read().decode(errors="replace")
        if maker.returncode:
            raise RuntimeError(f"{' '.join(words)}: {said}")
    return make


def xorriso(*commands, source):
    """xorriso with commands of its own."""
    def make(folder, image):
        run("xorriso", "-no_rc", "-outdev", f"stdio:{image}", *commands, "-map", f"{folder}/source/{source}", "/",
            "-commit")
    return make


def bsdtar(options, source):
    def make(folder, image):
        run("bsdtar", "--format=iso9660", f"--options={options}", "-cf", image, "-C", f"{folder}/source/{source}", ".")
    return make


def package(path):
    """An image of a Debian package, as it is."""
    def make(_folder, image):
        os.symlink(path, image)
    return make


def mkudffs(revision, block_size, *options, fill="full"):
    def make(_folder, image):
        with open(image, "wb") as file:
            file.truncate(udf.BYTES)
        run("mkudffs", "--utf8", *options, *udf.options(revision, block_size), image)
    # What the guest does with it, see `udf.fill`.
    make.fill = fill
    return make


def metadata_partition(revision, break_main=False):
    make = mkudffs("2.01", 2048)
    make.finish = lambda image: metadata.convert(image, revision, break_main=break_main)
    return make


def second_session(folder):
    """The files of a second session: one that replaces another, and a new one."""
    return f"{folder}/source/more"


def xorriso_grown(folder, image):
    """A second session behind the first; xorriso makes the descriptors at the start lead to it."""
    xorriso("-joliet", "on", source="simple")(folder, image)
    run("xorriso", "-no_rc", "-dev", f"stdio:{image}", "-joliet", "on", "-rm_r", "/MANY", "--",
        "-map", second_session(folder), "/", "-commit")


def xorriso_appended(folder, image):
    """A second session that the descriptors at the start know nothing of: what a mount sees is the first."""
    xorriso("-joliet", "on", source="simple")(folder, image)
    with open(image, "rb") as file:
        start = file.read(65536)
    run("xorriso", "-no_rc", "-dev", f"stdio:{image}", "-joliet", "on", "-rm_r", "/MANY", "--",
        "-map", second_session(folder), "/", "-commit")
    with open(image, "r+b") as file:
        file.write(start)


def genisoimage_appended(folder, image):
    """The same by genisoimage, which leaves it to the caller to put the second session behind the first."""
    genisoimage("-R", source="simple")(folder, image)
    blocks = -(-os.path.getsize(image) // 32768) * 16
    run("genisoimage", "-quiet", "-R", "-C", f"0,{blocks}", "-M", image, "-o", f"{image}.2", second_session(folder))
    with open(image, "r+b") as file, open(f"{image}.2", "rb") as appended:
        file.seek(blocks * 2048)
        shutil.copyfileobj(appended, file)
    os.remove(f"{image}.2")


def rewritten(folder, image):
    """One session that takes the place of another, larger one."""
    xorriso("-joliet", "on", source="full")(folder, f"{image}.1")
    run("xorriso", "-no_rc", "-indev", f"stdio:{image}.1", "-outdev", f"stdio:{image}", "-rm_r", "/names", "--", "-map",
        second_session(folder), "/", "-commit")
    os.remove(f"{image}.1")


def windows(folder, image):
    """As Windows is shipped: all of it in UDF, a lone README in ISO 9660."""
    names = sorted(name for name in os.listdir(f"{folder}/source/windows") if name != "README.TXT")
    hide = [word for name in names for word in ("-hide", name)]
    run("genisoimage", "-quiet", "-udf", *hide, "-o", image, f"{folder}/source/windows")


def zisofs_xorriso(options):
    def make(folder, image):
        run("xorriso", "-no_rc", "-zisofs", options, "-outdev", f"stdio:{image}", "-map", f"{folder}/source/simple", "/",
            "-set_filter_r", "--zisofs", "/", "--", "-commit")
    return make


def zisofs_genisoimage(folder, image):
    """Files compressed here, in all block sizes and empty; genisoimage detects them by their first bytes."""
    packed = f"{folder}/source/packed"
    os.mkdir(packed)
    contents = {
        "TEXT.TXT": b"all work and no play " * 20_000,
        "ZEROS.BIN": bytes(400_000),
        "RANDOM.BIN": source.content(200_000, 5),
        "MIXED.BIN": b"start" + bytes(140_000) + source.content(40_000, 6) + bytes(70_001),
        "EXACT.BIN": b"a" * 131072,
        "ONE.BIN": b"1",
    }
    for shift in 15, 16, 17:
        for number, (name, data) in enumerate(contents.items()):
            source.write(f"{packed}/Z{shift}{name}", compress(data, shift), number)
    source.settle(packed)
    run("genisoimage", "-quiet", "-R", "-z", "-o", image, packed)


def compress(data, shift):
    """The container of zisofs 1: a header, the ends of all blocks, the blocks. Zeros take no space."""
    pieces = [data[at:at + (1 << shift)] for at in range(0, len(data), 1 << shift)]
    blocks = [zlib.compress(piece, 9) if any(piece) else b"" for piece in pieces]
    ends = [16 + 4 * (len(blocks) + 1)]
    for block in blocks:
        ends.append(ends[-1] + len(block))
    header = bytes.fromhex("37e45396c9dbd607") + struct.pack("<IBBH", len(data), 4, shift, 0)
    return header + struct.pack(f"<{len(ends)}I", *ends) + b"".join(blocks)


def blocks(size):
    """Logical blocks smaller than sectors: an image of genisoimage with all block numbers multiplied."""
    def make(folder, image):
        genisoimage("-J", source="simple")(folder, image)
        factor = 2048 // size
        with open(image, "r+b") as file:
            data = bytearray(file.read())
            sector = 16
            done = set()
            while data[sector * 2048] != 255:
                at = sector * 2048
                for place in 80, 158:
                    multiply(data, at + place, factor)
                struct.pack_into("<H", data, at + 128, size)
                struct.pack_into(">H", data, at + 130, size)
                multiply_tables(data, at, factor)
                root, length = (struct.unpack_from("<I", data, at + 156 + place)[0] for place in (2, 10))
                multiply_records(data, root // factor * 2048, length, factor, done)
                sector += 1
            file.seek(0)
            file.write(data)
    return make


def multiply(data, at, factor):
    """Multiplies a number in both byte orders."""
    number = struct.unpack_from("<I", data, at)[0] * factor
    struct.pack_into("<I", data, at, number)
    struct.pack_into(">I", data, at + 4, number)


def multiply_tables(data, descriptor, factor):
    """The path tables in both byte orders, and where they are."""
    length = struct.unpack_from("<I", data, descriptor + 132)[0]
    for order, place in ("<", 140), (">", 148):
        start = struct.unpack_from(f"{order}I", data, descriptor + place)[0]
        struct.pack_into(f"{order}I", data, descriptor + place, start * factor)
        at = start * 2048
        while at < start * 2048 + length:
            block = struct.unpack_from(f"{order}I", data, at + 2)[0]
            struct.pack_into(f"{order}I", data, at + 2, block * factor)
            at += 8 + data[at] + data[at] % 2


def multiply_records(data, start, length, factor, done):
    """The records of a directory and of those below it."""
    if start in done:
        return
    done.add(start)
    at = start
    while at < start + length:
        if data[at] == 0:
            at = (at // 2048 + 1) * 2048
            continue
        block, size = (struct.unpack_from("<I", data, at + place)[0] for place in (2, 10))
        multiply(data, at + 2, factor)
        if data[at + 25] & 2 and data[at + 33] > 1 - data[at + 32]:
            multiply_records(data, block * 2048, size, factor, done)
        at += data[at]
