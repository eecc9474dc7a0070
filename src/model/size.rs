//! Sizes for people: decimal units with two places, as the old service printed them.

const UNITS: [(&str, u64); 5] = [
    ("PB", 1_000_000_000_000_000),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
];

/// `265 Byte`, `4.10 KB`, `6.85 MB`: rounded to two places, never to 1000.00 of a unit.
pub fn shown(bytes: u64) -> String {
    for (unit, factor) in UNITS {
        let hundredths = (u128::from(bytes) * 100 + u128::from(factor) / 2) / u128::from(factor);
        // What the next smaller unit would show as 1000.00 is 1.00 of this one.
        let rounds_up = u128::from(bytes) * 200_000 / u128::from(factor) >= 199_999;
        if bytes >= factor || (rounds_up && factor > 1000) {
            return format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100);
        }
    }
    format!("{bytes} Byte")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_they_always_did() {
        for (bytes, expected) in [
            (0, "0 Byte"),
            (265, "265 Byte"),
            (994, "994 Byte"),
            (1000, "1.00 KB"),
            (4_100, "4.10 KB"),
            (4_104, "4.10 KB"),
            (4_105, "4.11 KB"),
            (6_850_000, "6.85 MB"),
            (999_994, "999.99 KB"),
            (999_995, "1.00 MB"),
            (4_151_331_840, "4.15 GB"),
            (u64::MAX, "18446.74 PB"),
        ] {
            assert_eq!(shown(bytes), expected, "{bytes}");
        }
    }
}
