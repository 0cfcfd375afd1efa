//! A finding as compilers show an error: the line that it is about, and a mark under the place.

use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};
use quickserve_core::finding::{Location, Severity};

use super::Told;
use super::words::wrapped;

/// The widest that it gets without a terminal to fit into.
const WIDTH: usize = 120;

/// What stands before a hint: the numbers of lines, and its name.
const HINT: usize = 14;

/// What stands before a title: `warning[QS101]: `.
const TITLE: usize = 16;

/// How findings look.
#[derive(Debug, Clone)]
pub(crate) struct Diagnostics {
    renderer: Renderer,
    /// That of the terminal, where there is one.
    width: Option<usize>,
}

impl Diagnostics {
    pub(crate) fn new(colour: bool, width: Option<usize>) -> Self {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        Self { renderer: renderer.term_width(width.unwrap_or(WIDTH)), width }
    }

    /// The finding, in several lines.
    pub(crate) fn show(&self, finding: &Told) -> String {
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Info => Level::NOTE,
        };
        let code = finding.code.to_string();
        // A terminal would break words.
        let fits = |text: &str, column: usize| match self.width {
            Some(width) => wrapped(text, width.saturating_sub(column).max(20)),
            None => text.to_owned(),
        };
        let message = fits(&finding.message, TITLE);
        let title = level.primary_title(message.as_str()).id(code);
        let hint = finding.hint.as_deref().map(|hint| fits(hint, HINT));
        let hint = hint.as_deref().map(|hint| Level::HELP.with_name("hint").message(hint).into());
        let group = title.elements(place(finding).into_iter().chain(hint));
        self.renderer.render(&[group])
    }
}

/// Where it is. What is noted costs only its place: there may be many.
fn place(finding: &Told) -> Vec<Element<'_>> {
    match (&finding.location, &finding.excerpt) {
        (None, _) => Vec::new(),
        (Some(Location::Resource { resource }), _) => vec![Origin::path(resource.as_str()).into()],
        (Some(Location::Place(place)), excerpt) => {
            let origin =
                || Origin::path(place.file.as_str()).line(place.line).char_column(place.column).into();
            let Some(excerpt) = excerpt.as_ref().filter(|_| finding.severity > Severity::Info) else {
                return vec![origin()];
            };
            let snippet = {
                let at = |chars: usize| {
                    let boundary = excerpt.text.char_indices().nth(chars).map(|(at, _)| at);
                    boundary.unwrap_or(excerpt.text.len())
                };
                let span = at(excerpt.start)..at(excerpt.start + excerpt.width);
                let mark = AnnotationKind::Primary.span(span);
                Snippet::source(excerpt.text.as_str()).line_start(place.line).annotation(mark)
            };
            // A line that was cut would count its columns from the cut.
            if excerpt.start + 1 == place.column {
                vec![snippet.path(place.file.as_str()).into()]
            } else {
                vec![origin(), snippet.into()]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickserve_core::document::Source;
    use quickserve_core::finding::{Code, Finding};

    #[test]
    fn a_finding_shows_its_line_and_marks_the_place() {
        let text = "{\n  \"command\": [\"CMD-SHELL\", \"curl -f http://localhost\"]\n}\n";
        let at = text.find("curl").expect("a place");
        let source = Source { file: "deploy/task.json", text };
        let finding = source
            .error(Code::HEALTH_CHECK_PROGRAM, &(at..at + 4), "health check runs curl, absent from the image")
            .with_hint("use [\"CMD\", \"node\", \"healthcheck.js\"]");
        let note = source.info(Code::UNREAD_VARIABLE, &(at..at + 4), "nothing reads it");
        let port = Finding::error(Code::PORT_HELD, "public port 8080 is held by nginx").on("127.0.0.1:8080");
        // Of a long line only a part is shown; its place is that in the file.
        let long = format!("{}HERE{}", "a".repeat(300), "b".repeat(300));
        let cut = Source { file: "long", text: &long }.warning(Code::DEPRECATED, &(300..304), "long");
        let plain = Diagnostics::new(false, Some(80));
        let shown = [&finding, &note, &port, &cut].map(|finding| plain.show(&Told::of(finding)));
        insta::assert_snapshot!(shown.join("\n\n"));
        let wide =
            port.clone().with_hint("stop what holds it, or take another port in quickserve.toml for this");
        let narrow = Diagnostics::new(false, Some(50)).show(&Told::of(&wide));
        assert!(narrow.lines().all(|line| line.chars().count() <= 50), "{narrow}");
        assert!(narrow.contains("quickserve.toml"), "{narrow}");
        let mut long = wide;
        long.message =
            "public port 8080 is held by container web, which somebody else has started".to_owned();
        let narrow = Diagnostics::new(false, Some(50)).show(&Told::of(&long));
        assert!(narrow.lines().all(|line| line.chars().count() <= 50), "{narrow}");
        assert!(Diagnostics::new(true, None).show(&Told::of(&finding)).contains("\u{1b}["));
    }
}
