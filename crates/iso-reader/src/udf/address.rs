//! Addresses of blocks in partitions.

use std::fmt;

use crate::bytes::{little_u16, little_u32};

/// The address of a block in a partition (ECMA-167 4/7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) block: u32,
    /// The number of a partition map.
    pub(crate) partition: u16,
}

impl Address {
    pub(crate) fn parse(bytes: &[u8], at: usize) -> Option<Address> {
        let block = little_u32(bytes, at)?;
        Some(Address { block, partition: little_u16(bytes, at.checked_add(4)?)? })
    }

    /// The address in 48 bits, the block in the lowest.
    pub(crate) fn pack(self) -> u64 {
        u64::from(self.partition) << 32 | u64::from(self.block)
    }

    pub(crate) fn unpack(packed: u64) -> Address {
        let block = u32::try_from(packed & u64::from(u32::MAX)).unwrap_or_default();
        Address { block, partition: u16::try_from(packed >> 32).unwrap_or(u16::MAX) }
    }
}

/// The address in the words of a warning.
impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "block {} of partition {}", self.block, self.partition)
    }
}
