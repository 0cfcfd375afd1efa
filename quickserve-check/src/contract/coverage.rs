//! What the code reads against what is declared. Pure functions of names and places, whatever reads the code.

use std::collections::{BTreeMap, BTreeSet};

use quickserve_core::config::Platform;
use quickserve_core::finding::{Code, Excerpt, Finding, Place, Severity};

use super::declaration::Contract;
use super::names::near;
use super::platform::{belongs_to_tools, provided, read_by_libraries};
use crate::code::Code as Reads;
pub use crate::code::Need;

/// A place at which code reads a variable.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// The variable.
    pub name: &'a str,
    /// Where it is read.
    pub place: &'a Place,
    /// The line of code, if there is one to show.
    pub excerpt: Option<&'a Excerpt>,
    /// How much it is needed there.
    pub need: Need,
}

impl<'a> Reading<'a> {
    /// Every place at which the code reads a variable.
    pub fn all(code: &'a Reads) -> Vec<Self> {
        let reading = |usage: &'a crate::code::Usage| Self {
            name: &usage.name,
            place: &usage.place,
            excerpt: usage.excerpt.as_ref(),
            need: usage.need,
        };
        code.usages.iter().map(reading).collect()
    }
}

/// From how many on the lack of a look at the start is worth a word.
const SEVERAL: usize = 3;

/// Variables that the code reads and nothing declares (QS119), each once, where it is needed most. `declared` are the
/// names of the contract, and those that a task definition, the image and the settings give. Makes sense only where
/// something is declared at all.
pub fn undeclared(
    readings: &[Reading<'_>],
    declared: &BTreeSet<&str>,
    platform: Option<Platform>,
) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let unread: BTreeSet<&str> = {
        let read: BTreeSet<&str> = readings.iter().map(|reading| reading.name).collect();
        declared.difference(&read).copied().collect()
    };
    for (name, readings) in by_name(readings) {
        if declared.contains(name) || provided(platform, name) || belongs_to_tools(name) {
            continue;
        }
        // The first place of those that need it most.
        let Some(most) = readings.iter().rev().max_by_key(|reading| reading.need) else { continue };
        // What frameworks set themselves where nobody else does, such as NODE_ENV, weighs less.
        let heavy = most.need > Need::Defaulted && !read_by_libraries(name);
        let severity = if heavy { Severity::Warning } else { Severity::Info };
        let elsewhere = match readings.len() - 1 {
            0 => String::new(),
            1 => ", and in one more place".to_owned(),
            more => format!(", and in {more} more places"),
        };
        let message = format!("the code reads {name}, which nothing declares{elsewhere}");
        let hint = match near(name, unread.iter().copied()) {
            Some(near) => format!("{near} is declared and never read: did you mean {near}"),
            None if most.need == Need::Defaulted => format!("declare {name} in the contract as `# optional`"),
            None => format!("declare {name} in the contract, or give it a default in the code"),
        };
        let finding = Finding::new(Code::UNDECLARED_VARIABLE, severity, message);
        let finding = finding.at(most.place.clone()).with_hint(hint);
        found.push(match most.excerpt {
            Some(excerpt) => finding.with_excerpt(excerpt.clone()),
            None => finding,
        });
    }
    found
}

/// Variables that the contract declares and no code reads (QS121). Nothing where no code was found that reads any:
/// then it is in a language that was not looked at.
pub fn unread(contract: &Contract, readings: &[Reading<'_>]) -> Vec<Finding> {
    let read: BTreeSet<&str> = readings.iter().map(|reading| reading.name).collect();
    if read.is_empty() {
        return Vec::new();
    }
    let unread = contract.variables.iter().filter(|variable| {
        let name = variable.name.as_str();
        !read.contains(name) && !read_by_libraries(name) && !belongs_to_tools(name) && !provided(None, name)
    });
    unread
        .map(|variable| {
            let message = format!("{} is declared, and no code was found that reads it", variable.name);
            let hint = match near(
                &variable.name,
                read.iter().copied().filter(|read| contract.get(read).is_none()),
            ) {
                Some(near) => format!("the code reads {near}: give it one name"),
                None => "remove it, or leave it where a library reads it".to_owned(),
            };
            let finding = Finding::new(Code::UNREAD_VARIABLE, Severity::Info, message);
            finding.at(variable.place.clone()).with_hint(hint)
        })
        .collect()
}

/// A service that needs several variables and looks after none of them at its start (QS122). A warning where the code
/// reads several of them bare; worth knowing where a schema that was not recognised may do it.
pub fn unvalidated(contract: &Contract, readings: &[Reading<'_>]) -> Option<Finding> {
    let required: BTreeSet<&str> =
        contract.variables.iter().filter(|it| it.required).map(|it| it.name.as_str()).collect();
    let looked_after = readings.iter().any(|reading| reading.need == Need::Validated);
    if required.len() < SEVERAL || readings.is_empty() || looked_after {
        return None;
    }
    let bare = |reading: &&Reading<'_>| reading.need == Need::Required && required.contains(reading.name);
    let bare: Vec<&Reading<'_>> = readings.iter().filter(bare).collect();
    let names: BTreeSet<&str> = bare.iter().map(|reading| reading.name).collect();
    let severity = if names.len() >= SEVERAL { Severity::Warning } else { Severity::Info };
    let message = format!(
        "the service needs {} variables and was not seen to look for them at its start",
        required.len()
    );
    let hint = "end with a message that names what is missing, before the first request";
    let finding = Finding::new(Code::UNVALIDATED_START, severity, message).with_hint(hint);
    Some(match bare.first() {
        Some(first) => finding.at(first.place.clone()),
        None => finding.on(contract.file.file.clone()),
    })
}

/// In the order of names; within a name in the order given.
pub(crate) fn by_name<'r, 'a>(readings: &'r [Reading<'a>]) -> BTreeMap<&'a str, Vec<&'r Reading<'a>>> {
    let mut names: BTreeMap<&str, Vec<&Reading<'_>>> = BTreeMap::new();
    for reading in readings {
        names.entry(reading.name).or_default().push(reading);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;

    struct Lines {
        places: Vec<Place>,
    }

    fn places(count: usize) -> Lines {
        let place = |line| Place { file: "server.js".to_owned(), line, column: 1 };
        Lines { places: (1..=count).map(place).collect() }
    }

    fn readings<'a>(lines: &'a Lines, read: &[(&'a str, Need)]) -> Vec<Reading<'a>> {
        let each = read.iter().zip(&lines.places);
        each.map(|(&(name, need), place)| Reading { name, place, excerpt: None, need }).collect()
    }

    fn contract(text: &str) -> Contract {
        Contract::read(Text::new(".env.example", text)).0
    }

    fn shown(findings: &[Finding]) -> Vec<String> {
        let line = |it: &Finding| {
            let place = it.place().map(ToString::to_string).unwrap_or_default();
            format!(
                "{} {:?} {place} {}; {}",
                it.code,
                it.severity,
                it.message,
                it.hint.as_deref().unwrap_or("-")
            )
        };
        findings.iter().map(line).collect()
    }

    #[test]
    fn what_the_code_reads_and_nothing_declares_is_found_where_it_is_needed_most() {
        let lines = places(9);
        let read = readings(
            &lines,
            &[
                ("SENTRY_URL", Need::Defaulted),
                ("SHOP_NAME", Need::Defaulted),
                ("SHOP_NAME", Need::Required),
                ("SHOP_NAME", Need::Required),
                ("DATABASE_URI", Need::Validated),
                ("NODE_ENV", Need::Required),
                ("PORT", Need::Required),
                ("AWS_REGION", Need::Required),
                ("CI", Need::Required),
            ],
        );
        let declared = BTreeSet::from(["DATABASE_URL", "PORT"]);
        insta::assert_snapshot!(shown(&undeclared(&read, &declared, Some(Platform::Ecs))).join("\n"), @r"
        QS119 Warning server.js:5:1 the code reads DATABASE_URI, which nothing declares; DATABASE_URL is declared and never read: did you mean DATABASE_URL
        QS119 Info server.js:6:1 the code reads NODE_ENV, which nothing declares; declare NODE_ENV in the contract, or give it a default in the code
        QS119 Info server.js:1:1 the code reads SENTRY_URL, which nothing declares; declare SENTRY_URL in the contract as `# optional`
        QS119 Warning server.js:3:1 the code reads SHOP_NAME, which nothing declares, and in 2 more places; declare SHOP_NAME in the contract, or give it a default in the code
        ");
        assert!(
            undeclared(&read, &declared, Some(Platform::Docker))
                .iter()
                .any(|it| it.message.contains("AWS_REGION"))
        );
    }

    #[test]
    fn what_is_declared_and_not_read_is_worth_knowing() {
        let contract = contract("SHOP_NAME=\nSHOP_COLOUR=\nNODE_ENV=\nAWS_REGION=\nSTRIPE_API_KEY=\n");
        let lines = places(2);
        let read = readings(&lines, &[("SHOP_NAME", Need::Required), ("STRIPE_KEY", Need::Required)]);
        insta::assert_snapshot!(shown(&unread(&contract, &read)).join("\n"), @r"
        QS121 Info .env.example:2:1 SHOP_COLOUR is declared, and no code was found that reads it; remove it, or leave it where a library reads it
        QS121 Info .env.example:5:1 STRIPE_API_KEY is declared, and no code was found that reads it; the code reads STRIPE_KEY: give it one name
        ");
        assert_eq!(unread(&contract, &[]), []);
    }

    #[test]
    fn a_start_without_a_look_is_told_once() {
        let three = contract("A_NAME=\nB_NAME=\nC_NAME=\n# optional\nD_NAME=\n");
        let lines = places(3);
        let bare = [("A_NAME", Need::Required), ("B_NAME", Need::Required), ("C_NAME", Need::Required)];
        let finding = unvalidated(&three, &readings(&lines, &bare)).expect("a finding");
        assert_eq!((finding.severity, finding.place()), (Severity::Warning, lines.places.first()));
        assert!(finding.message.starts_with("the service needs 3 variables"));
        let finding = unvalidated(&three, &readings(&lines, &bare[..1])).expect("a finding");
        assert_eq!(finding.severity, Severity::Info);
        assert_eq!(unvalidated(&three, &readings(&lines, &[("A_NAME", Need::Validated)])), None);
        assert_eq!(unvalidated(&three, &[]), None);
        assert_eq!(unvalidated(&contract("A_NAME=\nB_NAME=\n"), &readings(&lines, &bare)), None);
    }
}
