//! How a requested name is compared with those in a tree.

/// How strictly a requested name must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// Byte for byte.
    Exact,
    /// Else the only name that differs in ASCII case; else the same without `;1` or a final dot.
    Lenient,
}

/// The name without `;1` (any version number).
pub(super) fn without_version(name: &[u8]) -> &[u8] {
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (stem, _) = name.split_at(name.len() - digits);
    stem.strip_suffix(b";").filter(|_| digits > 0).unwrap_or(name)
}

/// The name without a version number and a final dot: `KERNEL.;1`, what ISO 9660 makes of `kernel`, needs
/// both to go.
pub(super) fn bare(name: &[u8]) -> &[u8] {
    let unversioned = without_version(name);
    unversioned.strip_suffix(b".").unwrap_or(unversioned)
}
