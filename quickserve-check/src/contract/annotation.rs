//! What a comment of the contract says of its variable: `# optional @port where it listens`.
//!
//! The word `optional` at the beginning, and words behind an `@`, each once or more, before anything else. The rest is
//! the description. `docs/guide/contract.md` is for those who write it.

use quickserve_core::document::nearest;
use quickserve_core::finding::{Code, Finding};

use super::env_file::Comment;
use super::kind::Kind;

/// What the comments of one variable say.
#[derive(Debug, Default)]
pub(crate) struct Annotations {
    pub(crate) optional: bool,
    pub(crate) required: bool,
    pub(crate) secret: bool,
    pub(crate) kind: Option<Kind>,
    pub(crate) description: Option<String>,
    pub(crate) findings: Vec<Finding>,
}

/// The words that have a meaning behind an `@`, for a hint.
const WORDS: [&str; 12] = [
    "required", "optional", "secret", "type", "enum", "url", "int", "port", "bool", "duration", "json",
    "string",
];

/// Other names of the types, as people write them.
const ALIASES: [(&str, &str); 9] = [
    ("integer", "int"),
    ("number", "int"),
    ("boolean", "bool"),
    ("uri", "url"),
    ("str", "string"),
    ("text", "string"),
    ("sensitive", "secret"),
    ("time", "duration"),
    ("choice", "enum"),
];

impl Annotations {
    /// Reads the comments of a variable in their order.
    pub(crate) fn read<'c>(comments: impl IntoIterator<Item = &'c Comment>) -> Self {
        let mut read = Self::default();
        let mut description: Vec<&str> = Vec::new();
        for comment in comments {
            let text = read.line(comment);
            if !text.is_empty() {
                description.push(text);
            }
        }
        if !description.is_empty() {
            read.description = Some(description.join("\n"));
        }
        read
    }

    /// Reads one line and gives back what of it is description.
    fn line<'c>(&mut self, comment: &'c Comment) -> &'c str {
        let mut rest = comment.text.as_str();
        let word = rest.split(|char: char| !char.is_ascii_alphabetic()).next().unwrap_or_default();
        let says_optional = word.eq_ignore_ascii_case("optional");
        if says_optional {
            self.optional = true;
            rest = rest[word.len()..].trim_start_matches([':', ',', '.', ';', ' ', '\t']);
        }
        let before = rest;
        let mut any = says_optional;
        while let Some((token, behind)) = token(rest) {
            if !self.annotation(comment, token, any) {
                break;
            }
            any = true;
            rest = behind.trim_start_matches([',', ' ', '\t']);
        }
        if rest.len() < before.len() {
            rest = rest.trim_start_matches([':', '-', ' ', '\t']);
        }
        if self.optional && self.required {
            self.required = false;
            let message = "the variable is both optional and required";
            self.wrong(
                comment,
                message,
                "leave out one of the two; a variable is required unless it says optional",
            );
        }
        rest.trim()
    }

    /// Whether the token is an annotation, right or wrong. A word that nobody knows is one where it stands among
    /// others or is nearly one; else it is prose, such as `@see` and the name of a colleague.
    fn annotation(&mut self, comment: &Comment, token: &str, among: bool) -> bool {
        let (word, argument) = match token.find(['(', '=']) {
            Some(at) => (&token[..at], Some(token[at + 1..].trim_end_matches(')'))),
            None => (token, None),
        };
        let lower = word.to_ascii_lowercase();
        let word = ALIASES.iter().find(|(alias, _)| *alias == lower).map_or(&*lower, |(_, word)| word);
        match (word, argument) {
            ("required", None) => self.required = true,
            ("secret", None) => self.secret = true,
            ("optional", _) => {
                let hint = "begin the comment with the word optional, without the @";
                self.wrong(comment, "`@optional` makes no variable optional", hint);
            }
            ("type", Some(kind)) => return self.kind(comment, kind),
            ("enum", Some(_)) => {
                return self.kind(comment, &format!("enum({}", argument.unwrap_or_default()));
            }
            ("type" | "enum", None) => {
                let hint = "write @enum(a|b|c), or a type such as @int or @url";
                self.wrong(comment, &format!("`@{word}` says no type"), hint);
            }
            (word, None) if Kind::WORDS.iter().any(|(known, _)| *known == word) => {
                return self.kind(comment, word);
            }
            (word, argument) => {
                let near = nearest(word, WORDS);
                if near.is_none() && !among && !WORDS.contains(&word) {
                    return false;
                }
                let takes_none = argument.is_some() && WORDS.contains(&word);
                let message = if takes_none {
                    format!("the annotation `@{word}` takes nothing in brackets")
                } else {
                    format!("unknown annotation `@{}`", shown(word))
                };
                let hint = match near {
                    _ if takes_none => format!("write @{word}"),
                    Some(near) => format!("did you mean @{near}"),
                    None => format!("one of {}", WORDS.map(|word| format!("@{word}")).join(", ")),
                };
                self.wrong(comment, &message, &hint);
            }
        }
        true
    }

    fn kind(&mut self, comment: &Comment, word: &str) -> bool {
        let lower = word.trim().to_ascii_lowercase();
        let lower = ALIASES.iter().find(|(alias, _)| *alias == lower).map_or(&*lower, |(_, word)| word);
        let kind = if let Some((_, words)) = word.split_once("enum(") {
            let words = words.trim_end_matches(')').split(['|', ',']).map(str::trim);
            let words: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_owned).collect();
            (!words.is_empty()).then_some(Kind::Enumeration(words))
        } else {
            Kind::WORDS.into_iter().find(|(known, _)| *known == lower).map(|(_, kind)| kind)
        };
        let Some(kind) = kind else {
            let words: Vec<&str> = Kind::WORDS.iter().map(|(word, _)| *word).chain(["enum(a|b|c)"]).collect();
            let hint = match nearest(lower, words.iter().copied()) {
                Some(near) => format!("did you mean {near}"),
                None => format!("one of {}", words.join(", ")),
            };
            self.wrong(comment, &format!("unknown type `{}`", shown(word)), &hint);
            return true;
        };
        if self.kind.as_ref().is_some_and(|first| *first != kind) {
            self.wrong(comment, "the variable has two types", "leave one");
        }
        self.kind.get_or_insert(kind);
        true
    }

    fn wrong(&mut self, comment: &Comment, message: &str, hint: &str) {
        let finding =
            Finding::new(Code::CONTRACT_SYNTAX, quickserve_core::finding::Severity::Warning, message);
        self.findings.push(finding.at(comment.place.clone()).with_hint(hint));
    }
}

/// The word behind the `@` that a text begins with, its argument included, and what follows.
fn token(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('@')?;
    let word = text.find(|char: char| !char.is_ascii_alphanumeric() && char != '_').unwrap_or(text.len());
    let end = match text[word..].chars().next() {
        // The bracket that closes the first; @type(enum(a|b)) has two.
        Some('(') => word + closing_bracket(&text[word..])?,
        Some('=') => text[word..].find(char::is_whitespace).map_or(text.len(), |at| word + at),
        // A name such as @scope/package, an address.
        Some(other) if !other.is_whitespace() && !matches!(other, ',' | ':' | '.') => return None,
        _ => word,
    };
    (word > 0).then(|| text.split_at(end))
}

/// The end of a bracket that a text begins with.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    text.char_indices().find_map(|(at, char)| {
        match char {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0).then_some(at + 1)
    })
}

/// A word of a comment, short and fit for a message.
fn shown(word: &str) -> String {
    word.chars().filter(|char| !char.is_control()).take(32).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quickserve_core::finding::Place;

    use super::*;

    fn read(lines: &[&str]) -> Annotations {
        let comment = |(index, text): (usize, &&str)| Comment {
            text: (*text).to_owned(),
            place: Place { file: "f".to_owned(), line: index + 1, column: 3 },
        };
        let comments: Vec<Comment> = lines.iter().enumerate().map(comment).collect();
        Annotations::read(&comments)
    }

    fn wrong(line: &str) -> String {
        let findings = read(&[line]).findings;
        let told = findings.iter().map(|it| format!("{}; {}", it.message, it.hint.as_deref().unwrap_or("-")));
        told.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn annotations_come_first_and_a_description_after() {
        let annotations = read(&["@url @secret Where orders are kept", "and customers."]);
        assert!(annotations.secret && !annotations.optional);
        assert_eq!(annotations.kind, Some(Kind::Url));
        assert_eq!(annotations.description.as_deref(), Some("Where orders are kept\nand customers."));
    }

    #[test]
    fn optional_is_the_word_that_it_always_was() {
        for line in ["optional", "Optional: @int how many", "optional, @int", "OPTIONAL. @int: how many"] {
            assert!(read(&[line]).optional, "{line}");
        }
        assert_eq!(read(&["optional: @int - how many"]).description.as_deref(), Some("how many"));
        assert_eq!(read(&["optional @int"]).kind, Some(Kind::Integer));
        assert!(!read(&["Optionally, this"]).optional);
        assert!(!read(&["not optional"]).optional);
    }

    #[test]
    fn types_may_be_written_in_several_ways() {
        let words = Kind::Enumeration(vec!["a".to_owned(), "b c".to_owned()]);
        assert_eq!(read(&["@enum(a|b c) d"]).kind, Some(words.clone()));
        assert_eq!(read(&["@type(enum(a | b c)) d"]).kind, Some(words));
        assert_eq!(read(&["@type=port d"]).kind, Some(Kind::Port));
        assert_eq!(read(&["@Boolean"]).kind, Some(Kind::Boolean));
        assert_eq!(read(&["@json, @secret: d"]).description.as_deref(), Some("d"));
    }

    #[test]
    fn what_is_nearly_an_annotation_is_told() {
        assert_eq!(wrong("@secrt"), "unknown annotation `@secrt`; did you mean @secret");
        assert_eq!(wrong("@type(prot)"), "unknown type `prot`; did you mean port");
        assert_eq!(
            wrong("@type"),
            "`@type` says no type; write @enum(a|b|c), or a type such as @int or @url"
        );
        assert!(wrong("@int @elephant").starts_with("unknown annotation `@elephant`; one of @required"));
        assert!(wrong("@enum()").starts_with("unknown type"));
        assert!(wrong("@optional").contains("without the @"));
        assert_eq!(wrong("@port(1)"), "the annotation `@port` takes nothing in brackets; write @port");
        assert_eq!(
            wrong("optional @required"),
            "the variable is both optional and required; leave out one of the two; a variable is required unless it says optional"
        );
        assert_eq!(wrong("@int @bool"), "the variable has two types; leave one");
    }

    #[test]
    fn prose_is_a_description() {
        for line in [
            "see https://a.b/c",
            "@see the wiki",
            "@anna knows why",
            "@sentry/node reads it",
            "mail me@host",
            "Required. Where the database is",
            "secret, keep it",
            "url of the shop",
            "@",
            "@ 5 pm",
            "@default(3000)",
        ] {
            let annotations = read(&[line]);
            assert_eq!(annotations.description.as_deref(), Some(line));
            assert_eq!(annotations.findings, []);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_panics(line in "[@a-zé(|)=:, ]*", other in ".*") {
            let _ = read(&[&line, &other, &format!("optional {line}")]);
        }
    }
}
