//! Numbers in the byte orders of ECMA-119 clause 7. Reading past the end gives `None`, never a panic.

/// `N` bytes from `at` on.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// One byte (ECMA-119 7.1.1).
pub(crate) fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// A 16-bit number, least significant byte first (ECMA-119 7.2.1, ECMA-167 1/7.1.3).
pub(crate) fn little_u16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

/// A 32-bit number, least significant byte first (ECMA-119 7.3.1).
pub(crate) fn little_u32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// A 64-bit number, least significant byte first (ECMA-167 1/7.1.7).
pub(crate) fn little_u64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// A number recorded twice, once in each byte order. The little-endian half counts, as in Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Both<T> {
    pub(crate) value: T,
    /// Whether the big-endian half says the same.
    pub(crate) agrees: bool,
}

/// A 16-bit number in both byte orders (ECMA-119 7.2.3).
pub(crate) fn both_u16(bytes: &[u8], at: usize) -> Option<Both<u16>> {
    let [l0, l1, b0, b1] = array(bytes, at)?;
    let value = u16::from_le_bytes([l0, l1]);
    Some(Both { value, agrees: value == u16::from_be_bytes([b0, b1]) })
}

/// A 32-bit number in both byte orders (ECMA-119 7.3.3).
pub(crate) fn both_u32(bytes: &[u8], at: usize) -> Option<Both<u32>> {
    let [l0, l1, l2, l3, b0, b1, b2, b3] = array(bytes, at)?;
    let value = u32::from_le_bytes([l0, l1, l2, l3]);
    Some(Both { value, agrees: value == u32::from_be_bytes([b0, b1, b2, b3]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_byte_orders_are_compared() {
        assert_eq!(both_u16(&[9, 0x34, 0x12, 0x12, 0x34], 1), Some(Both { value: 0x1234, agrees: true }));
        assert_eq!(both_u16(&[0x34, 0x12, 0, 0], 0), Some(Both { value: 0x1234, agrees: false }));
        let number = [0x78, 0x56, 0x34, 0x12, 0x12, 0x34, 0x56, 0x78];
        assert_eq!(both_u32(&number, 0), Some(Both { value: 0x1234_5678, agrees: true }));
        assert_eq!(both_u32(&[1, 0, 0, 0, 0, 0, 0, 2], 0), Some(Both { value: 1, agrees: false }));
    }

    #[test]
    fn numbers_past_the_end_are_none() {
        assert_eq!(both_u32(&[0; 8], 1), None);
        assert_eq!(both_u16(&[], 0), None);
        assert_eq!(little_u32(&[0; 4], usize::MAX), None);
        assert_eq!(byte(&[1], 1), None);
    }
}
