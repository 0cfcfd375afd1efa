//! The languages whose readings of variables are known.

use std::fmt;
use std::path::Path;

use super::blank::{self, Syntax};
use super::pattern::Pattern;
use super::usage::Hit;
use super::{csharp, go, indirect, javascript, jvm, php, python, ruby, rust, shell};

/// A language in which code reads variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Language {
    /// JavaScript and TypeScript, in files of frameworks too.
    JavaScript,
    /// Python.
    Python,
    /// Go.
    Go,
    /// Rust.
    Rust,
    /// Ruby, and templates with Ruby in them.
    Ruby,
    /// Java, Kotlin, Scala and Groovy.
    Java,
    /// Settings of Spring and its kin, whose `${NAME:default}` are variables.
    Spring,
    /// PHP, and Symfony's settings.
    Php,
    /// C#.
    CSharp,
    /// A shell script that a container starts with.
    Shell,
}

/// How a language is read.
pub(super) struct Rules {
    /// What a text must have for anything to be in it: few do, and the others are left at that.
    pub(super) trigger: Pattern,
    pub(super) syntax: Syntax,
    /// Readings that name their variable.
    pub(super) direct: fn(&str) -> Vec<Hit>,
    /// Readings that do not.
    pub(super) indirect: Option<indirect::Rules>,
}

impl Language {
    /// Each.
    pub const ALL: [Self; 10] = [
        Self::JavaScript,
        Self::Python,
        Self::Go,
        Self::Rust,
        Self::Ruby,
        Self::Java,
        Self::Spring,
        Self::Php,
        Self::CSharp,
        Self::Shell,
    ];

    /// That of a file, by its name. `path` is relative to the project.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let is_in_config = path.parent().is_some_and(|folder| folder.iter().any(|part| part == "config"));
        Some(match extension {
            "js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "cts" | "tsx" | "vue" | "svelte" | "astro" => {
                let is_made =
                    name.ends_with(".min.js") || name.ends_with(".d.ts") || name.ends_with(".bundle.js");
                return (!is_made).then_some(Self::JavaScript);
            }
            "py" => Self::Python,
            "go" => Self::Go,
            "rs" if name != "build.rs" => Self::Rust,
            "rb" | "ru" | "rake" | "erb" => Self::Ruby,
            "java" | "kt" | "kts" | "scala" | "groovy" => Self::Java,
            "php" => Self::Php,
            "cs" => Self::CSharp,
            "yml" | "yaml" | "properties" | "conf" if is_spring(stem) => Self::Spring,
            "yml" if is_in_config => Self::Ruby,
            "yaml" if is_in_config => Self::Php,
            "sh" | "" if is_entrypoint(stem) => Self::Shell,
            _ => return None,
        })
    }

    pub(super) fn hits(self, text: &str) -> Vec<Hit> {
        let rules = self.rules();
        if !rules.trigger.is_match(text) {
            return Vec::new();
        }
        let text = blank::blank(text, &rules.syntax);
        let mut hits = (rules.direct)(&text);
        if let Some(rules) = &rules.indirect {
            hits.extend(indirect::hits(&text, rules));
        }
        hits
    }

    /// How it writes comments and strings.
    pub(super) fn syntax(self) -> &'static Syntax {
        &self.rules().syntax
    }

    fn rules(self) -> &'static Rules {
        match self {
            Self::JavaScript => &javascript::RULES,
            Self::Python => &python::RULES,
            Self::Go => &go::RULES,
            Self::Rust => &rust::RULES,
            Self::Ruby => &ruby::RULES,
            Self::Java => &jvm::RULES,
            Self::Spring => &jvm::SPRING,
            Self::Php => &php::RULES,
            Self::CSharp => &csharp::RULES,
            Self::Shell => &shell::RULES,
        }
    }
}

fn is_spring(stem: &str) -> bool {
    let is_main = stem == "application" || stem == "bootstrap" || stem == "reference";
    is_main || (stem.starts_with("application-") && !stem.ends_with("-test"))
}

/// Whether a container starts with a script of that name. What a deployment script reads is not the service's.
fn is_entrypoint(stem: &str) -> bool {
    let parts = stem.split(['-', '_', '.']);
    matches!(
        stem,
        "entrypoint" | "docker-entrypoint" | "docker_entrypoint" | "start" | "run" | "start-server"
    ) || parts.clone().any(|part| part == "entrypoint")
        || (parts.count() == 2 && (stem.ends_with("-start") || stem.starts_with("docker-start")))
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
            Self::Go => "Go",
            Self::Rust => "Rust",
            Self::Ruby => "Ruby",
            Self::Java => "Java",
            Self::Spring => "Spring",
            Self::Php => "PHP",
            Self::CSharp => "C#",
            Self::Shell => "shell",
        })
    }
}

/// The readings of a text as tests write them down: `NAME need`.
#[cfg(test)]
pub(super) fn read(language: Language, text: &str) -> Vec<String> {
    let usages = super::usages(language, "f", text);
    usages.iter().map(|usage| format!("{} {:?}", usage.name, usage.need)).collect()
}

#[cfg(test)]
pub(super) const SYNTAXES: [&Syntax; 10] = [
    &javascript::RULES.syntax,
    &python::RULES.syntax,
    &go::RULES.syntax,
    &rust::RULES.syntax,
    &ruby::RULES.syntax,
    &jvm::RULES.syntax,
    &jvm::SPRING.syntax,
    &php::RULES.syntax,
    &csharp::RULES.syntax,
    &shell::RULES.syntax,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_language_is_known_by_the_name_of_the_file() {
        let of = |path: &str| Language::of(Path::new(path));
        assert_eq!(of("src/server.ts"), Some(Language::JavaScript));
        assert_eq!(of("src/main/resources/application-prod.yml"), Some(Language::Spring));
        assert_eq!(of("config/database.yml"), Some(Language::Ruby));
        assert_eq!(of("docker/docker-entrypoint.sh"), Some(Language::Shell));
        for path in ["deploy/deploy.sh", "a.min.js", "README", "docker-compose.yml", "build.rs", "setup.sh"] {
            assert_eq!(of(path), None, "{path}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_text_panics(
            parts in prop::collection::vec(prop::sample::select(vec![
                "process.env.", "process.env[", "os.environ", "os.Getenv(", "env::var(", "ENV[", "ENV.fetch(", "${",
                "getenv(", "System.getenv", "\"A_B\"", "'A_B'", "A_B", "(", ")", "[", "]", "{", "}", "=", ", ", "||",
                "if ", "!", "\n", "é", "const {", "} = process.env", "for (x of ", "def f(", "#[arg(env", "BaseSettings",
                "class A(BaseSettings):\n  a: ", ":-", ":?", "`", "\\", "/*", "//", "#", "env:\"A_B,required\"", "%w[",
                "z.object({", "Environment.GetEnvironmentVariable(", "z.string()", "\r\n", "\u{feff}",
            ]), 0..40)
        ) {
            let text = parts.concat();
            for language in Language::ALL {
                super::super::usages(language, "f", &text);
            }
        }
    }
}
