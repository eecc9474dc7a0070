//! Oddities met while an image was read. All are counted but only the first are kept as text, so that a
//! hostile image cannot fill memory.

/// The oddities of an image whose tree could be read.
///
/// A text names the entry or the byte of the image that it is about. Names are escaped to ASCII, so a text
/// is safe to log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    count: usize,
    capacity: usize,
    kept: Vec<String>,
}

impl Warnings {
    pub(crate) fn new(capacity: usize) -> Warnings {
        Warnings { count: 0, capacity, kept: Vec::new() }
    }

    /// Counts a warning; `text` runs only if it is kept.
    pub(crate) fn add(&mut self, text: impl FnOnce() -> String) {
        self.count = self.count.saturating_add(1);
        if self.kept.len() < self.capacity {
            self.kept.push(text());
        }
    }

    /// How many oddities there were, kept as text or not.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether nothing was odd.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first warnings, at most [`Limits::warnings`](crate::Limits::warnings) of them, in the order met.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.kept.iter().map(String::as_str)
    }

    /// Bytes held by the texts.
    pub(crate) fn memory(&self) -> usize {
        let texts: usize = self.kept.iter().map(String::capacity).fold(0, usize::saturating_add);
        texts.saturating_add(self.kept.capacity().saturating_mul(size_of::<String>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_kept() {
        let mut warnings = Warnings::new(2);
        assert!(warnings.is_empty());
        for number in 0..5 {
            warnings.add(|| {
                assert!(number < 2, "texts that are not kept are not made");
                number.to_string()
            });
        }
        assert_eq!((warnings.count(), warnings.iter().collect::<Vec<_>>()), (5, vec!["0", "1"]));
    }
}
