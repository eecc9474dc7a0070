"""UDF images that Linux fills: made by mkudffs, written to by the kernel's driver in `guest.py`."""

import os

import source

BYTES = 40 << 20


def options(revision, block_size):
    """The arguments of mkudffs, but for the image."""
    return [f"--udfrev={revision}", f"--blocksize={block_size}", "--uid=0", "--gid=0"]


def fill(folder, how):
    """Writes into a mounted file system; runs in the guest."""
    if how == "simple":
        source.simple(folder)
        return
    source.full(folder, odd_names=source.ASTRAL_NAMES)
    # Deleted entries stay in a directory as such, and new ones take their places.
    for number in range(0, 400, 3):
        os.remove(f"{folder}/MANY/F{number:04}.DAT")
    for number in range(60):
        source.write(f"{folder}/MANY/a new and longer name {number}", b"%d" % number, number)
    for number in range(100, 120):
        if number % 3:
            os.rename(f"{folder}/MANY/F{number:04}.DAT", f"{folder}/moved-{number}")
    fragment(folder)
    holes(folder)
    source.settle(folder)


def fragment(folder):
    """Two files that grow by turns, in pieces that each are on disk before the next: hundreds of extents."""
    files = [open(f"{folder}/fragments-{name}", "wb", buffering=0) for name in "ab"]
    for turn in range(150):
        for file in files:
            file.write(source.content(4096 + turn, turn))
            os.fsync(file.fileno())
    for file in files:
        file.close()
    # The blocks of a file that goes away are scattered, and so is what takes its place.
    os.remove(f"{folder}/fragments-a")
    source.write(f"{folder}/scattered", source.content(700_001, 7), 7)


def holes(folder):
    for name, size, places in (
        ("hole-only", 300_000, ()), ("hole-first", 100_001, (90_000,)), ("hole-last", 200_000, (0,)),
        ("holes", 5_000_000, (4096, 70_000, 3_000_000)), ("hole-64m", (64 << 20) + 5, ((64 << 20) + 1,)),
    ):
        with open(f"{folder}/{name}", "wb", buffering=0) as file:
            file.truncate(size)
            for place in places:
                file.seek(place)
                file.write(b"here")
