"""The files that are served: real bytes on disk, the same below nginx's and our root, and once more inside an ISO."""

import os
import pathlib
import subprocess

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SIZES = {
    "4KiB.bin": 4 * KIB,
    "kernel.bin": 8 * MIB,
    "initrd.bin": 12 * MIB,
    "60MiB.bin": 60 * MIB,
    "1GiB.bin": GIB,
    "4GiB.bin": 4 * GIB,
}
IN_ISO = ("60MiB.bin", "1GiB.bin", "4GiB.bin")
LISTED = 1000

# Left free on the disk.
RESERVE = GIB


class SpaceError(Exception):
    """The disk or the memory is too small."""


def prepare(work, names, iso):
    """Writes the files `names`, the listed folder and, if wanted, the ISO. None of them stays in the page cache: how the kernel lays
    pages out there depends on how they came, so all are to come by reading."""
    space = sum(SIZES[name] for name in names) * (2 if iso else 1) + RESERVE
    status = os.statvfs(work)
    if status.f_bavail * status.f_frsize < space:
        raise SpaceError(f"{work} needs {space / GIB:.1f} GiB of free space; set TMPDIR to another folder")
    data = work / "files" / "data"
    data.mkdir(parents=True)
    for name in sorted(names):
        write(data / name, SIZES[name])
    listing = work / "files" / "listing"
    listing.mkdir()
    for number in range(LISTED):
        (listing / f"package-{number:04}.x86_64.rpm").write_bytes(b"rpm")
    if iso:
        grafts = [f"/{name}={data / name}" for name in IN_ISO]
        command = ["xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "3", "-R", "-graft-points"]
        subprocess.run(
            [*command, "-o", str(work / "image.iso"), *grafts], check=True, capture_output=True, timeout=180
        )
        cool(work / "image.iso")


def write(path, size):
    """Random bytes, each block marked so that no two are alike, and written through to the disk."""
    block = bytearray(os.urandom(min(size, 16 * MIB)))
    with open(path, "wb", buffering=0) as file:
        for offset in range(0, size, len(block)):
            block[:8] = offset.to_bytes(8, "little")
            written = file.write(block[: size - offset])
            if written != min(len(block), size - offset):
                raise SpaceError(f"{path} cannot be written whole")
    cool(path)


def warm(path):
    """Brings a file into the page cache."""
    buffer = bytearray(4 * MIB)
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def cool(path):
    """Writes a file through to the disk and drops it from the page cache, as far as the kernel does it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def read_from_disks():
    """Bytes that this machine has read from its disks since it started."""
    for line in pathlib.Path("/proc/vmstat").read_text().splitlines():
        name, value = line.split()
        if name == "pgpgin":
            return int(value) * KIB
    raise OSError("/proc/vmstat does not say what is read from disks")
