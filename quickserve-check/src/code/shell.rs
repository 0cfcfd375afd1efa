//! Shell scripts that a container starts with.

use std::collections::BTreeSet;

use super::blank::{HASH, Quote, Syntax};
use super::context::{self, FAILS};
use super::pattern::Pattern;
use super::usage::{Hit, Need};
use super::{indirect, language};

pub(super) static RULES: language::Rules = language::Rules {
    trigger: Pattern::new(r"\$\{|-z|file_env"),
    // Strings in double quotes have expansions with quotes in them; a hash in one has no blank before it, mostly.
    syntax: Syntax { quotes: &[Quote::raw("'", "'"), Quote::lines("\"")], ..HASH },
    direct,
    indirect: Some(indirect::Rules {
        dynamic: Pattern::new(r"\$\{!([A-Za-z_]\w*)"),
        definition: Pattern::new(r"(?m)^([a-z_]\w*)\s*\(\)\s*\{\s*(?:local\s+)?([a-z_]\w*)="),
        env: false,
    }),
};

/// An expansion; its groups are the name and the operator.
static EXPANSION: Pattern = Pattern::new(r"\$\{([A-Z_][A-Z0-9_]*)(:?[?=+-])");

/// A question whether it is empty; its group is the name.
static EMPTY: Pattern = Pattern::new(r#"-z\s+"?\$\{?([A-Z_][A-Z0-9_]*)(?::?-)?\}?"?"#);

/// The function of the official database images, which takes a file as well.
static FILE_ENV: Pattern = Pattern::new(r#"\bfile_env\s+["']?([A-Z_][A-Z0-9_]*)"#);

/// A variable of the script's own; its groups are the name and the value.
static SET: Pattern = Pattern::new(
    r"(?m)^[ \t]*(?:export[ \t]+|local[ \t]+|readonly[ \t]+|declare[ \t]+)?([A-Z_][A-Z0-9_]*)=([^\n]*)",
);

/// What the shell itself provides.
const OWN: [&str; 12] = [
    "BASH_SOURCE",
    "BASH_VERSION",
    "EUID",
    "FUNCNAME",
    "HOME",
    "HOSTNAME",
    "IFS",
    "LINENO",
    "OPTARG",
    "PATH",
    "PWD",
    "UID",
];

fn direct(text: &str) -> Vec<Hit> {
    let is_own_value = |captures: &regex::Captures<'_>| !context::has_word(&captures[2], &captures[1]);
    let set: BTreeSet<String> =
        SET.all(text).filter(is_own_value).map(|captures| captures[1].to_owned()).collect();
    let mut hits = Vec::new();
    for captures in EXPANSION.all(text) {
        let need = if captures[2].ends_with('?') { Need::Validated } else { Need::Defaulted };
        hits.extend(captures.get(1).map(|name| Hit::new(name, need)));
    }
    for captures in EMPTY.all(text) {
        let end = captures.get(0).map_or(0, |all| all.end());
        let below = context::lines(text, end, 4);
        let fails = FAILS.is_match(below) || below.contains("return 1");
        let need = if fails { Need::Validated } else { Need::Defaulted };
        hits.extend(captures.get(1).map(|name| Hit::new(name, need)));
    }
    hits.extend(FILE_ENV.all(text).filter_map(|captures| Some(Hit::new(captures.get(1)?, Need::Defaulted))));
    // What is asked of a variable says more than that it is expanded in the question.
    hits.sort_by_key(|hit| (hit.span.start, std::cmp::Reverse(hit.need)));
    hits.retain(|hit| !set.contains(&hit.name) && !OWN.contains(&&*hit.name));
    hits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Language;

    fn read(text: &str) -> Vec<String> {
        language::read(Language::Shell, text)
    }

    #[test]
    fn expansions() {
        assert_eq!(
            read(": \"${A1:?must be set}\"\nexec app --port \"${PORT:-3000}\""),
            ["A1 Validated", "PORT Defaulted"]
        );
        assert_eq!(read("if [ -z \"$A1\" ]; then\n  echo no\n  exit 1\nfi"), ["A1 Validated"]);
        assert_eq!(read("[ -z \"${A1:-}\" ] && A1=x"), ["A1 Defaulted"]);
        assert!(read("APP=/x\nexec \"${APP:-y}\" $1 # ${B1:?}").is_empty());
        assert_eq!(read("PORT=\"${PORT:-3000}\""), ["PORT Defaulted"]);
    }

    #[test]
    fn loops() {
        assert_eq!(
            read("for v in A1 B1; do\n  if [ -z \"${!v}\" ]; then exit 1; fi\ndone"),
            ["A1 Validated", "B1 Validated"]
        );
    }
}
