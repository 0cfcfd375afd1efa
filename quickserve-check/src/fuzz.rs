//! One door to each parser, for the fuzz targets of `fuzz/`: a text is read, judged, and all that is found is shown.
//!
//! None touches a file. Nothing here is meant for anybody else.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::civil::date;
use quickserve_core::config::Config;
use quickserve_core::finding::Finding;

use crate::code::{Language, usages};
use crate::contract::{Contract, Contracts, Values, judge};
use crate::dockerfile::{Circumstances, Ignore};
use crate::scanned::{Deployed, ScanReport};
use crate::workflow::Pipelines;
use crate::workflow::actions::Workflow;
use crate::workflow::scripts::Script;
use crate::{Subject, Text, definition, dockerfile, hide, secrets, workflow};

/// Shows what was found, as the command does: a place that is none, or a cut within a character, ends here.
fn show(mut findings: Vec<Finding>) {
    hide(&mut findings);
    for finding in findings {
        let _ = format!("{finding:#}");
    }
}

/// A Dockerfile.
pub fn dockerfile(text: &str) {
    let build = dockerfile::alone(Text::new("Dockerfile", text));
    let circumstances = Circumstances::on(date(2026, 11, 29));
    show(dockerfile::judge(&build, &circumstances).findings);
}

/// A `.dockerignore`, and the path that its last line is.
pub fn dockerignore(text: &str) {
    let (ignore, path) = text.rsplit_once('\n').unwrap_or((text, "src/main.rs"));
    Ignore::new(Text::new(".dockerignore", ignore), &mut Vec::new()).excludes(path);
}

/// A contract of variables, and a file of values.
pub fn env_file(text: &str) {
    let (contract, wrong) = Contract::read(Text::new(".env.example", text));
    show(wrong);
    let (values, wrong) = Values::read("local", &Text::new(".env", text), true);
    show(wrong);
    let contracts = Contracts { contract: Some(contract), values: vec![values] };
    show(judge(&Subject::default(), &contracts, Some(&BTreeSet::new()), None).findings);
}

/// A task definition.
pub fn task_definition(text: &str) {
    let subject = Subject::default();
    let (definition, wrong) = definition::read::parse(Text::new("task.json", text), &subject);
    show(wrong);
    show(
        definition
            .map(|definition| {
                definition::judge(&definition, &subject, &definition::Listener::default()).findings
            })
            .unwrap_or_default(),
    );
}

/// A workflow of GitHub Actions.
pub fn workflow(text: &str) {
    let (workflow, wrong) = Workflow::read(Text::new("ci.yml", text));
    show(wrong);
    let pipelines = Pipelines { workflows: workflow.into_iter().collect(), ..Pipelines::default() };
    show(workflow::judge(&pipelines).findings);
}

/// A shell script.
pub fn script(text: &str) {
    let script = Script::of(PathBuf::from("deploy.sh"), Text::new("deploy.sh", text));
    show(workflow::judge(&Pipelines { scripts: vec![script], ..Pipelines::default() }).findings);
}

/// Code of a language, by its number.
pub fn code(language: u8, text: &str) {
    let languages = Language::ALL;
    usages(languages[usize::from(language) % languages.len()], "f", text);
}

/// A quickserve.toml.
pub fn configuration(text: &str) {
    match Config::parse(text, "quickserve.toml") {
        Ok(config) => config.all().for_each(|settings| drop(Subject::of(settings, "no-such-folder"))),
        Err(problems) => show(problems.into_findings()),
    }
}

/// Any text, which may have secrets in it.
pub fn secrets(text: &str) {
    for found in secrets::find(text) {
        let _ = &text[found.span];
    }
    let (name, value) = text.split_once('=').unwrap_or((text, text));
    secrets::plain(name, value);
}

/// A report of a scanner.
pub fn scan_report(text: &str) {
    match ScanReport::parse(text.as_bytes(), "scan.json") {
        Ok(report) => {
            let image = Deployed::named("app", "shop:1".to_owned());
            show(crate::scanned::judge(&[report], &[image], jiff::Timestamp::MAX).findings);
        }
        Err(finding) => show(vec![*finding]),
    }
}
