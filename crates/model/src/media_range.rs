//! How much a client prefers one media type to another, by the text of its `Accept` (RFC 9110 §12.5.1).

/// How much the client prefers `main/sub`: the quality in thousandths, the precision of the range that names
/// it, and the position of that range, negated. `None` if the client refuses it.
pub fn rank(accept: &str, main: &str, sub: &str) -> Option<(u32, u32, i32)> {
    let mut best: Option<(u32, u32, i32)> = None;
    for (position, range) in (0..).zip(accept.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let (range_main, range_sub) = parts.next()?.split_once('/').unwrap_or_default();
        let precision = match (range_main, range_sub) {
            ("*", "*") => 1,
            (range_main, "*") if range_main.eq_ignore_ascii_case(main) => 2,
            (range_main, range_sub)
                if range_main.eq_ignore_ascii_case(main) && range_sub.eq_ignore_ascii_case(sub) =>
            {
                3
            }
            _ => continue,
        };
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let quality = quality.and_then(thousandths).unwrap_or(1000);
        // The most precise range decides the quality, even if a less precise one is kinder.
        if best.is_none_or(|(_, precise, _)| precision > precise) {
            best = Some((quality, precision, -position));
        }
    }
    best.filter(|(quality, ..)| *quality > 0)
}

fn thousandths(quality: &str) -> Option<u32> {
    let (whole, fraction) = quality.trim().split_once('.').unwrap_or((quality.trim(), ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let (whole, fraction) = (whole.parse::<u32>().ok()?, digits.parse::<u32>().ok()?);
    Some(whole.saturating_mul(1000).saturating_add(fraction).min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_precise_range_decides() {
        for (accept, expected) in [
            ("text/html", Some((1000, 3, 0))),
            ("image/png, TEXT/HTML; level=1 ;Q=0.5", Some((500, 3, -1))),
            ("text/html;q=0.25, text/*;q=0.75", Some((250, 3, 0))),
            ("*/*;q=0.1, text/*;q=0.1234", Some((123, 2, -1))),
            ("*/*", Some((1000, 1, 0))),
            ("text/html;q=0, */*", None),
            ("text/plain", None),
            ("", None),
            // A malformed quality (RFC 9110 §12.4.2) is ignored.
            ("text/html;q=much", Some((1000, 3, 0))),
            ("text/html;q=4294967295.9", Some((1000, 3, 0))),
        ] {
            assert_eq!(rank(accept, "text", "html"), expected, "{accept}");
        }
    }
}
