//! The lines that a person reads: an aligned first column, and the few that begin otherwise.

use quickserve_check::mask;
use quickserve_core::finding::{Finding, Severity};

use super::{Told, words};
use crate::settings::Terminal;

/// One line, or one finding.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    /// A word in the first column, and what there is to say.
    Labelled { label: &'static str, text: String, tone: Tone },
    /// What failed.
    Error(String),
    /// What caused it.
    CausedBy(String),
    /// What may be done about it.
    Hint(String),
    /// A finding with its place.
    Finding(Box<Told>),
}

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
    Faint,
}

/// How lines look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) colour: bool,
    /// That of the terminal, where there is one: lines are folded at words, which a terminal would break.
    pub(crate) width: Option<usize>,
}

/// The width of the first column, with the space behind it.
const GUTTER: usize = 9;

/// What stands before the hint of a finding.
const HINT: &str = "  hint: ";

const BOLD: &str = "1";
const FAINT: &str = "2";
const RED: &str = "1;31";
const GREEN: &str = "1;32";
const YELLOW: &str = "1;33";
const CYAN: &str = "36";

impl Line {
    pub(crate) fn new(label: &'static str, text: impl Into<String>) -> Self {
        Self::toned(label, text, Tone::Plain)
    }

    pub(crate) fn toned(label: &'static str, text: impl Into<String>, tone: Tone) -> Self {
        Self::Labelled { label, text: text.into(), tone }
    }

    pub(crate) fn finding(finding: &Finding) -> Self {
        Self::Finding(Box::new(Told::of(finding)))
    }
}

impl Style {
    /// Without colour, and as long as lines are.
    pub(crate) const PLAIN: Self = Self { colour: false, width: None };

    /// For what a person reads.
    pub(crate) fn told(terminal: &Terminal) -> Self {
        Self { colour: terminal.colour, width: terminal.width_told }
    }

    /// For data.
    pub(crate) fn data(terminal: &Terminal) -> Self {
        Self { colour: terminal.colour_data, width: terminal.width }
    }

    /// The line as text, without tokens; findings take several lines.
    pub(crate) fn show(self, line: &Line) -> String {
        match line {
            Line::Labelled { label, text, tone } => {
                let code = match tone {
                    Tone::Plain => BOLD,
                    Tone::Good => GREEN,
                    Tone::Bad => YELLOW,
                    Tone::Faint => FAINT,
                };
                let text = self.folded(&mask(text), GUTTER);
                format!("{} {text}", self.paint(code, &format!("{label:<8}")))
            }
            Line::Error(text) => self.named(RED, "error:", text),
            Line::CausedBy(text) => self.named(BOLD, "caused by:", text),
            Line::Hint(text) => self.named(CYAN, "hint:", text),
            Line::Finding(finding) => self.finding(finding),
        }
    }

    fn named(self, code: &str, name: &str, text: &str) -> String {
        format!("{} {}", self.paint(code, name), self.folded(&mask(text), name.len() + 1))
    }

    fn finding(self, finding: &Finding) -> String {
        let text = format!("{finding:#}");
        // Beside what refuses, one wants to see what does not.
        let mark = match finding.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
            Severity::Info => "note: ",
        };
        let Some((code, rest)) = text.split_once(' ') else { return text };
        let mut lines = rest.split('\n');
        let title = format!("{mark}{}", lines.next().unwrap_or_default());
        let mut shown = format!("{} {}", self.paint(BOLD, code), self.folded(&title, code.len() + 1));
        for line in lines {
            shown.push('\n');
            // A place and a line of code stay as they are.
            match line.strip_prefix(HINT) {
                Some(hint) => shown.extend([HINT, &self.folded(hint, HINT.len())]),
                None => shown.push_str(line),
            }
        }
        shown
    }

    /// A text that begins in that column and, where the terminal is too narrow for it, goes on below.
    fn folded(self, text: &str, column: usize) -> String {
        match self.width {
            Some(width)
                if width > 2 * column && column + text.chars().count() > width && !text.contains('\n') =>
            {
                words::wrapped(text, width - column).replace('\n', &format!("\n{:column$}", ""))
            }
            _ => text.to_owned(),
        }
    }

    /// The same for a terminal of this width.
    pub(crate) fn within(self, width: Option<usize>) -> Self {
        Self { width, ..self }
    }

    pub(crate) fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use quickserve_core::finding::Code;

    use super::*;

    #[test]
    fn a_long_line_goes_on_below_where_it_began() {
        let show = |line: &Line, width| Style::PLAIN.within(width).show(line);
        let line = Line::new("caution", "one two three four five six");
        assert_eq!(show(&line, None), "caution  one two three four five six");
        assert_eq!(show(&line, Some(36)), "caution  one two three four five six");
        let folded = "caution  one two three\n         four five six";
        assert_eq!(show(&line, Some(23)), folded);
        let error = Line::Error("one two three four".to_owned());
        assert_eq!(show(&error, Some(20)), "error: one two three\n       four");
        let hint = Line::Hint("one two three four".to_owned());
        assert_eq!(show(&hint, Some(20)), "hint: one two three\n      four");
    }

    #[test]
    fn a_finding_is_folded_at_words_and_its_place_is_not() {
        let finding = Finding::new(Code::PORT_HELD, Severity::Warning, "public port 8080 is held by nginx")
            .on("a-resource-with-a-very-long-name-that-stays-whole")
            .with_hint("stop it, or choose another public_port");
        let shown = Style::PLAIN.within(Some(30)).show(&Line::finding(&finding));
        assert_eq!(
            shown,
            "QS201 warning: public port\n      8080 is held by nginx\n  --> a-resource-with-a-very-long-name-that-stays-whole\n  \
             hint: stop it, or choose\n        another public_port"
        );
    }
}
