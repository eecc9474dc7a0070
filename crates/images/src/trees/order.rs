//! The order of entries in each listing, and their names as text.

use component::Entry;
use std::borrow::Cow;

/// Directories first, then by name without regard to case.
pub fn sorted(entries: &[Entry]) -> Vec<&Entry> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by_cached_key(|entry| (entry.size.is_some(), folded(&entry.name), entry.name.as_slice()));
    sorted
}

/// The name's text in lower case. Most names are in lower case and need no copy.
pub(super) fn folded(name: &[u8]) -> Cow<'_, [u8]> {
    if !name.is_ascii() {
        text(name).to_lowercase().into_bytes().into()
    } else if name.iter().any(u8::is_ascii_uppercase) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}

/// A name as text: bytes that are no UTF-8 become U+FFFD.
pub fn text(name: &[u8]) -> Cow<'_, str> {
    // A check for valid UTF-8 is faster than a search for the invalid part.
    str::from_utf8(name).map_or_else(|_| String::from_utf8_lossy(name), Cow::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use component::Entry;

    /// Names in which case, order and length of the lower-case text are not those of the bytes.
    fn names() -> impl Strategy<Value = Vec<u8>> {
        let text = "[aAbBkKzZ_~.0-9 \u{130}\u{131}\u{212a}\u{3a3}\u{3c3}\u{3c2}ßẞÉé\u{301}日😀\u{1}]{1,6}";
        prop_oneof![text.prop_map(String::into_bytes), prop::collection::vec(1_u8.., 1..5)]
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_directories_then_lower_case_then_bytes(
            named in prop::collection::vec((names(), any::<Option<u64>>()), 0..30)
        ) {
            let entries: Vec<Entry> =
                named.into_iter().map(|(name, size)| Entry { name, size, modified: None }).collect();
            let mut expected: Vec<&Entry> = entries.iter().collect();
            expected.sort_by_key(|entry| {
                let lower = String::from_utf8_lossy(&entry.name).to_lowercase();
                (entry.size.is_some(), lower, entry.name.clone())
            });
            prop_assert_eq!(sorted(&entries), expected);
        }
    }
}
