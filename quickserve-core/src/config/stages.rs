//! `[stages]`: what must pass before an image is deployed.

use std::path::PathBuf;

use crate::document::{Decoder, Node, Value, table, values};

/// What must pass before an image is deployed. A stage that is absent, or `false`, is not run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stages {
    /// Style and quality of the code.
    pub lint: Option<Lint>,
    /// The tests.
    pub test: Option<Test>,
    /// The image's known vulnerabilities.
    pub scan: Option<Scan>,
    /// The image's signature.
    pub sign: Option<Sign>,
}

/// The stage `lint`: `"npm run lint"` or a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// For the shell, run in the folder of quickserve.toml; exit code 0 passes.
    pub command: String,
}

/// The stage `test`: `"npm test"` or a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// For the shell, run in the folder of quickserve.toml; exit code 0 passes.
    pub command: String,
    /// The coverage report that the command writes, in LCOV's format.
    pub lcov: Option<PathBuf>,
    /// The least part of lines that tests must cover, in percent. Needs `lcov`.
    pub min_coverage: Option<f64>,
}

/// The stage `scan`: `"high"` or a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The least severity that fails. Absent where `report` stands alone; else, by default, high.
    pub fail_on: Option<ScanSeverity>,
    /// Whether only vulnerabilities that have a fix count. Default: false.
    pub fixable_only: bool,
    /// A command for the shell that scans and writes `report`; the built-in scanner without one.
    pub command: Option<String>,
    /// The report that the command writes: Trivy's, Grype's or SARIF. Where it stands alone the scan was made before, and
    /// only its image is compared with the one that is deployed.
    pub report: Option<PathBuf>,
}

impl Scan {
    /// Whether a scan is made, or judged, here: not where only the report of one is named.
    pub fn is_run(&self) -> bool {
        self.fail_on.is_some()
    }
}

/// How grave a vulnerability is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the words of every scanner")]
pub enum ScanSeverity {
    Low,
    Medium,
    High,
    Critical,
}

/// The stage `sign`: a key or a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// The key: a file, or a URL such as `awskms:///alias/deploy`.
    pub key: String,
}

const SEVERITIES: &[(&str, ScanSeverity)] = &[
    ("low", ScanSeverity::Low),
    ("medium", ScanSeverity::Medium),
    ("high", ScanSeverity::High),
    ("critical", ScanSeverity::Critical),
];

pub(super) fn read(decoder: &mut Decoder<'_>, node: &Node) -> Option<Stages> {
    table(|fields| {
        Some(Stages {
            lint: fields.optional("lint", unless_off(lint)),
            test: fields.optional("test", unless_off(test)),
            scan: fields.optional("scan", unless_off(scan)),
            sign: fields.optional("sign", unless_off(sign)),
        })
    })(decoder, node)
}

/// Reads `false` as "not here": how an environment switches off what it would inherit.
pub(super) fn unless_off<'a, 'n, T>(
    read: impl FnOnce(&mut Decoder<'a>, &'n Node) -> Option<T>,
) -> impl FnOnce(&mut Decoder<'a>, &'n Node) -> Option<T> {
    move |decoder, node| match node.value {
        Value::Boolean(false) => None,
        Value::Boolean(true) => {
            decoder.wrong_type_hint(node, "what to do", "only false stands alone: it switches this off");
            None
        }
        _ => read(decoder, node),
    }
}

fn lint(decoder: &mut Decoder<'_>, node: &Node) -> Option<Lint> {
    if let Value::String(_) = node.value {
        return Some(Lint { command: values::name(decoder, node)? });
    }
    table(|fields| Some(Lint { command: fields.required("command", COMMAND, values::name)? }))(decoder, node)
}

fn test(decoder: &mut Decoder<'_>, node: &Node) -> Option<Test> {
    if let Value::String(_) = node.value {
        return Some(Test { command: values::name(decoder, node)?, lcov: None, min_coverage: None });
    }
    table(|fields| {
        let command = fields.required("command", COMMAND, values::name);
        let lcov = fields.optional("lcov", values::path);
        let min_coverage = fields.optional("min_coverage", values::number(0.0..=100.0));
        if let (Some(_), None, Some(entry)) = (min_coverage, &lcov, fields.entry("min_coverage")) {
            let hint = "name the report that the tests write, such as lcov = \"coverage/lcov.info\"";
            fields.decoder.incomplete(&entry.key_span, "`min_coverage` needs `lcov`", hint);
        }
        Some(Test { command: command?, lcov, min_coverage })
    })(decoder, node)
}

fn scan(decoder: &mut Decoder<'_>, node: &Node) -> Option<Scan> {
    let severity = values::choice(SEVERITIES);
    if let Value::String(_) = node.value {
        let fail_on = severity(decoder, node)?;
        return Some(Scan { fail_on: Some(fail_on), fixable_only: false, command: None, report: None });
    }
    table(|fields| {
        let mut scan = Scan {
            fail_on: fields.optional("fail_on", severity),
            fixable_only: fields.optional("fixable_only", values::boolean).unwrap_or(false),
            command: fields.optional("command", values::name),
            report: fields.optional("report", values::path),
        };
        if scan.command.is_some() || scan.report.is_none() || scan.fixable_only {
            scan.fail_on.get_or_insert(ScanSeverity::High);
        }
        if let (Some(_), None, Some(entry)) = (&scan.command, &scan.report, fields.entry("command")) {
            let hint = "name the report that the command writes, such as report = \"scan.json\"";
            fields.decoder.incomplete(&entry.key_span, "a scan `command` needs `report`", hint);
        }
        Some(scan)
    })(decoder, node)
}

fn sign(decoder: &mut Decoder<'_>, node: &Node) -> Option<Sign> {
    if let Value::String(_) = node.value {
        return Some(Sign { key: values::name(decoder, node)? });
    }
    table(|fields| Some(Sign { key: fields.required("key", KEY, values::name)? }))(decoder, node)
}

const COMMAND: &str = "say what to run, such as command = \"npm test\"";
const KEY: &str = "name the key, such as key = \"awskms:///alias/deploy\"";
