//! C#: `Environment.GetEnvironmentVariable`.

use super::blank::{C_LIKE, Quote, Syntax};
use super::context::need;
use super::pattern::Pattern;
use super::usage::Hit;
use super::{indirect, language};

pub(super) static RULES: language::Rules = language::Rules {
    trigger: Pattern::new(r"GetEnvironmentVariable|[eE]nv\w*\("),
    syntax: Syntax {
        quotes: &[Quote::lines("\"\"\""), Quote::raw("@\"", "\""), Quote::line("\""), Quote::line("'")],
        ..C_LIKE
    },
    direct,
    indirect: Some(indirect::Rules {
        dynamic: Pattern::new(r"\bGetEnvironmentVariable\(\s*([A-Za-z_]\w*)\s*\)"),
        definition: Pattern::new(r"\bstring\??\s+([A-Za-z_]\w*)\(\s*string\s+([A-Za-z_]\w*)"),
        env: false,
    }),
};

/// A reading; its group is the name.
static READ: Pattern =
    Pattern::new(r#"\b(?:Environment\.)?GetEnvironmentVariable\(\s*"([A-Za-z_]\w*)"\s*(?:,[^()\n]*)?\)"#);

fn direct(text: &str) -> Vec<Hit> {
    let hits = READ
        .all(text)
        .filter_map(|captures| Some(Hit::new(captures.get(1)?, need(text, &captures.get(0)?.range()))));
    hits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Language;

    fn read(text: &str) -> Vec<String> {
        language::read(Language::CSharp, text)
    }

    #[test]
    fn readings_and_their_defaults() {
        assert_eq!(read("var a = Environment.GetEnvironmentVariable(\"A1\");"), ["A1 Required"]);
        assert_eq!(read("var a = Environment.GetEnvironmentVariable(\"A1\") ?? \"x\";"), ["A1 Defaulted"]);
        assert_eq!(
            read(
                "var a = Environment.GetEnvironmentVariable(\"A1\")\n  ?? throw new InvalidOperationException();"
            ),
            ["A1 Validated"]
        );
        assert_eq!(
            read(
                "if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable(\"A1\")))\n  throw new Exception();"
            ),
            ["A1 Validated"]
        );
        assert!(read("// Environment.GetEnvironmentVariable(\"A1\")").is_empty());
    }

    #[test]
    fn loops() {
        let text = "foreach (var name in new[] { \"A1\", \"B1\" })\n{\n  if (Environment.GetEnvironmentVariable(name) is null) throw new Exception(name);\n}";
        assert_eq!(read(text), ["A1 Validated", "B1 Validated"]);
    }
}
