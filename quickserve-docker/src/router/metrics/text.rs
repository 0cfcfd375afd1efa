//! Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write as _};

use quickserve_core::latency::Latency;

/// What the text is called over HTTP.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Names and values that tell the samples of a family apart.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// A text that grows family by family.
#[derive(Debug, Default)]
pub(super) struct Text(String);

/// The samples of one name, which stand together.
#[derive(Debug)]
pub(super) struct Family<'t> {
    text: &'t mut String,
    name: &'static str,
}

impl Text {
    pub(super) fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    pub(super) fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    pub(super) fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "histogram", help)
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { text: &mut self.0, name }
    }
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }

    /// All samples of a histogram, whose buckets each hold those below.
    pub(super) fn latency(&mut self, labels: Labels<'_>, latency: &Latency) {
        let mut sum = 0;
        for (bound, count) in Latency::BOUNDS.iter().zip(latency.counts()) {
            sum += count;
            self.line("_bucket", labels, Some(&bound.as_secs_f64().to_string()), sum);
        }
        self.line("_bucket", labels, Some("+Inf"), latency.count());
        self.line("_sum", labels, None, latency.total().as_secs_f64());
        self.line("_count", labels, None, latency.count());
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) {
        let text = &mut *self.text;
        let _ = write!(text, "{}{suffix}", self.name);
        let bound = bound.map(|bound| ("le", bound));
        for (index, (name, value)) in labels.iter().copied().chain(bound).enumerate() {
            let _ = write!(text, "{}{name}=\"{}\"", if index == 0 { '{' } else { ',' }, escaped(value));
        }
        let _ = writeln!(text, "{} {value}", if labels.is_empty() && bound.is_none() { "" } else { "}" });
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_below_their_family() {
        let mut text = Text::default();
        text.gauge("open", "How many are open.").sample(&[], 3);
        let mut family = text.counter("seen_total", "How many were seen.");
        family.sample(&[("who", "a \"b\"\\\n")], 1);
        family.sample(&[("who", "c"), ("where", "d")], 2);
        let expected = "# HELP open How many are open.\n# TYPE open gauge\nopen 3\n\
            # HELP seen_total How many were seen.\n# TYPE seen_total counter\n\
            seen_total{who=\"a \\\"b\\\"\\\\\\n\"} 1\nseen_total{who=\"c\",where=\"d\"} 2\n";
        assert_eq!(text.into_string(), expected);
    }

    #[test]
    fn the_buckets_of_a_histogram_hold_those_below() {
        let mut counts = [0; Latency::CLASSES];
        (counts[0], counts[3], counts[Latency::CLASSES - 1]) = (2, 1, 4);
        let latency = Latency::new(counts, std::time::Duration::from_millis(1500));
        let mut text = Text::default();
        text.histogram("wait_seconds", "How long.").latency(&[("a", "b")], &latency);
        let text = text.into_string();
        for line in [
            "wait_seconds_bucket{a=\"b\",le=\"0.0001\"} 2\n",
            "wait_seconds_bucket{a=\"b\",le=\"0.001\"} 3\n",
            "wait_seconds_bucket{a=\"b\",le=\"60\"} 3\n",
            "wait_seconds_bucket{a=\"b\",le=\"+Inf\"} 7\n",
            "wait_seconds_sum{a=\"b\"} 1.5\n",
            "wait_seconds_count{a=\"b\"} 7\n",
        ] {
            assert!(text.contains(line), "{line} {text}");
        }
    }
}
