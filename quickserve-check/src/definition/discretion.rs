//! No value that may be secret leaves the file with a finding.

use std::collections::BTreeMap;

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding};

use crate::Text;

/// Keys whose values are not shown, where nothing else gives the value away.
const HIDDEN: &[&str] =
    &["\"value\"", "token\"", "password\"", "passwd\"", "secret\"", "apikey\"", "api-key\""];

/// What in a command comes with a password or a token.
const LOGINS: &[&str] =
    &["authorization", " -u", "\"-u", "--user", "token", "password", "secret", "api-key", "apikey"];

/// Whether a command gives a login away when it is shown.
pub(super) fn logs_in(command: &str) -> bool {
    let lower = command.to_ascii_lowercase();
    let url =
        lower.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().unwrap_or(rest).contains('@'));
    url || LOGINS.iter().any(|mark| lower.contains(mark))
}

/// What the core finds in the text of a task definition, without the lines that hold values of variables, and without
/// what it quotes of those.
pub fn discreet(text: &str, findings: Vec<Finding>) -> Vec<Finding> {
    keep(&Text::new("", text), findings)
}

/// The findings without the lines that hold values of variables, and without what the core quotes of those.
pub(super) fn keep(file: &Text, mut findings: Vec<Finding>) -> Vec<Finding> {
    if findings.is_empty() {
        return findings;
    }
    let lines: Vec<&str> = file.text.lines().collect();
    // A whole definition may be one line, with many findings.
    let mut known: BTreeMap<usize, bool> = BTreeMap::new();
    for finding in &mut findings {
        let Some(line) = finding.place().map(|place| place.line) else { continue };
        if *known.entry(line).or_insert_with(|| is_hidden(&lines, line)) {
            finding.excerpt = None;
            forget_quotes(finding);
        }
    }
    findings
}

/// Whether the line of a place is not to be shown.
pub(super) fn hides(file: &Text, span: &Span) -> bool {
    let lines: Vec<&str> = file.text.lines().collect();
    is_hidden(&lines, file.source().place(span.start).line)
}

/// The same of one finding.
pub(super) fn keep_one(file: &Text, finding: Finding) -> Option<Finding> {
    keep(file, vec![finding]).pop()
}

/// The finding without the line that it is about.
pub(super) fn without_line(mut finding: Finding) -> Finding {
    finding.excerpt = None;
    finding
}

/// Whether a line, counted from 1, holds a value, or the value of a key that ends the line before.
fn is_hidden(lines: &[&str], line: usize) -> bool {
    let names = |text: &str| HIDDEN.iter().any(|key| text.contains(key));
    let at =
        |line: usize| line.checked_sub(1).and_then(|index| lines.get(index)).copied().unwrap_or_default();
    let asks = |text: &str| ["curl", "wget", "\"CMD"].iter().any(|word| text.contains(word)) && logs_in(text);
    asks(at(line))
        || names(at(line))
        || (1..line).rev().map(at).take(4).find(|text| !text.trim().is_empty()).is_some_and(names)
}

fn forget_quotes(finding: &mut Finding) {
    if finding.code == Code::DEFINITION_VALUE {
        let quotes = finding.hint.as_ref().is_some_and(|hint| hint.ends_with("with quotes"));
        if quotes {
            finding.hint = Some("write it as a string, in quotes".to_owned());
        }
    }
    // What follows an unclosed `${` may be the rest of a password.
    if finding.code == Code::UNRESOLVED_PLACEHOLDER
        && finding.message.starts_with("${")
        && !finding.message.contains('}')
    {
        "a `${` that no `}` closes".clone_into(&mut finding.message);
        finding.hint = Some("write $${ to mean ${ itself".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_findings_of_one_long_line_take_little_more_time_than_one() {
        let file = Text::new("f", "{\"name\": \"DB_HOST\"}, ".repeat(4_000));
        let one = Finding::error(Code::DEFINITION_VALUE, "").at(file.source().place(0));
        let keep = |count: usize| {
            let kept = keep(&file, vec![one.clone(); count]);
            assert_eq!(kept.len(), count);
        };
        crate::effort::assert_at_most(40, || keep(1), || keep(2_000));
    }
}
