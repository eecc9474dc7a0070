//! Prometheus's text format, version 0.0.4.

use std::fmt::{self, Display, Formatter};

/// A metric with a value for each set of labels.
#[derive(Debug)]
pub(super) struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    /// What follows the name, labels included, and the value.
    values: Vec<(String, f64)>,
}

impl Metric {
    /// A number that only grows.
    pub(super) fn counter(name: &'static str, help: &'static str, value: f64) -> Self {
        Self::new(name, "counter", help).with(&[], value)
    }

    /// A number of now.
    pub(super) fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self::new(name, "gauge", help).with(&[], value)
    }

    /// A metric without values yet.
    pub(super) fn new(name: &'static str, kind: &'static str, help: &'static str) -> Self {
        Self { name, kind, help, values: Vec::new() }
    }

    /// Adds a value.
    pub(super) fn with(self, labels: &[(&str, &str)], value: f64) -> Self {
        self.with_suffix("", labels, value)
    }

    /// Adds a value of a part of the metric, such as `_sum`.
    pub(super) fn with_suffix(mut self, suffix: &str, labels: &[(&str, &str)], value: f64) -> Self {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.values.push((format!("{suffix}{labels}"), value));
        self
    }
}

/// Nothing without a value.
impl Display for Metric {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self { name, kind, help, values } = self;
        if values.is_empty() {
            return Ok(());
        }
        writeln!(formatter, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
        values.iter().try_for_each(|(rest, value)| writeln!(formatter, "{name}{rest} {value}"))
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let metric = Metric::new("a_total", "counter", "A.").with(&[("b", "c\"\\\n"), ("d", "e")], 2.5);
        assert_eq!(
            metric.to_string(),
            "# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"c\\\"\\\\\\n\",d=\"e\"} 2.5\n"
        );
        assert_eq!(Metric::new("a", "gauge", "A.").to_string(), "");
    }
}
