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
    let mut text = String::new();
    push(&mut text, bytes);
    text
}

/// Appends the size. A listing has thousands, and the standard library's formatting takes several times as
/// long.
pub fn push(text: &mut String, bytes: u64) {
    // A size that the next smaller unit would show as 1000.00 is 1.00 of this one.
    let Some((unit, factor)) = UNITS.iter().find(|(_, factor)| bytes >= factor - factor / 200_000) else {
        push_number(text, bytes);
        text.push_str(" Byte");
        return;
    };
    let hundredths = bytes / factor * 100 + (bytes % factor * 100 + factor / 2) / factor;
    push_number(text, hundredths / 100);
    text.push('.');
    push_number(text, hundredths / 10 % 10);
    push_number(text, hundredths % 10);
    text.extend([" ", unit]);
}

/// Appends the number in decimal.
pub fn push_number(text: &mut String, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] += (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.push_str(str::from_utf8(&digits[first..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn sizes_are_rounded_to_the_nearest(exponent in 0_u32..64, low: u64) {
            let bytes = (1 << exponent) | (low & ((1 << exponent) - 1));
            let wide = u128::from(bytes);
            let hundredths = |factor: u64| (wide * 100 + u128::from(factor) / 2) / u128::from(factor);
            let is_thousand = |factor: u64| factor > 1000 && hundredths(factor / 1000) == 100_000;
            let unit = UNITS.iter().find(|(_, factor)| bytes >= *factor || is_thousand(*factor));
            let expected = unit.map_or(format!("{bytes} Byte"), |(unit, factor)| {
                format!("{}.{:02} {unit}", hundredths(*factor) / 100, hundredths(*factor) % 100)
            });
            prop_assert_eq!(shown(bytes), expected);
        }
    }
}
