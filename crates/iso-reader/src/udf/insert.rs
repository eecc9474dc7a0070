//! From what is known about an entry to a node. A file that cannot be read whole and a directory that would
//! close a loop become nodes that are marked as damaged.

use crate::content::ExtentData;
use crate::error::Error;
use crate::index::NewNode;
use crate::node::NodeKind;
use crate::stored::{DAMAGED, IN_TABLE, StoredExtent};
use crate::udf::build::{At, Builder, Described};
use crate::udf::partition::Address;
use crate::udf::text;

impl Builder<'_, '_> {
    /// Lets a directory wait for its turn, unless it must not be entered.
    pub(crate) fn push_directory(
        &mut self,
        parent: u32,
        address: Address,
        described: &Described,
    ) -> Result<(), Error> {
        // Loops of directories, and trees that share one directory a million times, end here.
        let is_new = self.visited.insert(address);
        let fault = described.body.fault.map(|fault| fault.to_string());
        let too_large =
            || (described.size > self.limits.directory_bytes).then(|| "it is too large".to_owned());
        let second = || (!is_new).then(|| "it is listed a second time".to_owned());
        let problem = second().or(fault).or_else(too_large);
        if let Some(problem) = &problem {
            self.warnings.add(|| format!("the directory at {}: {problem}", At(address)));
        }
        let flags = if problem.is_some() { DAMAGED } else { 0 };
        let is_entered = u64::from(is_new && described.size > 0);
        self.push(parent, described.attributes(), (pack(address), is_entered), flags)
    }

    pub(crate) fn push_file(&mut self, parent: u32, mut described: Described) -> Result<(), Error> {
        if described.body.fill_end(self.limits) {
            self.complain_of_name("its end is not recorded and reads as zeros");
        }
        let (place, flags) = match (described.body.fault, described.body.extents.as_slice()) {
            (Some(fault), _) => {
                self.complain_of_name(fault);
                (0, DAMAGED)
            }
            (None, []) => (0, 0),
            (None, [extent]) if extent.data == ExtentData::Recorded => (extent.offset, 0),
            (None, extents) => {
                let stored: Option<Vec<StoredExtent>> =
                    extents.iter().copied().map(StoredExtent::new).collect();
                let place = stored.and_then(|extents| self.index.push_extents(&extents));
                place.map_or((0, DAMAGED), |place| (place, IN_TABLE))
            }
        };
        self.push(parent, described.attributes(), (described.size, place), flags)
    }

    pub(crate) fn push_link(&mut self, parent: u32, described: Described) -> Result<(), Error> {
        let longest = u64::try_from(self.limits.link_bytes).unwrap_or(u64::MAX);
        let mut path = Vec::new();
        let mut target = Vec::new();
        if let Some(fault) = described.body.fault {
            self.complain_of_name(format!("it is a link without a target: {fault}"));
            return Ok(());
        }
        self.read(&described.body.extents, longest, &mut path)?;
        match text::push_path(&path, &mut target) {
            _ if described.size > longest || target.len() > self.limits.link_bytes => {
                self.complain_of_name("its link target is too long");
                return Ok(());
            }
            Ok(true) => {}
            Ok(false) => self.complain_of_name("its link target is not sound UTF-16"),
            Err(text::NoText) => {
                self.complain_of_name("its link target makes no sense");
                return Ok(());
            }
        }
        let offset = self.index.push_text(&target, self.limits.text_bytes)?;
        let length = u64::try_from(target.len()).unwrap_or_default();
        self.push(parent, described.attributes(), (length, u64::from(offset)), 0)
    }

    /// Appends a node that has the name at hand.
    pub(crate) fn push(
        &mut self,
        parent: u32,
        (kind, mode, modified): (NodeKind, u16, Option<i64>),
        (a, b): (u64, u64),
        flags: u16,
    ) -> Result<(), Error> {
        let new = NewNode { kind, mode, modified, parent, name: &self.name, a, b, flags };
        self.index.push(&new, self.limits).map(drop)
    }
}

impl Described {
    fn attributes(&self) -> (NodeKind, u16, Option<i64>) {
        (self.kind, self.mode, self.modified)
    }
}

/// An address as the number that a waiting directory has in its node.
fn pack(address: Address) -> u64 {
    u64::from(address.partition) << 32 | u64::from(address.block)
}

/// The address that [`pack`] made a number of.
pub(crate) fn unpack(packed: u64) -> Address {
    let block = u32::try_from(packed & u64::from(u32::MAX)).unwrap_or_default();
    Address { block, partition: u16::try_from(packed >> 32).unwrap_or(u16::MAX) }
}
