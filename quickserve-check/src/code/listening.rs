//! Ports that code listens on, where they are written as numbers.

use std::ops::Range;

use super::blank;
use super::language::Language;
use super::pattern::Pattern;

/// Everything of a text that listens on a port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listening {
    /// The ports that are written as numbers, with their places.
    pub(crate) fixed: Vec<(u16, Range<usize>)>,
    /// How many calls listen, whatever says on which port.
    pub(crate) calls: usize,
}

/// A call that listens, in each language; its group is the port, or the name of a constant.
static JAVASCRIPT: Pattern =
    Pattern::new(r"\.listen\(\s*(?:\{\s*port\s*:\s*)?(?:([0-9]{2,5})\b|([A-Za-z_$][\w$]*)\s*[,)}])?");
static PYTHON: Pattern = Pattern::new(concat!(
    r"(?:\b(?:app|application|uvicorn|hypercorn|socketio|bottle)\.run|\brun_simple|\bserve|HTTPServer)\(",
    r"(?:[^()]*\bport\s*=\s*(?:([0-9]{2,5})\b|([A-Za-z_]\w*)\s*[,)]))?",
));
static GO: Pattern = Pattern::new(concat!(
    r#"(?:\b(?:ListenAndServe(?:TLS)?|Listen)\(\s*(?:"tcp",\s*)?|\.(?:Run|Start)\(\s*|\bhttp\.Server\{[^{}]*?\bAddr:\s*)"[0-9.]*:([0-9]{2,5})"|"#,
    r#"\b(?:ListenAndServe(?:TLS)?|Listen)\(\s*(?:"tcp",\s*)?(?:([A-Za-z_]\w*)\s*[,)]|[A-Za-z_":])|"#,
    r#"\bhttp\.Server\{[^{}]*?\bAddr:\s*(?:":"\s*\+|[A-Za-z_])|\.Run\(\s*\)"#,
));

/// A constant that is a number, up to its name.
static CONSTANT: Pattern = Pattern::new(
    r"(?m)^\s*(?:export\s+)?(?:const\s+|let\s+|var\s+)?([A-Za-z_$][\w$]*)\s*(?::\s*\w+\s*)?=\s*([0-9]{2,5})\s*;?\s*$",
);

/// What a text listens on; nothing in a language that is not looked at.
pub(crate) fn of(language: Language, text: &str) -> Listening {
    let pattern = match language {
        Language::JavaScript => &JAVASCRIPT,
        Language::Python => &PYTHON,
        Language::Go => &GO,
        _ => return Listening::default(),
    };
    let text = blank::blank(text, language.syntax());
    let mut listening = Listening::default();
    for captures in pattern.all(&text) {
        listening.calls += 1;
        let number = captures.get(1).map(|number| (number.as_str(), number.range()));
        let by_name = || {
            let name = captures.get(2)?;
            Some((constant(&text, name.as_str())?, name.range()))
        };
        if let Some((number, range)) = number.or_else(by_name)
            && let Ok(port) = number.parse()
        {
            listening.fixed.push((port, range));
        }
    }
    listening
}

/// The number that a constant of that name is, where only one place sets it.
fn constant<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut found = CONSTANT.all(text).filter(|captures| &captures[1] == name);
    let first = found.next()?.get(2)?.as_str();
    (found.next().is_none() && assignments(text, name) <= 1).then_some(first)
}

/// How often a name is given a value, be it a parameter's.
fn assignments(text: &str, name: &str) -> usize {
    let is_part = |char: char| char.is_alphanumeric() || matches!(char, '_' | '$' | '.');
    let gives = |at: usize| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].trim_start_matches([' ', '\t']);
        let is_set = after.starts_with('=') && !after.starts_with("==") && !after.starts_with("=>");
        !before.is_some_and(is_part) && is_set
    };
    text.match_indices(name).filter(|(at, _)| gives(*at)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(language: Language, text: &str) -> (Vec<u16>, usize) {
        let Listening { fixed, calls } = of(language, text);
        (fixed.into_iter().map(|(port, _)| port).collect(), calls)
    }

    #[test]
    fn a_number_that_is_listened_on_is_found() {
        for (language, text) in [
            (Language::JavaScript, "app.listen(3000)"),
            (Language::JavaScript, "server.listen(3000, '0.0.0.0', () => {})"),
            (Language::JavaScript, "fastify.listen({ port: 3000, host: '0.0.0.0' })"),
            (Language::JavaScript, "const PORT = 3000;\napp.listen(PORT, cb)"),
            (Language::JavaScript, "export const port: number = 3000\nawait app.listen({ port: port })"),
            (Language::Python, "app.run(host='0.0.0.0', port=3000)"),
            (Language::Python, "uvicorn.run(app, port = 3000)"),
            (Language::Python, "PORT = 3000\nuvicorn.run(app, host=\"0.0.0.0\", port=PORT)"),
            (Language::Go, "http.ListenAndServe(\":3000\", nil)"),
            (Language::Go, "srv := &http.Server{Addr: \"0.0.0.0:3000\"}"),
            (Language::Go, "r.Run(\":3000\")"),
            (Language::Go, "net.Listen(\"tcp\", \":3000\")"),
        ] {
            assert_eq!(ports(language, text), (vec![3000], 1), "{text}");
        }
    }

    #[test]
    fn a_port_that_something_else_says_is_none() {
        for (language, text) in [
            (Language::JavaScript, "app.listen(process.env.PORT || 3000)"),
            (Language::JavaScript, "const port = process.env.PORT || 3000;\napp.listen(port)"),
            (Language::JavaScript, "app.listen(config.port)"),
            (Language::JavaScript, "let port = 3000\nport = 80\napp.listen(port)"),
            (
                Language::JavaScript,
                "let port = 3000\nif (i > 0) port = Number(process.argv[3])\napp.listen(port)",
            ),
            (Language::JavaScript, "server.listen(0)"),
            (Language::Python, "app.run(port=int(os.environ['PORT']))"),
            (Language::Python, "app.run(debug=True)"),
            (Language::Go, "http.ListenAndServe(\":\"+port, nil)"),
            (Language::Go, "http.ListenAndServe(addr, nil)"),
        ] {
            assert_eq!(ports(language, text), (Vec::new(), 1), "{text}");
        }
        assert_eq!(ports(Language::JavaScript, "// app.listen(3000)\nbus.on('x', listen)"), (Vec::new(), 0));
        let gin = "redis.NewClient(&redis.Options{Addr: \"127.0.0.1:6379\"})\nr.Run()";
        assert_eq!(ports(Language::Go, gin), (Vec::new(), 1));
        assert_eq!(ports(Language::Rust, "listen(3000)"), (Vec::new(), 0));
    }
}
