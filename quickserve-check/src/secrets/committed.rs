//! Secrets and files of values that git has, or would take.

use std::path::{Path, PathBuf};

use quickserve_core::document::Source;
use quickserve_core::finding::{Code, Finding, Place, Severity};

use super::find::find;
use super::plain;
use super::rules::GOOGLE_KEY;
use crate::code::git::Tracked;
use crate::code::paths;
use crate::code::pattern::Pattern;
use crate::dockerfile::is_bare_key;

/// A secret in a file: its place, and never its value.
#[derive(Debug, Clone)]
pub(crate) struct Sighting {
    rule: &'static str,
    place: Place,
    certain: bool,
}

/// What a file is for, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Code, settings, anything.
    Plain,
    /// The values of an environment, such as `.env`.
    Values,
    /// A template of one, such as `.env.example`.
    Template,
    /// Tests and manuals, whose secrets mostly open nothing.
    Example,
}

impl Standing {
    /// That of a file, by its path in the project.
    pub(crate) fn of(path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if is_template(&name) {
            Self::Template
        } else if paths::is_beside(path) {
            Self::Example
        } else if is_values(&name) {
            Self::Values
        } else {
            Self::Plain
        }
    }
}

/// Whether a file of that name holds the values of an environment: `.env`, `.env.production`, `prod.env`, and not
/// `.env.example`.
pub(crate) fn is_values(name: &str) -> bool {
    let name = name.to_lowercase();
    let extension = Path::new(&name).extension().and_then(|extension| extension.to_str());
    let is_env = matches!(&*name, ".env" | ".envrc") || name.starts_with(".env.") || extension == Some("env");
    is_env && !is_template(&name)
}

fn is_template(name: &str) -> bool {
    name.to_lowercase().split(['.', '-', '_']).any(|part| TEMPLATES.contains(&part))
}

/// Parts of the names of templates, and of files whose values are encrypted.
const TEMPLATES: [&str; 14] = [
    "example",
    "examples",
    "sample",
    "template",
    "tmpl",
    "tpl",
    "dist",
    "default",
    "defaults",
    "schema",
    "test",
    "vault",
    "enc",
    "encrypted",
];

/// Whether a file may hold a secret that somebody wrote: none that a program made of what is public.
pub(crate) fn is_searched(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let ends = [
        ".lock", ".sum", ".svg", ".map", ".min.js", ".min.css", ".snap", ".ipynb", ".lockb", ".csv", ".tsv",
        ".pem.pub",
    ];
    let locks = [
        "package-lock.json",
        "npm-shrinkwrap.json",
        "pnpm-lock.yaml",
        "packages.lock.json",
        ".secrets.baseline",
    ];
    !locks.contains(&name) && !ends.iter().any(|end| name.ends_with(end))
}

/// The secrets in a file. `file` is what findings call it. Nothing where it has no values at all.
pub(crate) fn search(standing: Standing, file: &str, text: &str) -> Option<Vec<Sighting>> {
    if standing == Standing::Values {
        return values(file, text);
    }
    if is_key_of_rails(Path::new(file)) && is_bare_key(text) {
        let place = Place { file: file.to_owned(), line: 1, column: 1 };
        return Some(vec![Sighting { rule: "the key of Rails' credentials", place, certain: true }]);
    }
    let mut found = find(text);
    // A template is full of what looks like values; only what cannot be anything else counts.
    found.retain(|found| found.certain || standing == Standing::Plain);
    let source = Source { file, text };
    let sighting = |found: super::Found| Sighting {
        rule: found.rule,
        place: source.place(found.span.start),
        certain: found.certain,
    };
    (!found.is_empty()).then(|| found.into_iter().map(sighting).collect())
}

/// Whether Rails keeps the key of encrypted credentials there. Rails guides, "Securing Rails Applications", Custom
/// Credentials.
fn is_key_of_rails(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name).is_some_and(|folder| folder == "credentials");
    path.file_name().is_some_and(|name| name == "master.key")
        || folder && path.extension().is_some_and(|extension| extension == "key")
}

/// The secrets in a file of values, by the names of its variables too.
fn values(file: &str, text: &str) -> Option<Vec<Sighting>> {
    static ENTRY: Pattern =
        Pattern::new(r"(?m)^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*([^\s#][^\r\n]*)");
    let entries: Vec<_> = ENTRY.all(text).collect();
    let source = Source { file, text };
    let secret = |captures: &regex::Captures<'_>| {
        let value = captures.get(2)?;
        let bare = value.as_str().trim();
        let bare = match bare.chars().next() {
            Some(quote @ ('"' | '\'')) => bare[1..].split(quote).next().unwrap_or_default(),
            _ => bare.split(" #").next().unwrap_or_default().trim_end(),
        };
        let rule = plain(&captures[1], bare)?;
        Some(Sighting { rule, place: source.place(captures.get(1)?.start()), certain: true })
    };
    (!entries.is_empty()).then(|| entries.iter().filter_map(secret).collect())
}

/// What is wrong with the files that were searched. `tracked` are those that git has; where that is unknown, all
/// may come to be.
pub(crate) fn findings(
    tracked: Option<&Tracked>,
    searched: &[(PathBuf, Standing, Vec<Sighting>)],
    name: impl Fn(&Path) -> String,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, standing, sightings) in searched {
        if tracked.is_some_and(|tracked| !tracked.has(path)) {
            continue;
        }
        match standing {
            // Without git it is where values belong.
            Standing::Values if tracked.is_none() => {}
            Standing::Values => findings.push(env_file(&name(path), sightings)),
            _ => findings
                .extend(sightings.iter().map(|sighting| secret(sighting, *standing, tracked.is_some()))),
        }
    }
    findings
}

fn secret(sighting: &Sighting, standing: Standing, is_tracked: bool) -> Finding {
    let is_sure = is_tracked && sighting.certain && standing == Standing::Plain;
    let severity = if is_sure { Severity::Error } else { Severity::Warning };
    let rule = sighting.rule;
    let (message, hint) = if is_tracked {
        (
            format!("{rule} is committed to git"),
            "revoke it, for git keeps it after the line is gone; then read it from the environment",
        )
    } else {
        (
            format!("{rule} stands in a file that git would take"),
            "read it from the environment, or list the file in .gitignore",
        )
    };
    // One of Firebase is meant to be there.
    let hint = if rule == GOOGLE_KEY {
        "restrict it to your sites and APIs, or revoke it where it is for a server"
    } else {
        hint
    };
    Finding::new(Code::COMMITTED_SECRET, severity, message).at(sighting.place.clone()).with_hint(hint)
}

fn env_file(file: &str, sightings: &[Sighting]) -> Finding {
    let first = sightings.first();
    let place =
        first.map_or(Place { file: file.to_owned(), line: 1, column: 1 }, |first| first.place.clone());
    let forget = format!("git rm --cached {file}, and list it in .gitignore");
    match first {
        Some(first) => {
            let more = match sightings.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            let message = format!("{file} is committed to git, with {}{more}", first.rule);
            Finding::error(Code::COMMITTED_ENV_FILE, message)
                .at(place)
                .with_hint(format!("{forget}; revoke what it holds, for git keeps it"))
        }
        None => Finding::new(
            Code::COMMITTED_ENV_FILE,
            Severity::Warning,
            format!("{file} is committed to git, so that the next secret in it is too"),
        )
        .at(place)
        .with_hint(format!("{forget}; commit a template such as .env.example")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_values_are_known_by_their_names() {
        for name in [".env", ".env.production", ".ENV.local", ".envrc", "prod.env"] {
            assert!(is_values(name), "{name}");
        }
        for name in [".env.example", "env.sample", ".env.vault", ".environment", "environment.ts", "env"] {
            assert!(!is_values(name), "{name}");
        }
    }

    #[test]
    fn the_key_of_encrypted_credentials_is_one() {
        let key = "0123456789abcdef0123456789abcdef";
        let found = |path: &str, text: &str| {
            let sightings = search(Standing::Plain, path, text).unwrap_or_default();
            sightings.iter().map(|sighting| sighting.rule).collect::<Vec<_>>()
        };
        for path in ["config/master.key", "config/credentials/production.key"] {
            assert_eq!(found(path, key), ["the key of Rails' credentials"], "{path}");
        }
        assert_eq!(found("config/master.key", "not a key"), [""; 0]);
        assert_eq!(found("data/sum.key", key), [""; 0]);
        let private = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n", "b3BlbnNzaC1rZXktdjEA".repeat(4));
        assert_eq!(found("deploy/id_rsa", &private), ["a private key"]);
        assert_eq!(found("certs/tls.pem", &private), ["a private key"]);
    }
}
