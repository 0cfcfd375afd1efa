//! What a script asks that a health check runs, such as `node healthcheck.js`.

use quickserve_core::document::Span;

use super::container::local_url;
use crate::Text;

/// What a script asks of the service, as far as it is plainly written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probe {
    /// The port, and its place.
    pub port: Option<(u16, Span)>,
    /// The path, and its place.
    pub path: Option<(String, Span)>,
}

/// Reads a script: the URL of the machine itself that it holds, or what it gives for `port` and `path`.
pub fn probe(script: &Text) -> Probe {
    let code = script.text.as_str();
    // No script that asks one question holds more.
    let mut urls = code.match_indices("http").take(256).filter_map(|(at, _)| {
        let ends = |char: char| char.is_whitespace() || matches!(char, '"' | '\'' | '`' | ')' | ',');
        let length = code[at..].find(ends).unwrap_or(code.len() - at);
        let span = at..at + length;
        local_url(&code[span.clone()]).map(|(port, path)| (port, path, span))
    });
    if let Some((port, path, span)) = urls.next() {
        return Probe { port: Some((port, span.clone())), path: Some((path, span)) };
    }
    let port = value_of(code, "port").and_then(|span| Some((code[span.clone()].parse().ok()?, span)));
    let path = value_of(code, "path").and_then(|span| {
        let quoted = &code[span.clone()];
        let path = quoted.trim_matches(['"', '\'', '`']);
        (path.len() + 2 == quoted.len() && path.starts_with('/')).then(|| (path.to_owned(), span))
    });
    Probe { port, path }
}

/// The one word that a name is given, as in `port: 3000,` and `port = 3000`.
fn value_of(code: &str, name: &str) -> Option<Span> {
    let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '.';
    let mut found = code.match_indices(name).map(|(at, _)| at);
    found.find_map(|at| {
        if code[..at].ends_with(is_name) {
            return None;
        }
        let rest = code[at + name.len()..].trim_start_matches(['"', '\'', ' ']);
        let rest = rest.strip_prefix([':', '='])?.trim_start_matches(' ');
        let start = code.len() - rest.len();
        let value = rest.split([',', ';', '}', ')', '\n']).next()?.trim_end();
        (!value.is_empty()).then(|| start..start + value.len())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(code: &str) -> (Option<u16>, Option<String>) {
        let Probe { port, path } = probe(&Text::new("healthcheck", code));
        (port.map(|(port, _)| port), path.map(|(path, _)| path))
    }

    #[test]
    fn options_and_urls_are_read() {
        let options = "const options = {\n  host: \"localhost\",\n  port: 3000,\n  path: \"/health\",\n};\n";
        assert_eq!(asked(options), (Some(3000), Some("/health".to_owned())));
        let url = "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:8000/up')\n";
        assert_eq!(asked(url), (Some(8000), Some("/up".to_owned())));
        assert_eq!(
            asked("const http = require('http');\nget({ port: process.env.PORT || 3000, path: p })"),
            (None, None)
        );
        assert_eq!(asked("export = 1; viewport: 20"), (None, None));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".*", code in "(port|path|: |= |http://localhost|:80|/|\"|é|\n)*") {
            let _ = asked(&text);
            let _ = asked(&code);
        }
    }
}
