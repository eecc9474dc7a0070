//! Names of hosts in settings.

/// The name of a host, or `*.` and a name for all names below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    name: String,
    below: bool,
}

impl HostPattern {
    /// Reads a pattern; `None` if it names no host.
    pub fn new(text: &str) -> Option<Self> {
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        // The root's dot ends a complete name and is no part of it (RFC 1034 §3.1).
        let name = name.strip_suffix('.').unwrap_or(name);
        // The URL library normalizes names: lower case, punycode, IPv6 addresses in brackets.
        let host = url::Host::parse(name).ok()?;
        (!below || matches!(host, url::Host::Domain(_))).then(|| Self { name: host.to_string(), below })
    }

    /// Whether the pattern matches `host`, as the URL library writes it.
    pub fn fits(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        match host.strip_suffix(&self.name) {
            Some("") => !self.below,
            Some(rest) => self.below && rest.ends_with('.'),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_fits_by_name_or_below_a_name() {
        for (pattern, host, fits) in [
            ("mirror.example", "mirror.example", true),
            ("Mirror.Example", "mirror.example", true),
            ("mirror.example", "mirror.example.", true),
            ("mirror.example.", "mirror.example", true),
            ("mirror.example.", "mirror.example.", true),
            ("*.mirror.example.", "a.mirror.example", true),
            ("mirror.example", "a.mirror.example", false),
            ("*.mirror.example", "a.b.mirror.example", true),
            ("*.mirror.example", "mirror.example", false),
            ("*.mirror.example", "evilmirror.example", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("2001:db8::1", "x", false),
        ] {
            let found = HostPattern::new(pattern).is_some_and(|pattern| pattern.fits(host));
            assert_eq!(found, fits, "{pattern} {host}");
        }
        assert!(HostPattern::new("*.192.0.2.7").is_none());
        assert!(HostPattern::new("a b").is_none());
    }
}
