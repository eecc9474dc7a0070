//! A small disc, laid out block by block, so that a test can break exactly one field.

/// Bytes of a sector.
pub(crate) const SECTOR: usize = 2048;
/// The block of the root directory, whatever the block size (sector 20).
pub(crate) const ROOT: u32 = 20;

pub(crate) const DIRECTORY: u8 = 0x02;
pub(crate) const ASSOCIATED: u8 = 0x04;
pub(crate) const CONTINUES: u8 = 0x80;

/// A number in both byte orders.
pub(crate) fn both16(value: u16) -> Vec<u8> {
    [value.to_le_bytes(), value.to_be_bytes()].concat()
}

/// A number in both byte orders.
pub(crate) fn both32(value: u32) -> Vec<u8> {
    [value.to_le_bytes(), value.to_be_bytes()].concat()
}

/// A directory record (ECMA-119 9.1).
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) name: Vec<u8>,
    pub(crate) block: u32,
    pub(crate) length: u32,
    pub(crate) flags: u8,
    pub(crate) attribute_blocks: u8,
    pub(crate) gap: u8,
    pub(crate) date: [u8; 7],
    pub(crate) system_use: Vec<u8>,
}

impl Record {
    pub(crate) fn file(name: &[u8], block: u32, length: u32) -> Record {
        let date = [124, 2, 29, 12, 34, 56, 0];
        let (attribute_blocks, gap, flags) = (0, 0, 0);
        Record {
            name: name.to_vec(),
            block,
            length,
            flags,
            attribute_blocks,
            gap,
            date,
            system_use: Vec::new(),
        }
    }

    /// A directory of one sector.
    pub(crate) fn directory(name: &[u8], block: u32) -> Record {
        Record { flags: DIRECTORY, ..Record::file(name, block, 2048) }
    }

    pub(crate) fn flags(self, flags: u8) -> Record {
        Record { flags: self.flags | flags, ..self }
    }

    /// Appends entries to the system use area.
    pub(crate) fn with(mut self, entries: &[u8]) -> Record {
        self.system_use.extend_from_slice(entries);
        self
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0, self.attribute_blocks];
        bytes.extend(both32(self.block));
        bytes.extend(both32(self.length));
        bytes.extend(self.date);
        bytes.extend([self.flags, 0, self.gap]);
        bytes.extend(both16(1));
        bytes.push(u8::try_from(self.name.len()).unwrap());
        bytes.extend(&self.name);
        if self.name.len().is_multiple_of(2) {
            bytes.push(0);
        }
        bytes.extend(&self.system_use);
        if bytes.len() % 2 == 1 {
            bytes.push(0);
        }
        bytes[0] = u8::try_from(bytes.len()).unwrap();
        bytes
    }
}

/// An image that grows as it is written.
#[derive(Clone)]
pub(crate) struct Disc {
    pub(crate) bytes: Vec<u8>,
    pub(crate) block_size: usize,
}

impl Disc {
    /// A disc with a primary descriptor, a terminator, and an empty root directory in sector 20.
    pub(crate) fn new() -> Disc {
        Disc::with_block_size(2048)
    }

    pub(crate) fn with_block_size(block_size: u16) -> Disc {
        let mut disc = Disc { bytes: Vec::new(), block_size: usize::from(block_size) };
        disc.descriptor(16, 1, disc.root());
        disc.put(17 * SECTOR, b"\xFFCD001\x01");
        disc.put(18 * SECTOR - 1, &[0]);
        disc.directory(disc.root(), &[]);
        disc
    }

    /// The block of the root directory.
    pub(crate) fn root(&self) -> u32 {
        ROOT * u32::try_from(SECTOR / self.block_size).unwrap()
    }

    /// Writes a volume descriptor whose root directory of one sector starts at `root`.
    pub(crate) fn descriptor(&mut self, sector: usize, kind: u8, root: u32) {
        let at = sector * SECTOR;
        self.put(at, &[0; SECTOR]);
        self.put(at, &[kind]);
        self.put(at + 1, b"CD001\x01");
        self.put(at + 8, format!("{:32}{:32}", "LINUX", "TEST").as_bytes());
        self.put(at + 80, &both32(40 * 2048 / u32::try_from(self.block_size).unwrap()));
        self.put(at + 120, &both16(1));
        self.put(at + 124, &both16(1));
        self.put(at + 128, &both16(u16::try_from(self.block_size).unwrap()));
        self.put(at + 156, &Record::directory(&[0], root).encode());
        self.put(at + 318, format!("{:128}{:128}{:128}", "PUBLISHER", "", "APPLICATION").as_bytes());
        self.put(at + 813, b"2024022912345600\0");
    }

    /// Moves the terminator one sector on and writes a supplementary descriptor before it.
    pub(crate) fn supplementary(&mut self, version: u8, escapes: &[u8], root: u32) {
        self.descriptor(17, 2, root);
        self.put(17 * SECTOR + 6, &[version]);
        self.put(17 * SECTOR + 88, escapes);
        self.put(18 * SECTOR, b"\xFFCD001\x01");
        self.put(19 * SECTOR - 1, &[0]);
    }

    /// Overwrites bytes; the image grows with zeros as needed.
    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[at..end].copy_from_slice(bytes);
    }

    /// Writes the content of a file, padded to whole blocks, and returns a record for it.
    pub(crate) fn file(&mut self, name: &[u8], block: u32, content: &[u8]) -> Record {
        let at = self.offset(block);
        self.put(at, content);
        let end = self.bytes.len().next_multiple_of(self.block_size);
        self.bytes.resize(end, 0);
        Record::file(name, block, u32::try_from(content.len()).unwrap())
    }

    /// Writes a directory: an entry for itself, one for its parent, and `records`. Returns its length in
    /// bytes.
    pub(crate) fn directory(&mut self, block: u32, records: &[Record]) -> u32 {
        let parent = Record::directory(&[1], self.root());
        let write = |disc: &mut Disc, length| {
            let dots = [Record { length, ..Record::directory(&[0], block) }, parent.clone()];
            disc.records(block, &[&dots, records].concat())
        };
        let length = write(self, 0);
        write(self, length)
    }

    /// Writes a directory of exactly these records. Returns its length in bytes.
    pub(crate) fn records(&mut self, block: u32, records: &[Record]) -> u32 {
        let mut bytes: Vec<u8> = Vec::new();
        for record in records {
            let record = record.encode();
            if bytes.len() % SECTOR + record.len() > SECTOR {
                bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
            }
            bytes.extend(record);
        }
        bytes.resize(bytes.len().next_multiple_of(SECTOR).max(SECTOR), 0);
        let at = self.offset(block);
        self.put(at, &bytes);
        u32::try_from(bytes.len()).unwrap()
    }

    /// The byte where a block starts.
    pub(crate) fn offset(&self, block: u32) -> usize {
        usize::try_from(block).unwrap() * self.block_size
    }
}
