//! The trees that an image has, and the choice among them.

use crate::descriptors::Descriptors;
use crate::error::{Corrupt, Error, Unsupported};
use crate::iso9660::{Directory, DirectoryItem, Naming, Root};
use crate::kind::TreeKind;
use crate::limits::Limits;
use crate::rock_ridge::Attributes;
use crate::source::Image;
use crate::udf::FileSystem;
use crate::warnings::Warnings;

/// Where a tree starts.
pub(crate) enum Start {
    Iso(Naming, Root),
    Udf(FileSystem),
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
            if let Some(skip) = probe_rock_ridge(image, &primary, limits)? {
                roots.add(TreeKind::RockRidge, Naming::RockRidge { skip }, primary);
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
            match root {
                Some(root) if starts_inside(image, &root) => roots.add(kind, naming, root),
                Some(_) => warnings.add(|| format!("the root directory of the {kind} tree leaves the image")),
                None => {}
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
    pub(crate) fn choose(
        self,
        wanted: Option<TreeKind>,
        warnings: &mut Warnings,
    ) -> Result<(TreeKind, Start), Error> {
        let Roots { found, udf_refusal } = self;
        let mut found = found.into_iter();
        match (found.find(|(kind, _)| wanted.is_none_or(|wanted| wanted == *kind)), udf_refusal) {
            (Some((kind, start)), refusal) => {
                if let Some(refusal) = refusal.filter(|_| wanted.is_none() && kind > TreeKind::Udf) {
                    warnings.add(|| format!("the {kind} tree is read instead of the UDF tree: {refusal}"));
                }
                Ok((kind, start))
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

/// Rock Ridge announces itself in the first record of the root directory.
fn probe_rock_ridge(image: &mut Image<'_>, root: &Root, limits: &Limits) -> Result<Option<usize>, Error> {
    let length = u64::from(root.length).min(image.size().saturating_sub(root.offset()));
    let mut directory = Directory::default();
    directory.enter(root.offset(), length);
    let system_use = match directory.next(image)? {
        Some(DirectoryItem::Record(_, record)) if record.is_itself() => record.system_use.to_vec(),
        _ => return Ok(None),
    };
    Attributes::probe(image, &system_use, u64::from(root.block_size), limits)
}
