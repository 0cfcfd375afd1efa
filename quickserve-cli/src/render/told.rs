//! A finding as it is told: the one way for a finding to be shown, in whatever format.

use std::ops::Deref;

use quickserve_core::finding::{Finding, Location};
use serde::Serialize;

/// A finding without any secret value, whoever made it: a check, a reader of a file, a command that could not begin.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Told(Finding);

impl Told {
    pub(crate) fn of(finding: &Finding) -> Self {
        let mut finding = finding.clone();
        quickserve_check::hide(std::slice::from_mut(&mut finding));
        // What a name of a file brings along, no terminal and no log may obey.
        finding.message = plain(&finding.message);
        finding.hint = finding.hint.as_deref().map(plain);
        match &mut finding.location {
            Some(Location::Place(place)) => place.file = plain(&place.file),
            Some(Location::Resource { resource }) => *resource = plain(resource),
            None => {}
        }
        Self(finding)
    }

    pub(crate) fn all(findings: &[Finding]) -> Vec<Self> {
        findings.iter().map(Self::of).collect()
    }
}

impl Deref for Told {
    type Target = Finding;

    fn deref(&self) -> &Finding {
        &self.0
    }
}

/// A text without what steers a terminal.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() && char != '\n' { plain.extend(char.escape_default()) } else { plain.push(char) }
    }
    plain
}

#[cfg(test)]
mod tests {
    use quickserve_core::finding::Code;

    use super::*;

    #[test]
    fn nothing_of_a_finding_steers_a_terminal() {
        let finding = Finding::error(Code::DIRTY_TREE, "a\u{1b}[2Jb differs").with_hint("a\u{7}").on("x\r");
        let told = Told::of(&finding);
        assert_eq!(format!("{}", *told).matches(|char: char| char.is_control() && char != '\n').count(), 0);
        assert_eq!(told.message, "a\\u{1b}[2Jb differs");
    }
}
