//! `explain`: an exit code or the code of a finding, from the pages that are documented.

use quickserve_core::finding::Code;

use crate::failure::Failure;
use crate::output;
use crate::render::words;
use crate::settings::Context;

/// The page that scripts rely on; its table is tested against the code.
const EXIT_CODES: &str = include_str!("../../../docs/reference/exit-codes.md");

/// The page of all findings; a test holds it to have every code.
const FINDINGS: &str = include_str!("../../../docs/reference/findings.md");

/// The width of lines that go to no terminal, and the most on one.
const WIDTH: (usize, usize) = (80, 100);

pub(super) fn run(context: &Context, code: &str) -> Result<(), Failure> {
    let text = match code.to_uppercase().parse::<Code>() {
        Ok(finding) => section(finding).ok_or_else(|| unknown(finding))?,
        Err(_) => exit_code(code).ok_or_else(|| {
            Failure::usage(
                format!("{code} is neither an exit code nor the code of a finding"),
                "such as quickserve explain 4, or quickserve explain QS101",
            )
        })?,
    };
    let width = context.terminal.width.map_or(WIDTH.0, |width| width.min(WIDTH.1));
    output::data_line(&text.set(width));
    Ok(())
}

/// Paragraphs of a page.
struct Text(Vec<String>);

impl Text {
    /// In lines of this width, without the page's marks.
    fn set(&self, width: usize) -> String {
        let paragraphs = self.0.iter().map(|paragraph| words::wrapped(&bare(paragraph), width));
        paragraphs.collect::<Vec<_>>().join("\n\n")
    }
}

/// Without emphasis and the targets of links.
fn bare(paragraph: &str) -> String {
    let mut text = paragraph.replace('*', "");
    while let Some((before, rest)) = text.split_once("](") {
        let after = rest.split_once(')').map_or("", |(_, after)| after);
        let (before, name) = before.rsplit_once('[').unwrap_or((before, ""));
        text = format!("{before}{name}{after}");
    }
    text
}

/// What the page says of a finding, under its code.
fn section(finding: Code) -> Option<Text> {
    let heading = format!("### {finding}\n");
    let (_, rest) = FINDINGS.split_once(&heading)?;
    let end = rest.find("\n#").unwrap_or(rest.len());
    let paragraphs = rest[..end].trim().split("\n\n").map(str::to_owned);
    Some(Text(std::iter::once(finding.to_string()).chain(paragraphs).chain([finding.docs()]).collect()))
}

fn unknown(finding: Code) -> Failure {
    let hint = match finding.nearest() {
        Some(near) => format!("did you mean {near}"),
        None => "such as quickserve explain QS101".to_owned(),
    };
    Failure::usage(format!("no finding has the code {finding}"), hint)
}

/// The row of an exit code.
fn exit_code(code: &str) -> Option<Text> {
    EXIT_CODES.lines().find_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [codes, outcome, meaning, serves, next] = cells.as_slice() else { return None };
        codes.split(", ").any(|one| one == code).then(|| {
            let plain = |cell: &str| cell.replace('`', "");
            Text(vec![
                format!("{code} {}: {meaning}", plain(outcome)),
                format!("serving: {serves}"),
                format!("next: {}", plain(next)),
            ])
        })
    })
}
