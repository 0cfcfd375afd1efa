//! `explain`: an exit code or the code of a finding, from the pages that are documented.

use include_dir::{Dir, include_dir};
use quickserve_core::finding::Code;

use crate::failure::Failure;
use crate::output;
use crate::render::words;
use crate::settings::Context;

/// The page that scripts rely on; its table is tested against the code.
const EXIT_CODES: &str = include_str!("../../../docs/reference/exit-codes.md");

/// A page for each finding, and an index of them all; a test holds them to have every code.
static PAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../docs/findings");

/// The width of lines that go to no terminal, and the most on one.
const WIDTH: (usize, usize) = (80, 100);

pub(super) fn run(context: &Context, code: Option<&str>) -> Result<(), Failure> {
    let Some(code) = code else {
        for code in Code::ALL {
            let Some(page) = page(*code) else { continue };
            output::data_line(&format!("{code}  {}", bare(&summary(page))));
        }
        return Ok(());
    };
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

/// Paragraphs of a page, and its examples in fences.
struct Text(Vec<String>);

impl Text {
    /// The blocks of a page after its title. An example may hold empty lines.
    fn of_page(page: &str) -> Self {
        let (mut blocks, mut block, mut fenced) = (Vec::new(), String::new(), false);
        for line in page.lines().filter(|line| !line.starts_with("# ")) {
            let fence = line.starts_with("```");
            if !fenced && (line.is_empty() || fence) {
                blocks.push(std::mem::take(&mut block));
            }
            fenced ^= fence;
            if fence || fenced || !line.is_empty() {
                block.push_str(line);
                block.push('\n');
            }
        }
        blocks.push(block);
        Self(blocks.into_iter().filter(|block| !block.is_empty()).collect())
    }

    /// In lines of this width, without the page's marks; examples as they are, set in.
    fn set(&self, width: usize) -> String {
        let blocks = self.0.iter().map(|block| match block.strip_prefix("```") {
            Some(_) => {
                let lines = block.lines().filter(|line| !line.starts_with("```"));
                lines.map(|line| format!("    {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
            }
            None => words::wrapped(&bare(block), width),
        });
        blocks.collect::<Vec<_>>().join("\n\n")
    }
}

/// Without emphasis and the targets of links.
pub(crate) fn bare(paragraph: &str) -> String {
    let mut text = paragraph.replace('*', "");
    while let Some((before, rest)) = text.split_once("](") {
        let after = rest.split_once(')').map_or("", |(_, after)| after);
        let (before, name) = before.rsplit_once('[').unwrap_or((before, ""));
        text = format!("{before}{name}{after}");
    }
    text
}

/// The page of a finding.
pub(crate) fn page(finding: Code) -> Option<&'static str> {
    PAGES.get_file(format!("{finding}.md"))?.contents_utf8()
}

/// Its first sentence: what it means.
pub(crate) fn summary(page: &str) -> String {
    let Text(blocks) = Text::of_page(page);
    blocks.first().map(|block| block.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap_or_default()
}

/// All of a page in lines.
pub(crate) fn text(page: &str) -> String {
    Text::of_page(page).set(WIDTH.1)
}

/// What the page says of a finding, under its code.
fn section(finding: Code) -> Option<Text> {
    let Text(blocks) = Text::of_page(page(finding)?);
    Some(Text(std::iter::once(finding.to_string()).chain(blocks).chain([finding.docs()]).collect()))
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
        // The row above them all has words.
        code.parse::<u8>().ok()?;
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
