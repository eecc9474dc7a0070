//! A small UDF volume, laid out block by block, so that a test can break exactly one field.

/// Kinds of descriptors, by their tags.
pub(crate) const ANCHOR: u16 = 2;
pub(crate) const TERMINATOR: u16 = 8;
pub(crate) const FILE_SET: u16 = 256;
pub(crate) const NAME: u16 = 257;
pub(crate) const ALLOCATION: u16 = 258;
pub(crate) const FILE_ENTRY: u16 = 261;
pub(crate) const EXTENDED_FILE_ENTRY: u16 = 266;

/// Kinds of files.
pub(crate) const DIRECTORY: u8 = 4;
pub(crate) const FILE: u8 = 5;
pub(crate) const LINK: u8 = 12;

/// Forms of allocation descriptors.
pub(crate) const SHORT: u16 = 0;
pub(crate) const LONG: u16 = 1;
pub(crate) const EMBEDDED: u16 = 3;

/// Kinds of extents.
pub(crate) const UNWRITTEN: u32 = 1 << 30;
pub(crate) const UNALLOCATED: u32 = 2 << 30;
pub(crate) const CONTINUED: u32 = 3 << 30;

/// Characteristics of names.
pub(crate) const HIDDEN: u8 = 1;
pub(crate) const DELETED: u8 = 4;
pub(crate) const PARENT: u8 = 8;

/// Sectors of each volume descriptor sequence.
const SEQUENCE: u32 = 6;
/// Blocks of the partition.
const PARTITION: u32 = 100;
/// The block of the root directory's entry in its partition.
pub(crate) const ROOT: u32 = 1;
/// The first blocks of the two pieces of the metadata file, and the blocks in each.
const PIECES: [u32; 2] = [60, 80];
const PIECE: u32 = 10;

/// 29 February 2024, 12:34:56, one hour east of Greenwich.
const DATE: [u8; 12] = [0x3C, 0x10, 0xE8, 0x07, 2, 29, 12, 34, 56, 0, 0, 0];

/// The CRC of a descriptor, bit by bit.
pub(crate) fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

/// A descriptor: a tag, and the bytes that its CRC covers.
pub(crate) fn tagged(kind: u16, location: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    bytes[..2].copy_from_slice(&kind.to_le_bytes());
    bytes[2] = 3;
    bytes[8..10].copy_from_slice(&crc(body).to_le_bytes());
    bytes[10..12].copy_from_slice(&u16::try_from(body.len()).unwrap().to_le_bytes());
    bytes[12..16].copy_from_slice(&location.to_le_bytes());
    bytes[4] = bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte));
    bytes.extend(body);
    bytes
}

/// Writes the right sums into all bytes that have the form of a descriptor.
pub(crate) fn repair(bytes: &mut [u8]) {
    const KINDS: [u16; 10] = [1, 2, 3, 5, 6, FILE_SET, NAME, ALLOCATION, FILE_ENTRY, EXTENDED_FILE_ENTRY];
    // Backwards, because names may be inside an entry, whose CRC covers their sums.
    for at in (0..bytes.len().saturating_sub(16)).step_by(4).rev() {
        if bytes[at + 2..at + 4] != [3, 0] {
            continue;
        }
        let word = |offset: usize| u16::from_le_bytes([bytes[at + offset], bytes[at + offset + 1]]);
        let end = at + 16 + usize::from(word(10));
        if !KINDS.contains(&word(0)) || end > bytes.len() {
            continue;
        }
        let sum = crc(&bytes[at + 16..end]).to_le_bytes();
        bytes[at + 8..at + 10].copy_from_slice(&sum);
        bytes[at + 4] = 0;
        bytes[at + 4] = bytes[at..at + 16].iter().fold(0, |sum, byte| sum.wrapping_add(*byte));
    }
}

/// Text in the form with one byte a character.
pub(crate) fn latin(text: &str) -> Vec<u8> {
    [&[8], text.as_bytes()].concat()
}

fn dstring(text: &str, length: usize) -> Vec<u8> {
    let mut field = latin(text);
    field.resize(length, 0);
    field[length - 1] = u8::try_from(text.len() + 1).unwrap();
    field
}

pub(crate) fn short(length: u32, block: u32) -> Vec<u8> {
    [length.to_le_bytes(), block.to_le_bytes()].concat()
}

pub(crate) fn long(length: u32, block: u32, partition: u16) -> Vec<u8> {
    [&short(length, block)[..], &partition.to_le_bytes(), &[0; 6]].concat()
}

/// A file entry before it is encoded.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) kind: u16,
    pub(crate) file_type: u8,
    pub(crate) flags: u16,
    pub(crate) strategy: u16,
    pub(crate) size: u64,
    /// Extended attributes, which precede the descriptors.
    pub(crate) attributes: Vec<u8>,
    pub(crate) descriptors: Vec<u8>,
}

impl Entry {
    pub(crate) fn new(file_type: u8, form: u16, size: u64, descriptors: &[u8]) -> Entry {
        let (kind, attributes, descriptors) = (FILE_ENTRY, Vec::new(), descriptors.to_vec());
        Entry { kind, file_type, flags: form, strategy: 4, size, attributes, descriptors }
    }

    /// A file whose bytes are in its entry.
    pub(crate) fn embedded(file_type: u8, content: &[u8]) -> Entry {
        Entry::new(file_type, EMBEDDED, u64::try_from(content.len()).unwrap(), content)
    }

    pub(crate) fn encode(&self, block: u32) -> Vec<u8> {
        let is_extended = self.kind == EXTENDED_FILE_ENTRY;
        let mut body = vec![0; if is_extended { 200 } else { 160 }];
        let mut put = |at: usize, bytes: &[u8]| body[at - 16..at - 16 + bytes.len()].copy_from_slice(bytes);
        put(20, &self.strategy.to_le_bytes());
        put(27, &[self.file_type]);
        put(34, &self.flags.to_le_bytes());
        put(44, &0b00111_00101_00100_u32.to_le_bytes());
        // The number of names. Linux ignores entries with none.
        put(48, &[1]);
        put(56, &self.size.to_le_bytes());
        put(if is_extended { 92 } else { 84 }, &DATE);
        let lengths = [&self.attributes, &self.descriptors].map(|part| u32::try_from(part.len()).unwrap());
        put(if is_extended { 208 } else { 168 }, &lengths.map(u32::to_le_bytes).concat());
        body.extend(&self.attributes);
        body.extend(&self.descriptors);
        tagged(self.kind, block, &body)
    }
}

/// A name in a directory.
pub(crate) fn name(text: &[u8], characteristics: u8, block: u32, partition: u16) -> Vec<u8> {
    let mut body = vec![1, 0, characteristics, u8::try_from(text.len()).unwrap()];
    body.extend(long(512, block, partition));
    body.extend([0, 0]);
    body.extend(text);
    body.resize((16 + body.len()).next_multiple_of(4) - 16, 0);
    tagged(NAME, 0, &body)
}

/// A volume that can be written to.
#[derive(Clone)]
pub(crate) struct Volume {
    pub(crate) bytes: Vec<u8>,
    pub(crate) block_size: usize,
    /// The map of the partition that holds directories and entries: 1 with a metadata partition.
    pub(crate) map: u16,
}

impl Volume {
    /// Blocks of 512 bytes, one partition, an empty root.
    pub(crate) fn new() -> Volume {
        Volume::with_block_size(512)
    }

    pub(crate) fn with_block_size(block_size: usize) -> Volume {
        let maps = [&[1, 6, 1, 0][..], &7_u16.to_le_bytes()].concat();
        let mut volume = Volume { bytes: Vec::new(), block_size, map: 0 };
        volume.lay_out(1, &maps);
        volume
    }

    /// As [`Volume::new`], with directories and entries in a metadata partition of two pieces. The entry of
    /// its file is in block 0 of the other partition, that of the mirror in block 2.
    pub(crate) fn with_metadata() -> Volume {
        let mut maps = [&[1, 6, 1, 0][..], &7_u16.to_le_bytes()].concat();
        maps.extend(type_2_map("*UDF Metadata Partition", &[0, 2, 4]));
        let mut volume = Volume { bytes: Vec::new(), block_size: 512, map: 1 };
        volume.put(volume.offset(0, PARTITION), &[0]);
        volume.metadata_file(0, 250, &PIECES.map(|start| short(PIECE * 512, start)).concat());
        volume.metadata_file(2, 251, &PIECES.map(|start| short(PIECE * 512, start)).concat());
        volume.lay_out(2, &maps);
        volume
    }

    /// Writes an entry of the metadata file or its mirror.
    pub(crate) fn metadata_file(&mut self, block: u32, file_type: u8, descriptors: &[u8]) {
        let size = u64::from(2 * PIECE) * 512;
        let entry = Entry::new(file_type, SHORT, size, descriptors);
        self.put(self.offset(0, block), &entry.encode(block));
    }

    fn lay_out(&mut self, map_count: u32, maps: &[u8]) {
        for (at, identifier) in [b"BEA01", b"NSR03", b"TEA01"].iter().enumerate() {
            self.put((32 << 10) + at * self.block_size.max(2048) + 1, &identifier[..]);
        }
        for copy in 0..2 {
            self.sequence(self.first() + copy * SEQUENCE, map_count, maps);
        }
        let end = self.first() + 2 * SEQUENCE + PARTITION;
        self.anchor(end);
        let set = long(u32::try_from(self.block_size).unwrap(), ROOT, self.map);
        let mut body = vec![0; 496];
        body[400 - 16..416 - 16].copy_from_slice(&set);
        self.put(self.offset(self.map, 0), &tagged(FILE_SET, 0, &body));
        self.directory(ROOT, &[]);
    }

    /// The sector where the main sequence starts, behind the recognition sequence.
    pub(crate) fn first(&self) -> u32 {
        u32::try_from((48 << 10) / self.block_size).unwrap()
    }

    /// Writes an anchor, and extends the image to hold it.
    pub(crate) fn anchor(&mut self, sector: u32) {
        let length = SEQUENCE * u32::try_from(self.block_size).unwrap();
        let mut body = [short(length, self.first()), short(length, self.first() + SEQUENCE)].concat();
        body.resize(496, 0);
        self.put(self.sector(sector), &tagged(ANCHOR, sector, &body));
        let end = self.bytes.len().next_multiple_of(self.block_size);
        self.bytes.resize(end, 0);
    }

    fn sequence(&mut self, sector: u32, map_count: u32, maps: &[u8]) {
        let mut primary = vec![0; 496];
        primary[24 - 16..56 - 16].copy_from_slice(&dstring("PRIMARY", 32));
        primary[376 - 16..388 - 16].copy_from_slice(&DATE);
        primary[389 - 16..389 - 16 + 8].copy_from_slice(b"*builder");
        self.put(self.sector(sector), &tagged(1, sector, &primary));

        let mut partition = vec![0; 496];
        partition[22 - 16..24 - 16].copy_from_slice(&7_u16.to_le_bytes());
        let extent = [self.first() + 2 * SEQUENCE, PARTITION].map(u32::to_le_bytes).concat();
        partition[188 - 16..196 - 16].copy_from_slice(&extent);
        self.put(self.sector(sector + 1), &tagged(5, sector + 1, &partition));

        let block_size = u32::try_from(self.block_size).unwrap();
        let mut logical = vec![0; 424];
        logical[84 - 16..212 - 16].copy_from_slice(&dstring("LABEL", 128));
        logical[212 - 16..216 - 16].copy_from_slice(&block_size.to_le_bytes());
        logical[248 - 16..264 - 16].copy_from_slice(&long(block_size, 0, self.map));
        logical[264 - 16..268 - 16].copy_from_slice(&u32::try_from(maps.len()).unwrap().to_le_bytes());
        logical[268 - 16..272 - 16].copy_from_slice(&map_count.to_le_bytes());
        logical.extend(maps);
        self.put(self.sector(sector + 2), &tagged(6, sector + 2, &logical));
        self.put(self.sector(sector + 3), &tagged(TERMINATOR, sector + 3, &[0; 496]));
    }

    /// Replaces the size of the partition in both sequences.
    pub(crate) fn partition_blocks(&mut self, blocks: u32) {
        for sector in [0, SEQUENCE].map(|sequence| self.sector(self.first() + sequence + 1)) {
            self.put(sector + 192, &blocks.to_le_bytes());
            repair(&mut self.bytes[sector..sector + 512]);
        }
    }

    /// Replaces the partition maps in both sequences.
    pub(crate) fn maps(&mut self, map_count: u32, maps: &[u8]) {
        for copy in 0..2 {
            self.sequence(self.first() + copy * SEQUENCE, map_count, maps);
        }
    }

    /// The byte where a sector starts.
    pub(crate) fn sector(&self, sector: u32) -> usize {
        usize::try_from(sector).unwrap() * self.block_size
    }

    /// The byte where a block of a partition starts.
    pub(crate) fn offset(&self, map: u16, block: u32) -> usize {
        let block = match map {
            0 => block,
            _ => PIECES[usize::try_from(block / PIECE).unwrap()] + block % PIECE,
        };
        self.sector(self.first() + 2 * SEQUENCE + block)
    }

    /// Overwrites bytes; the image grows with zeros as needed.
    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[at..end].copy_from_slice(bytes);
    }

    /// Writes an entry.
    pub(crate) fn entry(&mut self, block: u32, entry: &Entry) {
        let at = self.offset(self.map, block);
        assert!(entry.encode(block).len() <= self.block_size, "an entry fits into a block");
        self.put(at, &entry.encode(block));
    }

    /// Writes a directory with its names inside its entry.
    pub(crate) fn directory(&mut self, block: u32, names: &[Vec<u8>]) {
        let parent = name(b"", PARENT | 2, ROOT, self.map);
        self.entry(block, &Entry::embedded(DIRECTORY, &[&[parent], names].concat().concat()));
    }

    /// A name that stands for the entry in `block`.
    pub(crate) fn name(&self, text: &str, block: u32) -> Vec<u8> {
        name(&latin(text), 0, block, self.map)
    }

    /// A block of a chain of allocation descriptors.
    pub(crate) fn allocation(&mut self, block: u32, descriptors: &[u8]) {
        let length = u32::try_from(descriptors.len()).unwrap();
        let body = [&[0; 4], &length.to_le_bytes()[..], descriptors].concat();
        self.put(self.offset(self.map, block), &tagged(ALLOCATION, block, &body));
    }
}

/// A partition map of 64 bytes for partition 7.
pub(crate) fn type_2_map(identifier: &str, fields: &[u32]) -> Vec<u8> {
    let mut map = vec![0; 64];
    (map[0], map[1], map[36]) = (2, 64, 1);
    map[5..5 + identifier.len()].copy_from_slice(identifier.as_bytes());
    map[38..40].copy_from_slice(&7_u16.to_le_bytes());
    for (at, field) in fields.iter().enumerate() {
        map[40 + at * 4..44 + at * 4].copy_from_slice(&field.to_le_bytes());
    }
    map
}
