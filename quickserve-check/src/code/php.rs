//! PHP: `getenv`, `$_ENV`, Laravel's `env`; and Symfony's settings.

use super::blank::{C_LIKE, Quote, Syntax};
use super::context::{self, need};
use super::pattern::Pattern;
use super::usage::{Hit, Need};
use super::{indirect, language};

pub(super) static RULES: language::Rules = language::Rules {
    trigger: Pattern::new(r"getenv\(|\benv\(|_ENV\["),
    syntax: Syntax {
        line: &["//", "# "],
        quotes: &[Quote::lines("\""), Quote::lines("'")],
        spaced: true,
        ..C_LIKE
    },
    direct,
    indirect: Some(indirect::Rules {
        dynamic: Pattern::new(r"(?:\bgetenv\(\s*|\$_ENV\[\s*)(\$[A-Za-z_]\w*)"),
        definition: Pattern::new(r"\bfunction\s+([A-Za-z_]\w*)\(\s*(?:\??string\s+)?(\$[A-Za-z_]\w*)"),
        env: false,
    }),
};

/// A reading; its groups are the name in each way to write it, with what follows.
static READ: Pattern = Pattern::new(concat!(
    r#"(?:\$_ENV\[\s*["']([A-Za-z_]\w*)["']\s*\]|\bgetenv\(\s*["']([A-Za-z_]\w*)["'][^)\n]*\)|"#,
    r#"\b[eE]nv(?:::get)?\(\s*["']([A-Z][A-Z0-9_]*)["']\s*(,?))"#,
));

/// Symfony's; its groups are the processors and the name.
static SYMFONY: Pattern =
    Pattern::new(r"%env\(((?:[a-z_]+:)*(?:default:[^:)\n]*:)?(?:[a-z_]+:)*)([A-Z][A-Z0-9_]*)\)%");

static WRITES: Pattern = Pattern::new(r"^\s*=(?:[^=>]|$)");

fn direct(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    for captures in READ.all(text) {
        let (Some(all), Some(name)) = (captures.get(0), (1..=3).find_map(|group| captures.get(group))) else {
            continue;
        };
        if WRITES.is_match(context::after(text, all.end(), 8)) {
            continue;
        }
        // Laravel gives null where there is none, and its own settings count on that.
        let need = match captures.get(3).map(|name| name.as_str()) {
            // Without this one it ends: "No application encryption key has been specified."
            Some("APP_KEY") if captures.get(4).is_none_or(|comma| comma.is_empty()) => Need::Validated,
            Some(_) => Need::Defaulted,
            None => need(text, &all.range()),
        };
        hits.push(Hit::new(name, need));
    }
    for captures in SYMFONY.all(text) {
        let need = if captures[1].contains("default:") { Need::Defaulted } else { Need::Required };
        hits.extend(captures.get(2).map(|name| Hit::new(name, need)));
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Language;

    fn read(text: &str) -> Vec<String> {
        language::read(Language::Php, text)
    }

    #[test]
    fn readings_and_their_defaults() {
        assert_eq!(
            read("$a = getenv('A1');\n$b = $_ENV['B1'] ?? 'x';\n$c = getenv('C1') ?: 'y';"),
            ["A1 Required", "B1 Defaulted", "C1 Defaulted"]
        );
        assert_eq!(
            read("'url' => env('DATABASE_URL'), 'port' => env('DB_PORT', '3306'),"),
            ["DATABASE_URL Defaulted", "DB_PORT Defaulted"]
        );
        assert_eq!(read("'key' => env('APP_KEY'),"), ["APP_KEY Validated"]);
        assert_eq!(
            read(
                "if (!getenv('A1')) {\n  throw new RuntimeException('x');\n}\n// getenv('B1')\n# getenv('C1')\n$_ENV['D1'] = 'x';"
            ),
            ["A1 Validated"]
        );
        assert_eq!(read("if (!isset($_ENV['A1'])) {\n  die('x');\n}"), ["A1 Validated"]);
    }

    #[test]
    fn loops_and_symfony() {
        assert_eq!(
            read("foreach (['A1', 'B1'] as $name) {\n  if (getenv($name) === false) {\n    exit(1);\n  }\n}"),
            ["A1 Validated", "B1 Validated"]
        );
        assert_eq!(
            read("url: '%env(resolve:DATABASE_URL)%'\nx: '%env(default:y:A1)%'"),
            ["DATABASE_URL Required", "A1 Defaulted"]
        );
        assert_eq!(read("$dotenv->required(['A1', 'B1']); $_ENV[$x]"), ["A1 Validated", "B1 Validated"]);
    }
}
