//! GitHub Actions: the same lines in a group, and findings as annotations at their places.
//!
//! Source of the form: GitHub documentation, "Workflow commands for GitHub Actions".

use std::collections::BTreeMap;

use quickserve_core::event::Envelope;
use quickserve_core::finding::Severity;
use quickserve_core::outcome::Outcome;
use quickserve_core::release::ReleaseId;

use super::line::{Line, Style};
use super::narrator::Narrator;
use super::{Ending, Note, Render, Told};
use crate::output;

/// Lines in a group, then how it ended, then annotations.
pub(super) struct Github {
    narrator: Narrator,
    grouped: bool,
}

const STYLE: Style = Style::PLAIN;

impl Github {
    pub(super) fn new(narrator: Narrator) -> Self {
        Self { narrator, grouped: false }
    }

    fn tell(&mut self, lines: &[Line]) {
        for line in lines {
            if let Line::Finding(finding) = line {
                annotate(finding);
                continue;
            }
            let text = STYLE.show(line);
            if !self.grouped {
                self.grouped = true;
                output::tell(&format!("::group::{}", data(&text)));
            }
            output::tell(&text);
        }
    }
}

impl Render for Github {
    fn names(&mut self, names: BTreeMap<ReleaseId, String>) {
        self.narrator.know(names);
    }

    fn event(&mut self, event: &Envelope) {
        let lines = self.narrator.event(event);
        self.tell(&lines);
    }

    fn note(&mut self, note: &Note) {
        let lines = self.narrator.note(note);
        self.tell(&lines);
    }

    fn idle(&mut self) {}

    fn ending(&mut self, ending: &Ending) {
        if self.grouped {
            output::tell("::endgroup::");
        }
        let mut headline = None;
        for line in &self.narrator.ending(ending) {
            match line {
                Line::Finding(finding) => annotate(finding),
                Line::Error(text) => headline = Some(text.clone()),
                _ => {}
            }
            output::tell(&STYLE.show(line));
        }
        let outcome = ending.finished.outcome;
        // Findings are annotations of their own.
        if let (Some(headline), true) = (headline, ending.finished.findings.is_empty()) {
            let causes = ending.finished.cause.iter().flat_map(|cause| &cause.causes);
            let text: Vec<&str> = std::iter::once(&headline).chain(causes).map(String::as_str).collect();
            let level = if outcome == Outcome::Busy { "warning" } else { "error" };
            output::tell(&format!("::{level} title=quickserve {outcome}::{}", data(&text.join("\n"))));
        }
    }
}

/// Tells of a finding at its place.
pub(crate) fn annotate(finding: &Told) {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    };
    let mut properties = Vec::new();
    if let Some(place) = finding.place() {
        properties.push(format!("file={}", property(&place.file)));
        properties.push(format!("line={},col={}", place.line, place.column));
    }
    properties.push(format!("title={}", finding.code));
    let hint = finding.hint.as_deref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    let message = data(&format!("{}{hint}", finding.message));
    output::tell(&format!("::{level} {}::{message}", properties.join(",")));
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
