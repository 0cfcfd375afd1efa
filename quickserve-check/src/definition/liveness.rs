//! Health routes that fail when a database does.
//!
//! ECS documentation, "Determine Amazon ECS task health": an unhealthy task is replaced. Where the database is what is
//! out of order, the new task is unhealthy too, and an outage of seconds ends every task of the service.
//!
//! This reads source text of JavaScript, Python and Go, not a program: it finds a route's handler, a call in it by the
//! names that people give to databases, and an answer that is a failure. What is written otherwise is not found.

use std::ops::Range;

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding};

use crate::Text;

/// Calls by which a route is registered.
const ROUTES: &[&str] = &[
    "get",
    "all",
    "use",
    "route",
    "head",
    "any",
    "handle",
    "handlefunc",
    "add_route",
    "add_api_route",
    "add_url_rule",
    "api_route",
    "path",
];

/// What people call a thing that may be out of order. `pgPool`, `userRepository` and `h.DB` count too.
const BEHIND: &[&str] = &[
    "db",
    "database",
    "pool",
    "client",
    "knex",
    "sequelize",
    "prisma",
    "mongoose",
    "redis",
    "conn",
    "connection",
    "pg",
    "mysql",
    "mongo",
    "session",
    "engine",
    "sql",
    "datasource",
    "repository",
    "cache",
    "rdb",
    "orm",
    "admin",
];

/// What is asked of it.
const CALLS: &[&str] = &[
    "query",
    "ping",
    "pingcontext",
    "execute",
    "exec",
    "execcontext",
    "raw",
    "authenticate",
    "queryraw",
    "queryrow",
    "querycontext",
    "queryrowcontext",
    "findone",
    "find",
    "count",
    "command",
    "isready",
    "scalar",
    "fetchrow",
    "fetch_one",
    "fetchval",
    "connect",
];

/// What a handler that answers a failure says, in small letters.
const FAILS: &[&str] = &[
    "500",
    "502",
    "503",
    "504",
    "serviceunavailable",
    "service_unavailable",
    "internalservererror",
    "internal_server_error",
    "httpexception",
    "abort(",
    "raise ",
    "throw ",
    "next(e",
];

/// What a handler that goes on after an error says, in small letters.
const CATCHES: &[&str] = &["catch", "try", "except", "allsettled"];

/// How often a path, or the name of a handler, is looked at: more are in no file that a person wrote.
const MENTIONS: usize = 64;

/// The finding where the route of that path, which a health check asks, fails when something behind the service does.
pub fn liveness(path: &str, file: &Text) -> Option<Finding> {
    let code = file.text.as_str();
    let span = literals(code, path).take(MENTIONS).find_map(|at| {
        let body = handler(code, at)?;
        let span = depends(code.get(body.clone())?)?;
        Some(span.start + body.start..span.end + body.start)
    })?;
    let message =
        format!("{path} fails when `{}` does: an outage of it ends every task", &code[span.clone()]);
    let hint = "answer 200 there as long as the process is alive, and say at another path, such as /ready, what it \
                depends on";
    Some(file.warning(Code::LIVENESS_DEPENDS, &span, message).with_hint(hint))
}

/// The call in a handler's code on which its answer depends.
fn depends(code: &str) -> Option<Span> {
    let lower = code.to_ascii_lowercase();
    let fails = FAILS.iter().any(|word| lower.contains(word));
    let catches = CATCHES.iter().any(|word| lower.contains(word));
    let mut start = 0;
    for line in code.split_inclusive('\n') {
        if !is_comment(line)
            && let Some(span) = call(line)
            && (fails || !catches && is_awaited(&line[..span.start], &line[span.end..]))
        {
            return Some(span.start + start..span.end + start);
        }
        start += line.len();
    }
    None
}

/// Whether an error of a call ends the handler, where nothing catches it: by `await`, or by what follows
/// with `.then`.
///
/// Express documentation, "Error handling": what rejects there is answered with 500, or before version 5 not at all.
fn is_awaited(before: &str, after: &str) -> bool {
    before.trim_end().ends_with("await") || after.contains(".then(")
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["//", "#", "*", "/*"].iter().any(|mark| line.starts_with(mark))
}

/// A call such as `db.query` in a line.
fn call(line: &str) -> Option<Span> {
    let mut ends = line.match_indices(['(', '`']).map(|(end, _)| end);
    ends.find_map(|end| {
        let is_chain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '$');
        let start = line[..end]
            .rfind(|char| !is_chain(char))
            .map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
        let chain = line.get(start..end)?;
        let (of, method) = chain.rsplit_once('.')?;
        let method = method.trim_start_matches('$').to_ascii_lowercase();
        let behind = |part: &str| {
            let part = part.to_ascii_lowercase();
            BEHIND.iter().any(|name| {
                part == *name
                    || (part.ends_with(name) || part.starts_with(name)) && name.len() > 2
                    || part.ends_with(name) && *name == "db"
            })
        };
        (CALLS.contains(&&*method) && of.split('.').any(behind)).then_some(start..end)
    })
}

/// Where a path is written as a string of its own, or after the method as Go has it.
fn literals<'c>(code: &'c str, path: &'c str) -> impl Iterator<Item = Range<usize>> + 'c {
    let found = code.match_indices(path).map(|(start, _)| start..start + path.len());
    found.filter_map(|at| {
        let quote = code[at.end..].chars().next().filter(|char| matches!(char, '"' | '\'' | '`'))?;
        let before = code[..at.start].strip_suffix("GET ").unwrap_or(&code[..at.start]);
        let open = before.strip_suffix(quote)?;
        Some(open.len()..at.end + 1)
    })
}

/// The code that handles the route whose path is written there.
fn handler(code: &str, literal: Range<usize>) -> Option<Range<usize>> {
    let before = code[..literal.start].trim_end();
    if before.ends_with("==") || before.ends_with("case") {
        return block(code, literal.end);
    }
    let callee = before.strip_suffix('(')?;
    let callee = callee.rsplit(|char: char| !char.is_ascii_alphanumeric() && char != '_').next()?;
    if !ROUTES.contains(&&*callee.to_ascii_lowercase()) {
        return None;
    }
    let line = &code[..before.len()];
    let line = &line[line.rfind('\n').map_or(0, |newline| newline + 1)..];
    let end = closing(code, before.len() - 1)?;
    if line.trim_start().starts_with('@') {
        return function(code, end);
    }
    let arguments = code.get(literal.end..end)?;
    if ["=>", "function", "func(", "func ("].iter().any(|word| arguments.contains(word)) {
        return Some(literal.end..end);
    }
    // The last argument names the handler.
    let name = arguments.trim_end_matches([')', ',', ' ', '\n', '\r', '\t']);
    let name = name.rsplit(|char: char| !char.is_ascii_alphanumeric() && char != '_').next()?;
    definition(code, name)
}

/// The body of the function of that name.
fn definition(code: &str, name: &str) -> Option<Range<usize>> {
    if name.is_empty() {
        return None;
    }
    let mut found = code.match_indices(name).take(MENTIONS).map(|(at, _)| at);
    found.find_map(|at| {
        let (before, after) = (code[..at].trim_end_matches(' '), code[at + name.len()..].trim_start());
        let defined = ["function", "def", "async", ")"].iter().any(|word| before.ends_with(word))
            && after.starts_with('(')
            || before.ends_with("func") && after.starts_with('(')
            || after.strip_prefix('=').is_some_and(|rest| !rest.starts_with('='));
        if !defined {
            return None;
        }
        if before.ends_with("def") {
            function(code, code[..at].rfind('\n').unwrap_or(0))
        } else {
            block(code, at)
        }
    })
}

/// The block in braces that begins after a place, or the indented lines after a colon at the end of its line.
fn block(code: &str, from: usize) -> Option<Range<usize>> {
    let rest = code.get(from..)?;
    let line = rest.lines().next()?;
    if line.trim_end().ends_with(':') {
        return indented(code, code[..from].rfind('\n').map_or(0, |newline| newline + 1));
    }
    let open = from + rest.find('{')?;
    Some(open..closing(code, open)?)
}

/// The Python function whose `def` is at or after a place.
fn function(code: &str, from: usize) -> Option<Range<usize>> {
    let rest = code.get(from..)?;
    let at = from + rest.find("def ")?;
    indented(code, code[..at].rfind('\n').map_or(0, |newline| newline + 1))
}

/// A line, and those after it that are further in.
fn indented(code: &str, start: usize) -> Option<Range<usize>> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut lines = code.get(start..)?.split_inclusive('\n');
    let first = lines.next()?;
    let body = lines.take_while(|line| {
        line.trim().is_empty() || depth(line) > depth(first) || line.trim_start().starts_with(')')
    });
    Some(start..start + first.len() + body.map(str::len).sum::<usize>())
}

/// The bracket that closes the one at a place. Strings and comments are passed over.
fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote: Option<u8> = None;
    let bytes = code.as_bytes();
    let mut at = open;
    while let Some(&byte) = bytes.get(at) {
        match (quote, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(open), _) if open == byte => quote = None,
            // Only a template goes on in the next line.
            (Some(b'"' | b'\''), b'\n') => quote = None,
            (None, b'"' | b'\'' | b'`') => quote = Some(byte),
            (None, b'/') if bytes.get(at + 1) == Some(&b'/') => {
                at += code.get(at..)?.find('\n')?;
            }
            (None, b'(' | b'{' | b'[') => depth += 1,
            (None, b')' | b'}' | b']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(code: &str) -> Option<String> {
        let finding = liveness("/health", &Text::new("server", code))?;
        let line = finding.place().map_or(0, |place| place.line);
        Some(format!("{line}: {}", finding.message.split('`').nth(1).unwrap_or_default()))
    }

    #[test]
    fn a_handler_that_asks_the_database_is_found_at_its_line() {
        let javascript = "app.get('/other', h);\napp.get('/health', async (req, res) => {\n  try {\n    // db.query(1)\n    await db.query('SELECT 1');\n  } catch (e) {\n    return res.status(503).end();\n  }\n});\n";
        assert_eq!(found(javascript).as_deref(), Some("5: db.query"));
        let named = "async function health(req, res) {\n  await pgPool.query(\"SELECT 1\").catch(() => res.sendStatus(500));\n}\nrouter.get(\"/health\", auth, health);\n";
        assert_eq!(found(named).as_deref(), Some("2: pgPool.query"));
        let arrow = "const check = async (req, res) => {\n  await prisma.$queryRaw`SELECT 1`;\n  throw new Error('x');\n};\napp.get('/health', check)";
        assert_eq!(found(arrow).as_deref(), Some("2: prisma.$queryRaw"));
        let bare =
            "if (req.url === '/health') {\n  redis.ping((e) => { res.statusCode = e ? 503 : 200; });\n}\n";
        assert_eq!(found(bare).as_deref(), Some("2: redis.ping"));
        let python = "@app.get(\"/health\")\nasync def health(db: Session = Depends(get_db)):\n    try:\n        db.execute(text('SELECT 1'))\n    except Exception:\n        raise HTTPException(503)\n    return {}\n";
        assert_eq!(found(python).as_deref(), Some("4: db.execute"));
        let go = "mux.HandleFunc(\"GET /health\", func(w http.ResponseWriter, r *http.Request) {\n\tif err := s.DB.PingContext(r.Context()); err != nil {\n\t\tw.WriteHeader(http.StatusServiceUnavailable)\n\t}\n})\n";
        assert_eq!(found(go).as_deref(), Some("2: s.DB.PingContext"));
        let line = "app.get('/health', async (q, r) => { await pool.query('select 1'); r.send('ok') })";
        assert_eq!(found(line).as_deref(), Some("1: pool.query"));
        let chain = "app.get('/health', (q, r) => pool.query('select 1').then(() => r.send('ok')))";
        assert_eq!(found(chain).as_deref(), Some("1: pool.query"));
        let bare = "@app.get('/health')\nasync def health():\n    await database.execute('select 1')\n    return {}\n";
        assert_eq!(found(bare).as_deref(), Some("3: database.execute"));
        let method = "http.HandleFunc(\"/health\", s.health)\n\nfunc (s *Server) health(w http.ResponseWriter, r *http.Request) {\n\tif s.db.Ping() != nil {\n\t\thttp.Error(w, \"db\", 503)\n\t}\n}\n";
        assert_eq!(found(method).as_deref(), Some("4: s.db.Ping"));
    }

    #[test]
    fn a_handler_that_only_answers_is_none() {
        for code in [
            "app.get('/health', (req, res) => res.send('ok'));\napp.get('/x', async () => { await db.query('SELECT 1'); throw 503 });",
            "app.get('/health', async (req, res) => {\n  try { await db.query('SELECT 1') } catch { body.db = 'down' }\n  res.json(body);\n});",
            "app.get('/health', async (q, r) => { await pool.query('select 1').catch(() => 0); r.send('ok') })",
            "app.get('/health', (q, r) => { pool.query('select 1'); r.send('ok') })",
            "app.get('/ready', async (req, res) => { await db.query('SELECT 1'); res.status(503) });",
            "@app.get('/health')\ndef health():\n    return {}\n\n@app.get('/x')\ndef x():\n    db.execute('x')\n    raise HTTPException(500)\n",
            "fetch('/health').then(() => db.query('x')); res.status(500)",
            "const path = '/health';",
            "app.get('/health'",
            "app.get('/health', ",
            "",
        ] {
            assert_eq!(found(code), None, "{code}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".*", code in "(app\\.get\\(|'/health'|, |=> |\\{|\\}|\\)|db\\.query\\(|503|é|\n|@|def |:)*") {
            let _ = found(&text);
            let _ = found(&code);
        }
    }
}
