"""Turns an image of UDF 2.01 into one with a metadata partition (UDF 2.50, 2.2.10), which no tool of Debian makes.

The metadata file holds the whole partition with its halves exchanged, so that no block of metadata has the number of
its place. File entries and directories move into that partition by their numbers alone; data stays in the other one.
"""

import struct

FILE_SET, TERMINATOR, LOGICAL_VOLUME, PARTITION, FILE_IDENTIFIER, EXTENDED_ENTRY = 256, 8, 6, 5, 257, 266
METADATA_FILE, MIRROR_FILE = 250, 251
DIRECTORY = 4


def convert(path, revision, block_size=2048, break_main=False):
    """Needs long allocation descriptors and extended file entries. `break_main` leaves only the mirror file."""
    with open(path, "r+b") as file:
        image = Image(bytearray(file.read()), block_size)
        image.convert(revision, break_main)
        file.seek(0)
        file.write(image.data)


class Image:
    def __init__(self, data, block_size):
        self.data, self.size = data, block_size

    def number(self, form, at):
        return struct.unpack_from(f"<{form}", self.data, at)[0]

    def put(self, form, at, *values):
        struct.pack_into(f"<{form}", self.data, at, *values)

    def seal(self, at, location=None):
        """Sets the location of a tag (ECMA-167 3/7.2) and recalculates its checksums."""
        if location is not None:
            self.put("I", at + 12, location)
        self.put("H", at + 8, crc(self.data[at + 16:at + 16 + self.number("H", at + 10)]))
        self.data[at + 4] = (sum(self.data[at:at + 16]) - self.data[at + 4]) % 256

    def convert(self, revision, break_main):
        anchor = 256 * self.size
        volumes = []
        for place in 16, 24:
            length, start = self.number("I", anchor + place), self.number("I", anchor + place + 4)
            for at in range(start * self.size, start * self.size + length, self.size):
                tag = self.number("H", at)
                if tag == PARTITION:
                    self.start, self.blocks = self.number("I", at + 188), self.number("I", at + 192)
                elif tag == LOGICAL_VOLUME:
                    volumes.append(at)
                elif tag == TERMINATOR:
                    break
        self.half = self.blocks // 2
        for place, type_ in (self.blocks - 1, METADATA_FILE), (self.blocks - 2, MIRROR_FILE):
            self.write_metadata_file(place, type_)
        if break_main:
            self.put("H", self.at(self.blocks - 1), 0)
        file_set = self.number("I", volumes[0] + 252)
        self.move_file_set(file_set)
        for at in volumes:
            self.describe(at, file_set, revision)

    def at(self, block):
        """The byte where a block of the physical partition is."""
        return (self.start + block) * self.size

    def moved(self, block):
        """The number that a block has in the metadata partition."""
        return (block - self.half) % self.blocks

    def describe(self, volume, file_set, revision):
        """The logical volume descriptor: revision, place of the file set, and the second partition map."""
        self.put("H", volume + 216 + 24, revision)
        self.put("IH", volume + 252, self.moved(file_set), 1)
        length = self.number("I", volume + 264)
        self.put("II", volume + 264, length + 64, 2)
        entity = struct.pack("<B23sH6x", 0, b"*UDF Metadata Partition", revision)
        files = (self.blocks - 1, self.blocks - 2, 0xFFFFFFFF)
        partition_map = struct.pack("<BB2x32sHHIIIIHB5x", 2, 64, entity, 1, 0, *files, 32, 1, 0)
        self.data[volume + 440 + length:volume + 440 + length + 64] = partition_map
        self.put("H", volume + 10, 424 + length + 64)
        self.seal(volume)

    def write_metadata_file(self, block, type_):
        at, size = self.at(block), self.size
        if any(self.data[at:at + size]):
            raise ValueError("the end of the partition is in use")
        extents = struct.pack("<IIII", (self.blocks - self.half) * size, self.half, self.half * size, 0)
        self.put("HHBxHHHI", at, EXTENDED_ENTRY, 3, 0, 1, 0, 200 + len(extents), block)
        self.put("IHHHBBIHH", at + 16, 0, 4, 0, 1, 0, type_, 0, 0, 0)
        self.put("Q", at + 56, self.blocks * size)
        self.put("Q", at + 64, self.blocks * size)
        self.put("Q", at + 72, self.blocks)
        self.put("II", at + 208, 0, len(extents))
        self.data[at + 216:at + 216 + len(extents)] = extents
        self.seal(at)

    def move_file_set(self, block):
        at = self.at(block)
        root = self.number("I", at + 404)
        self.put("IH", at + 404, self.moved(root), 1)
        self.seal(at, self.moved(block))
        done, waiting = set(), [root]
        while waiting:
            block = waiting.pop()
            if block not in done:
                done.add(block)
                waiting += self.move_entry(block)

    def move_entry(self, block):
        """A file entry; returns what a directory refers to."""
        at = self.at(block)
        if self.number("H", at) != EXTENDED_ENTRY:
            raise ValueError(f"block {block} is no extended file entry")
        attributes, length = self.number("I", at + 208), self.number("I", at + 212)
        start, found = at + 216 + attributes, []
        if self.data[at + 27] == DIRECTORY:
            if self.number("H", at + 34) & 7 == 3:
                found = self.move_identifiers([(start, length)], self.moved(block))
            else:
                places = range(start, start + length, 16)
                pieces = [(self.at(self.number("I", place + 4)), self.number("I", place) & 0x3FFFFFFF)
                          for place in places]
                found = self.move_identifiers(pieces, None)
        self.seal(at, self.moved(block))
        return found

    def move_identifiers(self, pieces, location):
        """The file identifiers of a directory, which may lie across its extents."""
        places = [place for start, length in pieces for place in range(start, start + length)]
        content = bytearray(self.data[place] for place in places)
        view, at, found = Image(content, self.size), 0, []
        while at < len(content):
            block, deleted = view.number("I", at + 24), content[at + 18] & 4
            if not deleted:
                found.append(block)
            view.put("IH", at + 24, self.moved(block), 1)
            view.seal(at, location)
            at += (38 + content[at + 19] + view.number("H", at + 36) + 3) // 4 * 4
        for place, byte in zip(places, content):
            self.data[place] = byte
        return found


def crc(data):
    """CRC-ITU-T (ECMA-167 3/7.2.6)."""
    value = 0
    for byte in data:
        value = (value << 8 & 0xFF00) ^ TABLE[value >> 8 ^ byte]
    return value


def remainder(value):
    for _ in range(8):
        value = value << 1 ^ (0x11021 if value & 0x8000 else 0)
    return value


TABLE = [remainder(byte << 8) for byte in range(256)]
