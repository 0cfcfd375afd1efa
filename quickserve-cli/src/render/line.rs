//! The lines that a person reads: an aligned first column, and the few that begin otherwise.

use quickserve_check::mask;
use quickserve_core::finding::{Finding, Severity};

use super::{Told, words};

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
}

/// The width of the first column, with the space behind it.
const GUTTER: usize = 9;

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
                format!("{} {}", self.paint(code, &format!("{label:<8}")), mask(text))
            }
            Line::Error(text) => format!("{} {}", self.paint(RED, "error:"), mask(text)),
            Line::CausedBy(text) => format!("{} {}", self.paint(BOLD, "caused by:"), mask(text)),
            Line::Hint(text) => format!("{} {}", self.paint(CYAN, "hint:"), mask(text)),
            Line::Finding(finding) => {
                let finding: &Finding = finding;
                let text = format!("{finding:#}");
                // Beside what refuses, one wants to see what does not.
                let mark = match finding.severity {
                    Severity::Error => "",
                    Severity::Warning => "warning: ",
                    Severity::Info => "note: ",
                };
                match text.split_once(' ') {
                    Some((code, rest)) => format!("{} {mark}{rest}", self.paint(BOLD, code)),
                    None => text,
                }
            }
        }
    }

    /// The same for a terminal of this width: what is longer goes on below where it began.
    pub(crate) fn show_within(self, line: &Line, width: Option<usize>) -> String {
        match (line, width) {
            (Line::Labelled { label, text, tone }, Some(width))
                if width > 2 * GUTTER && GUTTER + text.chars().count() > width =>
            {
                let folded = words::wrapped(text, width - GUTTER).replace('\n', &format!("\n{:GUTTER$}", ""));
                self.show(&Line::toned(label, folded, *tone))
            }
            _ => self.show(line),
        }
    }

    pub(crate) fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_goes_on_below_where_it_began() {
        let style = Style { colour: false };
        let line = Line::new("caution", "one two three four five six");
        assert_eq!(style.show_within(&line, None), "caution  one two three four five six");
        assert_eq!(style.show_within(&line, Some(36)), "caution  one two three four five six");
        let folded = "caution  one two three\n         four five six";
        assert_eq!(style.show_within(&line, Some(23)), folded);
        assert!(folded.lines().all(|line| line.chars().count() <= 23));
    }
}
