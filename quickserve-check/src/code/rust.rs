//! Rust: `std::env`, dotenvy and clap. What `env!` reads is there when it is built.

use super::blank::{C_LIKE, Quote, Syntax};
use super::context::{self, FAILS};
use super::pattern::Pattern;
use super::usage::{Hit, Need};
use super::{indirect, language};

pub(super) static RULES: language::Rules = language::Rules {
    trigger: Pattern::new(r"\benv::var|dotenvy?::var|\benv\s*=|\(env\b|,\s*env\b|_env\("),
    syntax: Syntax {
        quotes: &[
            Quote::raw("r##\"", "\"##"),
            Quote::raw("r#\"", "\"#"),
            // The character, which opens no string.
            Quote::raw("'\"'", ""),
            Quote::raw("'\\\"'", ""),
            Quote::lines("\""),
        ],
        ..C_LIKE
    },
    direct,
    indirect: Some(indirect::Rules {
        dynamic: Pattern::new(r"\benv::var(?:_os)?\(\s*&?([A-Za-z_]\w*)\s*\)"),
        definition: Pattern::new(r"\bfn\s+([A-Za-z_]\w*)(?:<[^>(]*>)?\(\s*([A-Za-z_]\w*)\s*:"),
        env: false,
    }),
};

/// A reading; its groups are the function and the name.
static READ: Pattern = Pattern::new(r#"\b(?:env|dotenvy?)::(var(?:_os)?)\(\s*"([A-Za-z_]\w*)"\s*,?\s*\)"#);

/// What goes on without the value.
static GOES_ON: Pattern = Pattern::new(
    r"^\s*(?:\.(?:unwrap_or\w*|ok\(\)|is_ok\w*|is_err\w*|is_some\w*|is_none\w*|map_or\w*|or\w*\(|as_deref|iter\(|into_iter|filter)|==|!=)",
);

/// What takes the value, and fails where it is absent.
static ENDS: Pattern = Pattern::new(
    r"^\s*(?:\.(?:map|map_err|ok_or|ok_or_else|context|with_context|wrap_err\w*)\([^;]*?)?(?:\?|\.(?:unwrap|expect)\()",
);

/// A question, before the reading.
static ASKS: Pattern =
    Pattern::new(r"(?:\bmatch|\b(?:if|while)\s+let\s+(?:Ok|Some|Err)\([^)]*\)\s*=)\s*(?:std::)?$");

/// `let Ok(x) = ... else`, before the reading.
static LETS: Pattern = Pattern::new(r"\blet\s+(?:Ok|Some)\([^)]*\)\s*=\s*(?:std::)?$");

/// An attribute of clap; its groups are all that is in it, the field and its type.
static ATTRIBUTE: Pattern = Pattern::new(concat!(
    r"#\[(?:arg|clap|structopt)\(([^\]]*)\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))?\s+)?",
    r"([A-Za-z_]\w*)\s*:\s*([^,\n]+)",
));

/// The variable in it.
static ENV: Pattern = Pattern::new(r#"(?:^|[\s,(])env\s*(?:=\s*"([A-Za-z_]\w*)"|\(\s*"([A-Za-z_]\w*)"|,|$)"#);

fn direct(text: &str) -> Vec<Hit> {
    let text = &text[..text.find("#[cfg(test)]\nmod ").unwrap_or(text.len())];
    let reads = READ.all(text).filter_map(|captures| {
        let all = captures.get(0)?;
        let (before, after) = (context::before(text, all.start()), context::after(text, all.end(), 300));
        let need = if ASKS.is_match(before) {
            Need::Defaulted
        } else if LETS.is_match(before) {
            if FAILS.is_match(context::lines(text, all.end(), 4)) { Need::Validated } else { Need::Defaulted }
        } else if ENDS.is_match(after) {
            Need::Required
        } else if GOES_ON.is_match(after) || &captures[1] == "var_os" {
            Need::Defaulted
        } else {
            Need::Required
        };
        Some(Hit::new(captures.get(2)?, need))
    });
    reads.chain(ATTRIBUTE.all(text).filter_map(|captures| attribute(&captures))).collect()
}

/// clap ends the program where an argument is absent that is no option.
fn attribute(captures: &regex::Captures<'_>) -> Option<Hit> {
    let (inside, field) = (captures.get(1)?, captures.get(2)?);
    let env = ENV.captures(inside.as_str())?;
    let kind = captures.get(3)?.as_str();
    let goes_on = inside.as_str().contains("default_value")
        || ["Option<", "Vec<", "bool"].iter().any(|optional| kind.contains(optional));
    let need = if goes_on { Need::Defaulted } else { Need::Validated };
    Some(match env.get(1).or_else(|| env.get(2)) {
        Some(name) => Hit {
            name: name.as_str().to_owned(),
            span: inside.start() + name.start()..inside.start() + name.end(),
            need,
        },
        None => Hit { name: field.as_str().to_ascii_uppercase(), span: field.range(), need },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Language;

    fn read(text: &str) -> Vec<String> {
        language::read(Language::Rust, text)
    }

    #[test]
    fn readings_and_their_ends() {
        assert_eq!(read("let a = std::env::var(\"A1\").expect(\"A1\");"), ["A1 Required"]);
        assert_eq!(read("let a = env::var(\"A1\")\n    .context(\"A1\")?;"), ["A1 Required"]);
        assert_eq!(read("let a = env::var(\"A1\").unwrap_or_else(|_| \"x\".into());"), ["A1 Defaulted"]);
        assert_eq!(read("let a = env::var(\"A1\").ok();"), ["A1 Defaulted"]);
        assert_eq!(read("if let Ok(a) = env::var(\"A1\") {}"), ["A1 Defaulted"]);
        assert_eq!(read("let Ok(a) = env::var(\"A1\") else {\n  bail!(\"x\");\n};"), ["A1 Validated"]);
        assert_eq!(read("let a = env::var_os(\"A1\").is_some();"), ["A1 Defaulted"]);
        assert_eq!(read("dotenvy::var(\"A1\")?"), ["A1 Required"]);
    }

    #[test]
    fn the_build_comments_and_tests_are_no_readings() {
        assert!(read("const A: &str = env!(\"A1\"); // env::var(\"B1\")").is_empty());
        assert!(read("#[cfg(test)]\nmod tests { fn a() { env::var(\"A1\").unwrap(); } }").is_empty());
        assert_eq!(read("let q = '\"'; // '\nlet a = env::var(\"A1\")?;"), ["A1 Required"]);
    }

    #[test]
    fn arguments_of_clap() {
        let text = "struct A {\n  #[arg(long, env = \"A1\")]\n  a: String,\n  #[arg(env = \"B1\", default_value = \"x\")]\n  b: String,\n  #[arg(long, env)]\n  pub c_1: Option<u16>,\n}";
        assert_eq!(read(text), ["A1 Validated", "B1 Defaulted", "C_1 Defaulted"]);
    }
}
