//! Java, Kotlin and Scala; and the settings of Spring, Micronaut and Quarkus.

use super::blank::{C_LIKE, HASH, Quote, Syntax};
use super::context::need;
use super::pattern::Pattern;
use super::usage::{Hit, Need};
use super::{indirect, language};

pub(super) static RULES: language::Rules = language::Rules {
    trigger: Pattern::new(r"System\.getenv|@Value|sys\.env|@ConfigProperty"),
    syntax: Syntax { quotes: &[Quote::lines("\"\"\""), Quote::line("\""), Quote::line("'")], ..C_LIKE },
    direct,
    indirect: Some(indirect::Rules {
        dynamic: Pattern::new(
            r"\bSystem\.getenv(?:\(\)(?:\.get|\.containsKey)?[(\[]|\()\s*([A-Za-z_]\w*)\s*[)\]]",
        ),
        definition: Pattern::new(
            r"\b(?:fun|String|Optional<String>|def)\s+([A-Za-z_]\w*)\(\s*(?:final\s+)?(?:String\s+)?([A-Za-z_]\w*)",
        ),
        env: false,
    }),
};

/// Settings with `${NAME:default}` in them.
pub(super) static SPRING: language::Rules = language::Rules {
    trigger: Pattern::new(r"\$\{"),
    syntax: SETTINGS,
    direct: placeholders,
    indirect: None,
};

const SETTINGS: Syntax = Syntax { quotes: &[], ..HASH };

/// A reading; its groups are the method and the name, twice.
static READ: Pattern = Pattern::new(concat!(
    r#"\b(?:System\.getenv(?:\(\)\.(get|getOrDefault|containsKey))?\(\s*"([A-Za-z_]\w*)"\s*(,)?|"#,
    r#"System\.getenv\(\)\[\s*"([A-Za-z_]\w*)"\s*|sys\.env(?:\.(?:get|getOrElse))?\(\s*"([A-Za-z_]\w*)"\s*(,)?)[)\]]?"#,
));

/// What an annotation takes in; its groups are the name and the default.
static VALUE: Pattern =
    Pattern::new(r#"@Value\(\s*(?:value\s*=\s*)?"[^"\n]*?\\?\$\{([A-Z][A-Z0-9_]*)(:[^}"]*)?\}"#);

/// A placeholder in settings; its groups are HOCON's question mark, the name and the default.
static PLACEHOLDER: Pattern = Pattern::new(r"\$\{(\??)([A-Z][A-Z0-9_]*)(:[^}\n]*)?\}?");

fn direct(text: &str) -> Vec<Hit> {
    let reads = READ.all(text).filter_map(|captures| {
        let name = captures.get(2).or_else(|| captures.get(4)).or_else(|| captures.get(5))?;
        let method = captures.get(1).map(|method| method.as_str());
        let has_default =
            captures.get(3).or_else(|| captures.get(6)).is_some() || method == Some("containsKey");
        let need = if has_default { Need::Defaulted } else { need(text, &captures.get(0)?.range()) };
        Some(Hit::new(name, need))
    });
    let values = VALUE.all(text).filter_map(|captures| {
        let need = if captures.get(2).is_some() { Need::Defaulted } else { Need::Validated };
        Some(Hit::new(captures.get(1)?, need))
    });
    reads.chain(values).collect()
}

/// Spring ends the program where one has neither value nor default.
fn placeholders(text: &str) -> Vec<Hit> {
    let hits = PLACEHOLDER.all(text).filter_map(|captures| {
        let has_default = !captures[1].is_empty() || captures.get(3).is_some();
        let need = if has_default { Need::Defaulted } else { Need::Validated };
        Some(Hit::new(captures.get(2)?, need))
    });
    hits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Language;

    fn read(text: &str) -> Vec<String> {
        language::read(Language::Java, text)
    }

    #[test]
    fn readings_and_their_defaults() {
        assert_eq!(read("String a = System.getenv(\"A1\");"), ["A1 Required"]);
        assert_eq!(read("System.getenv().getOrDefault(\"A1\", \"x\")"), ["A1 Defaulted"]);
        assert_eq!(
            read("val a = System.getenv(\"A1\") ?: \"x\"\nval b = System.getenv(\"B1\") ?: error(\"B1\")"),
            ["A1 Defaulted", "B1 Validated"]
        );
        assert_eq!(read("Optional.ofNullable(System.getenv(\"A1\")).orElse(\"x\")"), ["A1 Defaulted"]);
        assert_eq!(read("Objects.requireNonNull(System.getenv(\"A1\"))"), ["A1 Validated"]);
        assert_eq!(
            read(
                "String a = System.getenv(\"A1\");\nif (a == null) {\n  throw new IllegalStateException();\n}"
            ),
            ["A1 Validated"]
        );
        assert_eq!(
            read("@Value(\"${A1:x}\") String a;\n@Value(\"${B1}\") String b; // System.getenv(\"C1\")"),
            ["A1 Defaulted", "B1 Validated"]
        );
    }

    #[test]
    fn settings_of_spring() {
        let text = "spring:\n  datasource:\n    url: ${DATABASE_URL} # ${NOT}\n    username: ${DB_USER:app}\n  x: ${spring.y}\n";
        assert_eq!(language::read(Language::Spring, text), ["DATABASE_URL Validated", "DB_USER Defaulted"]);
        assert_eq!(language::read(Language::Spring, "port = ${?PORT}"), ["PORT Defaulted"]);
    }
}
