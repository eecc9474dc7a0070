//! Files that ISO 9660 cannot describe alone. Its sizes have 32 bits, so a file of 4 GiB or more needs
//! several records, or a description in UDF beside it. Some writers record the size modulo 4 GiB instead, as
//! `mkisofs -allow-limited-size` does.
//!
//! Linux mounts the UDF of a disc that has both, so its sizes count.

use crate::error::Error;
use crate::index::{DAMAGED, Extent, ExtentData, IN_TABLE, Index, StoredNode};
use crate::kind::{Encoding, NodeKind};
use crate::limits::Limits;
use crate::source::{Image, SECTOR};
use crate::udf::{self, FileSystem};
use crate::warnings::Warnings;

/// What the size of a section is short of if it was too large for its field.
const WRAP: u64 = 1 << 32;
/// Bytes behind the last file that writers add as padding, at most.
const PADDING: u64 = 1 << 20;

/// A file of the UDF tree.
#[derive(Clone, Copy)]
struct UdfFile {
    /// The byte where it begins.
    start: u64,
    id: u32,
    size: u64,
    /// Whether a file of the ISO 9660 tree begins at the same byte.
    is_known: bool,
}

/// The files of the UDF tree in the order of the image: one for each byte where any begins.
struct UdfFiles(Vec<UdfFile>);

impl UdfFiles {
    /// Those in their own descriptors begin at no sector, and have no other description.
    fn of(udf: &Index) -> UdfFiles {
        let file = |(id, node): (u32, &StoredNode)| {
            let start = start(udf, node).filter(|start| start.is_multiple_of(SECTOR))?;
            Some(UdfFile { start, id, size: node.size(), is_known: false })
        };
        let mut files: Vec<UdfFile> = (0_u32..).zip(&udf.nodes).filter_map(file).collect();
        // The largest counts.
        files.sort_unstable_by_key(|file| (file.start, std::cmp::Reverse(file.size), file.id));
        files.dedup_by_key(|file| file.start);
        UdfFiles(files)
    }

    /// The file that begins at a byte.
    fn at(&mut self, start: u64) -> Option<&mut UdfFile> {
        let place = self.0.binary_search_by_key(&start, |file| file.start).ok()?;
        self.0.get_mut(place)
    }
}

/// Compares the files of an ISO 9660 tree with those that `system` describes at the same bytes. Where the
/// sizes differ, that of UDF counts. Returns the path of a file that only UDF has, and the number of these.
pub(crate) fn compare(
    index: &mut Index,
    system: &FileSystem,
    image: &mut Image<'_>,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Option<(Vec<u8>, usize)>, Error> {
    let mut builder = udf::Builder::new(image, limits, system, Warnings::new(0));
    match builder.build() {
        Ok(()) => {}
        Err(Error::Io(error)) => return Err(Error::Io(error)),
        Err(error) => {
            warnings.add(|| format!("the UDF tree beside this one cannot be read: {error}"));
            return Ok(None);
        }
    }
    let udf = builder.index;
    let mut described = UdfFiles::of(&udf);
    let mut differing = Vec::new();
    for (id, node) in (0_u32..).zip(&index.nodes) {
        let Some(start) = start(index, node) else { continue };
        let Some(file) = described.at(start) else { continue };
        file.is_known = true;
        if node.encoding() == Encoding::Plain && node.size() != file.size {
            differing.push((id, start));
        }
    }
    // Exactly 4 GiB are no bytes modulo 4 GiB. But an empty file may be told to begin where another does.
    for (id, node) in (0_u32..).zip(&index.nodes) {
        let Some(start) = start_of_empty(node) else { continue };
        if described.at(start).is_some_and(|file| !file.is_known && file.size.is_multiple_of(WRAP)) {
            differing.push((id, start));
        }
    }
    for (id, start) in differing {
        let Some(file) = described.at(start) else { continue };
        file.is_known = true;
        let (size, actual) = (index.get(id).size(), file.size);
        let extents: Vec<Extent> = udf.extents(udf.get(file.id)).collect();
        index.replace_extents(id, actual, &extents);
        warnings.add(|| {
            let path = index.path(id);
            format!("\"{}\": it has {size} bytes here, and the {actual} in UDF count", path.escape_ascii())
        });
    }
    let unknown = described.0.iter().filter(|file| !file.is_known).map(|file| file.id);
    Ok(unknown.clone().min().map(|first| (udf.path(first), unknown.count())))
}

/// The byte of the image where a file begins; `None` for those without bytes or with damage.
fn start(index: &Index, node: &StoredNode) -> Option<u64> {
    let first = index.extents(node).next()?;
    (first.data == ExtentData::Recorded).then_some(first.offset)
}

/// The byte where a file of the ISO 9660 tree would begin if it had bytes.
fn start_of_empty(node: &StoredNode) -> Option<u64> {
    let is_empty = node.kind() == NodeKind::File
        && node.encoding() == Encoding::Plain
        && !node.has(DAMAGED | IN_TABLE)
        && node.size() == 0;
    is_empty.then_some(node.b)
}

/// Marks files whose sizes lack some multiple of 4 GiB, where no UDF tells them: exactly so many bytes lie
/// between the file and the next, and belong to nothing.
pub(crate) fn mark_wrapped_sizes(index: &mut Index, image_size: u64, warnings: &mut Warnings) {
    if image_size < WRAP {
        return;
    }
    let is_whole = |node: &StoredNode| node.kind() == NodeKind::File && node.encoding() == Encoding::Plain;
    let mut files: Vec<(u64, u64, u32)> = (0_u32..)
        .zip(&index.nodes)
        .filter(|(_, node)| is_whole(node))
        .filter_map(|(id, node)| Some((start(index, node)?, node.size(), id)))
        .collect();
    files.sort_unstable();
    // An empty file may be told to begin anywhere. One within another file or behind the image says nothing.
    let is_apart = |start: u64| {
        let before = files.partition_point(|(other, ..)| *other <= start).checked_sub(1);
        let before = before.and_then(|before| files.get(before));
        start < image_size && before.is_none_or(|(other, size, _)| start.saturating_sub(*other) >= *size)
    };
    let empty = (0_u32..).zip(&index.nodes).filter_map(|(id, node)| Some((start_of_empty(node)?, 0, id)));
    let empty: Vec<(u64, u64, u32)> = empty.filter(|(start, ..)| is_apart(*start)).collect();
    files.extend(empty);
    files.sort_unstable();
    let mut next = image_size;
    let mut later = image_size;
    for (start, size, id) in files.into_iter().rev() {
        if start != next {
            (next, later) = (start, next);
        }
        let end = size.checked_next_multiple_of(SECTOR).and_then(|size| start.checked_add(size));
        let gap = later.saturating_sub(end.unwrap_or(later));
        let padding = if later == image_size { PADDING } else { 0 };
        if gap >= WRAP && gap % WRAP <= padding {
            let path = index.path(id);
            warnings.add(|| {
                let path = path.escape_ascii();
                format!("\"{path}\": it is larger than its {size} bytes, as {gap} more belong to no file")
            });
            index.flag(id, DAMAGED);
        }
    }
}
