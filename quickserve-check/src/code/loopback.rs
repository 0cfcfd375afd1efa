//! Servers that listen on the machine itself only, as their code says it, or as their library does where it says nothing.

use std::ops::Range;

use super::blank;
use super::language::Language;
use super::pattern::Pattern;

/// A call that listens where nobody else reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loopback {
    /// The call, or the address in it.
    pub(crate) span: Range<usize>,
    /// The address that is written; nothing where it is what the library takes by itself.
    pub(crate) address: Option<String>,
}

/// Addresses that only the machine itself has.
pub(crate) fn is_loopback(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "localhost" | "::1" | "[::1]")
}

/// `listen(port, "127.0.0.1")` and `listen({ host: "127.0.0.1" })`; the groups are the address, or the name of a constant.
static JAVASCRIPT: Pattern = Pattern::new(concat!(
    r#"\.listen\(\s*(?:[^(){}"'`,]+,\s*(?:["'`]([^"'`\n]*)["'`]|([A-Za-z_$][\w$]*)\s*[,)])|"#,
    r#"\{[^{}()]*\b(?:host|hostname)\s*:\s*(?:["'`]([^"'`\n]*)["'`]|([A-Za-z_$][\w$]*)\s*[,}]))"#,
));

/// Fastify's documentation, "Server", listen: the host is `localhost` where nothing names it.
static FASTIFY: Pattern = Pattern::new(r"\.listen\(\s*(?:\{((?:[^{}()]|\([^()]*\))*)\}|[0-9]{2,5}\s*[,)])");
static IS_FASTIFY: Pattern = Pattern::new(r#"(?:require\(\s*|from\s+)["']fastify["']"#);

/// A constant of JavaScript that is a text.
static CONSTANT: Pattern = Pattern::new(
    r#"(?m)^\s*(?:export\s+)?const\s+([A-Za-z_$][\w$]*)\s*(?::\s*\w+\s*)?=\s*["'`]([^"'`\n]*)["'`]\s*;?\s*$"#,
);

/// A server of Python that is started with arguments; the groups are the call and all that it is given.
static PYTHON: Pattern =
    Pattern::new(r"\b(app|application|uvicorn|socketio)\.run\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)");
static HOST: Pattern = Pattern::new(r#"\bhost\s*=\s*(?:["']([^"'\n]*)["']|[^"'\s])"#);
static IS_FLASK: Pattern =
    Pattern::new(r"(?m)^\s*(?:from\s+(?:flask|quart)\s+import|import\s+(?:flask|quart))\b");

static GO: Pattern = Pattern::new(concat!(
    r#"(?:\b(?:ListenAndServe(?:TLS)?|Listen)\(\s*(?:"tcp4?",\s*)?|\.(?:Run|Start)\(\s*|\bhttp\.Server\{[^{}]*?\bAddr:\s*)"#,
    r#""(127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}""#,
));

/// All such calls of a text; none in a language that is not looked at.
pub(crate) fn of(language: Language, text: &str) -> Vec<Loopback> {
    if !matches!(language, Language::JavaScript | Language::Python | Language::Go) {
        return Vec::new();
    }
    let text = blank::blank(text, language.syntax());
    match language {
        Language::JavaScript => javascript(&text),
        Language::Python => python(&text),
        _ => GO.all(&text).filter_map(|captures| written(captures.get(1)?)).collect(),
    }
}

fn written(address: regex::Match<'_>) -> Option<Loopback> {
    let loopback = || Loopback { span: address.range(), address: Some(address.as_str().to_owned()) };
    is_loopback(address.as_str()).then(loopback)
}

fn javascript(text: &str) -> Vec<Loopback> {
    let constant = |name: &str| {
        let mut found = CONSTANT.all(text).filter(|captures| &captures[1] == name);
        Some(found.next()?.get(2)?.as_str().to_owned())
    };
    let mut found: Vec<Loopback> = JAVASCRIPT
        .all(text)
        .filter_map(|captures| {
            if let Some(address) = captures.get(1).or_else(|| captures.get(3)) {
                return written(address);
            }
            let name = captures.get(2).or_else(|| captures.get(4))?;
            let address = constant(name.as_str()).filter(|address| is_loopback(address))?;
            Some(Loopback { span: name.range(), address: Some(address) })
        })
        .collect();
    if found.is_empty() && IS_FASTIFY.is_match(text) {
        found.extend(FASTIFY.all(text).filter_map(|captures| {
            let options = captures.get(1).map_or("", |options| options.as_str());
            let is_said = ["host", "path", "..."].iter().any(|word| options.contains(word));
            (!is_said)
                .then(|| Loopback { span: captures.get(0).map_or(0..0, |call| call.range()), address: None })
        }));
    }
    found
}

fn python(text: &str) -> Vec<Loopback> {
    let is_flask = IS_FLASK.is_match(text);
    let calls = PYTHON.all(text).filter_map(|captures| {
        let (call, arguments) = (captures.get(0)?, captures.get(2)?);
        let is_known = match &captures[1] {
            "uvicorn" => true,
            "app" | "application" => is_flask,
            _ => false,
        };
        if let Some(host) = HOST.captures(arguments.as_str()) {
            let address = host.get(1).filter(|address| is_loopback(address.as_str()))?;
            let start = arguments.start() + address.start();
            let span = start..start + address.len();
            return Some(Loopback { span, address: Some(address.as_str().to_owned()) });
        }
        // Another argument may be the host by its place, or a table of them.
        let first = arguments.as_str().split(',').next().unwrap_or_default().trim();
        let by_place = &captures[1] != "uvicorn" && !first.is_empty() && !first.contains('=');
        let is_said =
            by_place || ["**", "*args", "uds", "fd="].iter().any(|word| arguments.as_str().contains(word));
        (is_known && !is_said).then(|| Loopback { span: call.start()..arguments.start(), address: None })
    });
    calls.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(language: Language, text: &str) -> Vec<Option<String>> {
        of(language, text).into_iter().map(|found| found.address).collect()
    }

    #[test]
    fn addresses_of_the_machine_itself_are_found() {
        for (language, text, address) in [
            (Language::JavaScript, "app.listen(3000, '127.0.0.1')", Some("127.0.0.1")),
            (
                Language::JavaScript,
                "app.listen(process.env.PORT || 3000, \"localhost\", () => {})",
                Some("localhost"),
            ),
            (
                Language::JavaScript,
                "const HOST = '127.0.0.1';\nserver.listen(PORT, HOST);",
                Some("127.0.0.1"),
            ),
            (Language::JavaScript, "await app.listen({ port: 3000, host: 'localhost' })", Some("localhost")),
            (Language::JavaScript, "import Fastify from 'fastify'\nawait app.listen({ port: 3000 })", None),
            (Language::Python, "from flask import Flask\napp.run()", None),
            (
                Language::Python,
                "from flask import Flask\napp.run(debug=True, port=int(os.environ.get('PORT', 8000)))",
                None,
            ),
            (Language::Python, "app.run(host=\"127.0.0.1\", port=8000)", Some("127.0.0.1")),
            (Language::Python, "uvicorn.run(\"main:app\", port=8000)", None),
            (Language::Go, "http.ListenAndServe(\"127.0.0.1:8080\", nil)", Some("127.0.0.1")),
            (Language::Go, "srv := &http.Server{Addr: \"localhost:8080\"}", Some("localhost")),
            (Language::Go, "r.Run(\"localhost:8080\")", Some("localhost")),
        ] {
            assert_eq!(found(language, text), [address.map(str::to_owned)], "{text}");
        }
    }

    #[test]
    fn other_addresses_and_unknown_ones_are_not() {
        for (language, text) in [
            (Language::JavaScript, "app.listen(3000)"),
            (Language::JavaScript, "app.listen(3000, () => {})"),
            (Language::JavaScript, "app.listen(3000, '0.0.0.0')"),
            (Language::JavaScript, "app.listen(3000, process.env.HOST || '127.0.0.1')"),
            (Language::JavaScript, "const HOST = process.env.HOST || '127.0.0.1'\napp.listen(3000, HOST)"),
            (Language::JavaScript, "// app.listen(3000, '127.0.0.1')"),
            (
                Language::JavaScript,
                "import Fastify from 'fastify'\napp.listen({ port: 3000, host: '0.0.0.0' })",
            ),
            (Language::JavaScript, "import Fastify from 'fastify'\napp.listen({ port, ...options })"),
            (Language::JavaScript, "app.listen({ port: 3000 })"),
            (Language::Python, "from flask import Flask\napp.run(host='0.0.0.0')"),
            (Language::Python, "from flask import Flask\napp.run('0.0.0.0', 8000)"),
            (Language::Python, "from flask import Flask\napp.run(host=os.environ.get('HOST', '127.0.0.1'))"),
            (Language::Python, "from aiohttp import web\napp.run()"),
            (Language::Python, "uvicorn.run(app, **options)"),
            (Language::Python, "uvicorn.run(app, uds='/tmp/s')"),
            (Language::Go, "http.ListenAndServe(\":8080\", nil)"),
            (Language::Go, "redis.NewClient(&redis.Options{Addr: \"localhost:6379\"})"),
            (Language::Rust, "listen(\"127.0.0.1:80\")"),
        ] {
            assert_eq!(found(language, text), Vec::<Option<String>>::new(), "{text}");
        }
    }
}
