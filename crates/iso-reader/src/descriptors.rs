//! The volume descriptors of an image: which trees it has, where their roots are, and what it says of itself.

use crate::boot::BootEntry;
use crate::el_torito;
use crate::error::{Corrupt, Error, Unsupported};
use crate::iso9660::descriptor::{self, BOOT, PRIMARY, SUPPLEMENTARY, TERMINATOR};
use crate::iso9660::{PrimaryDescriptor, Root};
use crate::kind::TreeKind;
use crate::limits::Limits;
use crate::source::{Image, SECTOR};
use crate::udf::{self, FileSystem};
use crate::volume::Volume;
use crate::warnings::Warnings;

/// The sector of the first descriptor (ECMA-119 6.2.1).
const FIRST: u64 = 16;

/// The content of all descriptors together.
pub(crate) struct Descriptors {
    /// The primary descriptor of ISO 9660; `None` if the image has nothing but UDF.
    pub(crate) primary: Option<PrimaryDescriptor>,
    pub(crate) joliet: Option<Root>,
    pub(crate) enhanced: Option<Root>,
    pub(crate) boot_catalog: Option<u32>,
    pub(crate) boot_entries: Vec<BootEntry>,
    pub(crate) has_udf: bool,
}

/// Reads the descriptors from sector 16 up to the terminator.
pub(crate) fn read(
    image: &mut Image<'_>,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Descriptors, Error> {
    let mut primary = None;
    let (mut joliet, mut enhanced, mut boot_catalog) = (None, None, None);
    let mut sector = FIRST;
    let mut terminated = false;
    for _ in 0..limits.descriptors {
        let Some(descriptor) = read_sector(image, sector)? else { break };
        let Some(kind) = descriptor::kind(&descriptor) else {
            if descriptor::is_high_sierra(&descriptor) && sector == FIRST {
                return Err(Error::Unsupported(Unsupported::HighSierra));
            }
            break;
        };
        match kind {
            PRIMARY if primary.is_none() => primary = Some(PrimaryDescriptor::parse(&descriptor, warnings)?),
            SUPPLEMENTARY if descriptor::is_joliet(&descriptor) => {
                joliet = joliet.or_else(|| Root::parse(&descriptor, warnings).ok());
            }
            SUPPLEMENTARY if descriptor::is_enhanced(&descriptor) => {
                enhanced = enhanced.or_else(|| Root::parse(&descriptor, warnings).ok());
            }
            BOOT => boot_catalog = boot_catalog.or_else(|| descriptor::catalog_sector(&descriptor)),
            TERMINATOR => terminated = true,
            _ => {}
        }
        sector = sector.saturating_add(1);
        if terminated {
            break;
        }
    }
    let has_udf = udf::announces_udf(image, sector)?;
    match sector {
        FIRST if !has_udf => return Err(Error::NotAnImage),
        FIRST => {}
        _ if primary.is_none() => return Err(Error::Corrupt(Corrupt::NoPrimaryDescriptor)),
        _ if !terminated => warnings.add(|| "the volume descriptors have no end".to_owned()),
        _ => {}
    }
    let boot_entries = match boot_catalog {
        Some(sector) => el_torito::read(image, sector, limits, warnings)?,
        None => Vec::new(),
    };
    Ok(Descriptors { primary, joliet, enhanced, boot_catalog, boot_entries, has_udf })
}

fn read_sector(image: &mut Image<'_>, sector: u64) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = vec![0; usize::try_from(SECTOR).unwrap_or_default()];
    Ok(image.read(&mut bytes, sector.saturating_mul(SECTOR))?.then_some(bytes))
}

impl Descriptors {
    /// The descriptors as a caller sees them. `udf` is the file system, if the UDF tree is read.
    pub(crate) fn into_volume(
        self,
        kind: TreeKind,
        available: Vec<TreeKind>,
        image_size: u64,
        udf: Option<FileSystem>,
    ) -> Volume {
        let udf_size = udf.as_ref().map_or(0, FileSystem::end);
        let mut volume = Volume {
            kind,
            available,
            label: String::new(),
            system: String::new(),
            publisher: String::new(),
            application: String::new(),
            created: None,
            block_size: udf.as_ref().map_or(0, FileSystem::block_size),
            declared_size: udf_size,
            image_size,
            boot_catalog: self.boot_catalog,
            boot_entries: self.boot_entries,
        };
        if let Some(primary) = self.primary {
            let PrimaryDescriptor { root, label, system, publisher, application, created, declared_size } =
                primary;
            (volume.label, volume.system, volume.publisher) = (label, system, publisher);
            (volume.application, volume.created) = (application, created);
            volume.block_size = u32::from(root.block_size);
            // On a disc with both, the ISO 9660 tree may hold no more than a note about the other.
            volume.declared_size = declared_size.max(udf_size);
        } else if let Some(udf) = udf {
            (volume.label, volume.application, volume.created) = (udf.label, udf.application, udf.created);
        }
        volume
    }
}
