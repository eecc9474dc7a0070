//! Which trees an image has, and which of them is read.

use crate::build::Naming;
use crate::descriptors::{Descriptors, Root};
use crate::directory::{Directory, Item};
use crate::error::{Corrupt, Error, Unsupported};
use crate::limits::Limits;
use crate::rock_ridge::RockRidge;
use crate::source::Image;
use crate::volume::TreeKind;
use crate::warnings::Warnings;

/// The roots of all trees that can be read, best first.
pub(crate) struct Roots(Vec<(TreeKind, Naming, Root)>);

impl Roots {
    pub(crate) fn find(
        image: &mut Image<'_>,
        descriptors: &Descriptors,
        limits: &Limits,
        warnings: &mut Warnings,
    ) -> Result<Roots, Error> {
        let primary = descriptors.primary.root;
        if !starts_inside(image, &primary) {
            return Err(Error::Corrupt(Corrupt::RootOutsideImage));
        }
        let mut roots = Vec::new();
        if let Some(skip) = probe_rock_ridge(image, &primary, limits)? {
            roots.push((TreeKind::RockRidge, Naming::RockRidge { skip }, primary));
        }
        let supplementary = [
            (TreeKind::Joliet, Naming::Joliet, descriptors.joliet),
            (TreeKind::Enhanced, Naming::Enhanced, descriptors.enhanced),
        ];
        for (kind, naming, root) in supplementary {
            match root {
                Some(root) if starts_inside(image, &root) => roots.push((kind, naming, root)),
                Some(_) => warnings.add(|| format!("the root directory of the {kind} tree leaves the image")),
                None => {}
            }
        }
        roots.push((TreeKind::Plain, Naming::Plain, primary));
        Ok(Roots(roots))
    }

    /// The tree asked for, else the best one.
    pub(crate) fn choose(&self, wanted: Option<TreeKind>) -> Result<(TreeKind, Naming, Root), Error> {
        let mut roots = self.0.iter();
        let found = roots.find(|(kind, ..)| wanted.is_none_or(|wanted| wanted == *kind));
        found.copied().ok_or(Error::Unsupported(Unsupported::Tree(wanted.unwrap_or(TreeKind::Plain))))
    }

    pub(crate) fn available(&self) -> Vec<TreeKind> {
        self.0.iter().map(|(kind, ..)| *kind).collect()
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
        Some(Item::Record(_, record)) if record.is_itself() => record.system_use.to_vec(),
        _ => return Ok(None),
    };
    RockRidge::probe(image, &system_use, u64::from(root.block_size), limits)
}
