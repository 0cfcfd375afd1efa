//! Go: `os.Getenv` and the tags of structs.

use super::blank::{C_LIKE, Quote, Syntax};
use super::context::need;
use super::pattern::Pattern;
use super::usage::{Hit, Need};
use super::{indirect, language};

pub(super) static RULES: language::Rules = language::Rules {
    trigger: Pattern::new(r#"Getenv|LookupEnv|[eE]nv\w*\(|env:"|envconfig:""#),
    syntax: Syntax { quotes: &[Quote::line("\""), Quote::line("'"), Quote::raw("`", "`")], ..C_LIKE },
    direct,
    indirect: Some(indirect::Rules {
        dynamic: Pattern::new(r"\b(?:os|syscall)\.(?:Getenv|LookupEnv)\(\s*([A-Za-z_]\w*)\s*\)"),
        definition: Pattern::new(r"\bfunc\s+(?:\([^)]*\)\s*)?([A-Za-z_]\w*)\(\s*([A-Za-z_]\w*)"),
        env: false,
    }),
};

/// A reading; its group is the name.
static READ: Pattern =
    Pattern::new(r#"\b(?:os|syscall)\.(?:Getenv|LookupEnv)\(\s*["`]([A-Za-z_]\w*)["`]\s*\)"#);

/// A tag; its groups are all of it, and then the name and its options.
static TAG: Pattern = Pattern::new(
    r#"`[^`\n]*?\b(env|envconfig|split_words):"([A-Za-z_][A-Za-z0-9_]*)\s*((?:,[^"\n]*)?)"[^`\n]*`"#,
);

fn direct(text: &str) -> Vec<Hit> {
    let reads = READ
        .all(text)
        .filter_map(|captures| Some(Hit::new(captures.get(1)?, need(text, &captures.get(0)?.range()))));
    let tags = TAG.all(text).filter_map(|captures| {
        let (all, options) = (captures.get(0)?.as_str(), captures.get(3)?.as_str());
        let has_default =
            all.contains("envDefault:") || all.contains("default:\"") || options.contains("default=");
        let is_required =
            options.contains("required") || options.contains("notEmpty") || all.contains("required:\"true\"");
        let need = if is_required && !has_default { Need::Validated } else { Need::Defaulted };
        (&captures[1] != "split_words").then(|| captures.get(2).map(|name| Hit::new(name, need)))?
    });
    reads.chain(tags).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Language;

    fn read(text: &str) -> Vec<String> {
        language::read(Language::Go, text)
    }

    #[test]
    fn readings_and_what_is_asked_of_them() {
        assert_eq!(read("dsn := os.Getenv(\"DSN\")\nconnect(dsn)\n"), ["DSN Required"]);
        assert_eq!(
            read("port := os.Getenv(\"PORT\")\nif port == \"\" {\n\tport = \"3000\"\n}"),
            ["PORT Defaulted"]
        );
        assert_eq!(
            read("dsn := os.Getenv(\"DSN\")\nif dsn == \"\" {\n\tlog.Fatal(\"DSN\")\n}"),
            ["DSN Validated"]
        );
        assert_eq!(read("if v, ok := os.LookupEnv(\"A1\"); ok {\n\tuse(v)\n}"), ["A1 Defaulted"]);
        assert_eq!(
            read("v, ok := os.LookupEnv(\"A1\")\nif !ok {\n\treturn errors.New(\"x\")\n}"),
            ["A1 Validated"]
        );
        assert_eq!(read("if os.Getenv(\"DEBUG\") != \"\" {\n}"), ["DEBUG Defaulted"]);
        assert!(read("// os.Getenv(\"A1\")\nos.Setenv(\"B1\", \"x\")").is_empty());
    }

    #[test]
    fn loops_and_functions() {
        let text = "for _, name := range []string{\"A1\", \"B1\"} {\n\tif os.Getenv(name) == \"\" {\n\t\tlog.Fatalf(\"%s\", name)\n\t}\n}";
        assert_eq!(read(text), ["A1 Validated", "B1 Validated"]);
        let text = "func getEnv(key, fallback string) string {\n\tif v, ok := os.LookupEnv(key); ok {\n\t\treturn v\n\t}\n\treturn fallback\n}\nvar p = getEnv(\"PORT\", \"3000\")";
        assert_eq!(read(text), ["PORT Defaulted"]);
    }

    #[test]
    fn tags_of_structs() {
        let text = "type C struct {\n\tA string `env:\"A1,required\"`\n\tB int `env:\"B1\" envDefault:\"1\"`\n\tC string `json:\"c\" envconfig:\"C1\" required:\"true\"`\n}";
        assert_eq!(read(text), ["A1 Validated", "B1 Defaulted", "C1 Validated"]);
    }
}
