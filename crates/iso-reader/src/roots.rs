//! The trees that an image has, and the choice among them.

use crate::descriptors::Descriptors;
use crate::error::{Corrupt, Error, Unsupported};
use crate::iso9660::{Directory, DirectoryItem, Naming, Root};
use crate::kind::TreeKind;
use crate::limits::Limits;
use crate::rock_ridge::Attributes;
use crate::source::{Image, SECTOR};
use crate::udf::FileSystem;
use crate::warnings::Warnings;

/// Where a tree starts.
pub(crate) enum Start {
    Iso(Naming, Root),
    Udf(FileSystem),
}

/// The tree to read.
pub(crate) struct Choice {
    pub(crate) kind: TreeKind,
    pub(crate) start: Start,
    /// The UDF file system that describes the files of an ISO 9660 tree once more.
    pub(crate) udf: Option<FileSystem>,
}

/// The roots of all trees that can be read, best first.
pub(crate) struct Roots {
    found: Vec<(TreeKind, Start)>,
    /// The reason why the UDF tree that the image announces cannot be read.
    udf_refusal: Option<Error>,
}

impl Roots {
    pub(crate) fn find(
        image: &mut Image<'_>,
        descriptors: &Descriptors,
        limits: &Limits,
        warnings: &mut Warnings,
    ) -> Result<Roots, Error> {
        let mut roots = Roots { found: Vec::new(), udf_refusal: None };
        let primary = descriptors.primary.as_ref().map(|primary| primary.root);
        if let Some(primary) = primary {
            if !starts_inside(image, &primary) {
                return Err(Error::Corrupt(Corrupt::RootOutsideImage));
            }
            match entry_for_itself(image, &primary)? {
                Some(area) => {
                    let skip = Attributes::probe(image, &area, u64::from(primary.block_size), limits)?;
                    if let Some(skip) = skip {
                        roots.add(TreeKind::RockRidge, Naming::RockRidge { skip }, primary);
                    } else if descriptors.joliet.is_none() && has_attributes(image, &primary, limits)? {
                        warnings.add(|| "the root directory does not announce its Rock Ridge".to_owned());
                        roots.add(TreeKind::RockRidge, Naming::RockRidge { skip: 0 }, primary);
                    }
                }
                None => {
                    warnings
                        .add(|| "the root directory of the primary tree has no entry for itself".to_owned());
                }
            }
        }
        if descriptors.has_udf {
            match FileSystem::open(image, limits, warnings) {
                Ok(system) => roots.found.push((TreeKind::Udf, Start::Udf(system))),
                Err(error @ (Error::Corrupt(_) | Error::Unsupported(_))) => roots.udf_refusal = Some(error),
                Err(error) => return Err(error),
            }
        }
        let supplementary = [
            (TreeKind::Joliet, Naming::Joliet, descriptors.joliet),
            (TreeKind::Enhanced, Naming::Enhanced, descriptors.enhanced),
        ];
        for (kind, naming, root) in supplementary {
            let Some(root) = root else { continue };
            if !starts_inside(image, &root) {
                warnings.add(|| format!("the root directory of the {kind} tree leaves the image"));
            } else if entry_for_itself(image, &root)?.is_none() {
                warnings.add(|| format!("the root directory of the {kind} tree has no entry for itself"));
            } else {
                roots.add(kind, naming, root);
            }
        }
        if let Some(primary) = primary {
            roots.add(TreeKind::Plain, Naming::Plain, primary);
        }
        Ok(roots)
    }

    fn add(&mut self, kind: TreeKind, naming: Naming, root: Root) {
        self.found.push((kind, Start::Iso(naming, root)));
    }

    /// The tree that the caller wants, else the best one. If the best is a UDF tree that cannot be read, it
    /// is the next one, with a warning.
    pub(crate) fn choose(self, wanted: Option<TreeKind>, warnings: &mut Warnings) -> Result<Choice, Error> {
        let Roots { mut found, udf_refusal } = self;
        let place = found.iter().position(|(kind, _)| wanted.is_none_or(|wanted| wanted == *kind));
        match (place.map(|place| found.remove(place)), udf_refusal) {
            (Some((kind, start)), refusal) => {
                if let Some(refusal) = refusal.filter(|_| wanted.is_none() && kind > TreeKind::Udf) {
                    warnings.add(|| format!("the {kind} tree is read instead of the UDF tree: {refusal}"));
                }
                let udf = found.into_iter().find_map(|(_, start)| match start {
                    Start::Udf(system) => Some(system),
                    Start::Iso(..) => None,
                });
                Ok(Choice { kind, start, udf })
            }
            (None, Some(refusal)) if wanted.is_none_or(|wanted| wanted == TreeKind::Udf) => Err(refusal),
            (None, _) => Err(Error::Unsupported(Unsupported::Tree(wanted.unwrap_or(TreeKind::Plain)))),
        }
    }

    pub(crate) fn available(&self) -> Vec<TreeKind> {
        self.found.iter().map(|(kind, _)| *kind).collect()
    }
}

fn starts_inside(image: &Image<'_>, root: &Root) -> bool {
    image.contains(root.offset(), 1)
}

/// Whether an entry of a root directory has attributes of Rock Ridge. Without the announcement, Linux takes
/// them where there is no Joliet.
fn has_attributes(image: &mut Image<'_>, root: &Root, limits: &Limits) -> Result<bool, Error> {
    let mut directory = Directory::default();
    directory.enter(root.offset(), SECTOR.min(image.size().saturating_sub(root.offset())));
    // A sector has no more records than that.
    for _ in 0..SECTOR {
        let area = match directory.next(image)? {
            Some(DirectoryItem::Record(_, record)) => record.system_use.to_vec(),
            Some(_) => continue,
            None => break,
        };
        if Attributes::probe(image, &area, u64::from(root.block_size), limits)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The system use area of a root directory's entry for itself (ECMA-119 6.8.2.2), where Rock Ridge announces
/// itself. `None` if there is no such entry: the directory is damaged.
fn entry_for_itself(image: &mut Image<'_>, root: &Root) -> Result<Option<Vec<u8>>, Error> {
    let available = image.size().saturating_sub(root.offset());
    let mut directory = Directory::default();
    directory.enter(root.offset(), SECTOR.min(available));
    Ok(match directory.next(image)? {
        Some(DirectoryItem::Record(_, record)) if record.is_itself() => Some(record.system_use.to_vec()),
        _ => None,
    })
}
