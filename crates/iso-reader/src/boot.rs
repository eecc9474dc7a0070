//! The images that firmware may start: the entries of a boot catalog, as a caller sees them.

/// Bytes of a virtual sector, in which load sizes are counted (El Torito 1.0, 2.2).
const VIRTUAL_SECTOR: u64 = 512;

/// One image that firmware can start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootEntry {
    /// The machines it is for.
    pub platform: BootPlatform,
    /// Whether firmware may start it. Other entries only offer their bytes.
    pub bootable: bool,
    /// The disk as which firmware shows the image to the program that it starts.
    pub emulation: BootEmulation,
    /// The segment that a BIOS loads it to; 0 stands for 0x7C0.
    pub load_segment: u16,
    /// How many sectors of 512 bytes firmware loads. EFI takes 0 and 1 as "up to the end".
    pub load_sectors: u16,
    /// Where it starts in the ISO, in bytes. Always inside the ISO.
    pub offset: u64,
    /// The number of its bytes, if known. All of them lie inside the ISO.
    ///
    /// It is the size of the file that starts at the same byte, else that of the floppy, else the bytes that
    /// firmware loads.
    pub length: Option<u64>,
}

/// The machines that a boot entry is for (El Torito 1.0, figure 2; UEFI 2.10, 13.3.2.1 for EFI).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BootPlatform {
    /// PCs with a BIOS.
    X86,
    /// PowerPC.
    PowerPc,
    /// Macintosh.
    Mac,
    /// Any machine with EFI. The image is a FAT file system.
    Efi,
    /// A number without a meaning.
    Other(u8),
}

impl From<u8> for BootPlatform {
    fn from(number: u8) -> BootPlatform {
        match number {
            0 => BootPlatform::X86,
            1 => BootPlatform::PowerPc,
            2 => BootPlatform::Mac,
            0xEF => BootPlatform::Efi,
            other => BootPlatform::Other(other),
        }
    }
}

/// The disk that a boot image stands for (El Torito 1.0, figure 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BootEmulation {
    /// None: its first sectors are loaded and started.
    None,
    /// A floppy disk of 1.2 MB.
    Floppy1200,
    /// A floppy disk of 1.44 MB.
    Floppy1440,
    /// A floppy disk of 2.88 MB.
    Floppy2880,
    /// A hard disk.
    HardDisk,
    /// A number without a meaning.
    Other(u8),
}

impl BootEmulation {
    /// The media type of an entry, whose lower four bits are the kind.
    pub(crate) fn from_media_type(byte: u8) -> BootEmulation {
        match byte & 0x0F {
            0 => BootEmulation::None,
            1 => BootEmulation::Floppy1200,
            2 => BootEmulation::Floppy1440,
            3 => BootEmulation::Floppy2880,
            4 => BootEmulation::HardDisk,
            other => BootEmulation::Other(other),
        }
    }
}

impl BootEntry {
    /// The length that the entry itself states.
    pub(crate) fn stated_length(&self) -> Option<u64> {
        let loaded = u64::from(self.load_sectors).saturating_mul(VIRTUAL_SECTOR);
        match self.emulation {
            BootEmulation::Floppy1200 => Some(1_228_800),
            BootEmulation::Floppy1440 => Some(1_474_560),
            BootEmulation::Floppy2880 => Some(2_949_120),
            BootEmulation::None if self.platform == BootPlatform::Efi && self.load_sectors < 2 => None,
            BootEmulation::None if loaded > 0 => Some(loaded),
            // The size of a hard disk is in its partition table; firmware loads only its first sector.
            _ => None,
        }
    }
}
