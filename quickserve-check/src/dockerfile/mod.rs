//! The Dockerfile and the build context: QS5xx, and what of QS1xx and QS2xx a Dockerfile alone shows.
//!
//! `lines` joins lines, `parse` makes instructions of them, `stages` says what the final image inherits;
//! `context` says what is copied into it, by the rules of `ignore`. Each file of `rules` has one subject.

mod context;
#[cfg(test)]
mod corpus;
mod hadolint;
mod handed;
mod ignore;
mod image;
mod instruction;
mod lines;
mod origin;
mod parse;
mod quiet;
mod rules;
mod secrecy;
mod several;
mod shell;
mod stages;
mod started;
#[cfg(test)]
mod tests;
mod unseen;

use jiff::civil::Date;
use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding};
use quickserve_core::preflight::Report;

pub use context::Context;
pub use ignore::Ignore;
pub use instruction::{Body, Command, Flag, Instruction, Pair, Word};
pub use lines::{HereDocument, Joined};
pub(crate) use secrecy::is_bare_key;
pub use stages::{Base, Dockerfile, Stage};
pub(crate) use unseen::{installs, unseen};

use crate::{Facts, Subject, Text};

/// The Dockerfile and its context.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Build {
    /// The Dockerfile, where there is one that can be read.
    pub dockerfile: Option<Dockerfile>,
    /// What it is built from.
    pub context: Option<Context>,
    /// The script of the context that the image starts with.
    pub script: Option<Text>,
    /// What hadolint says of it.
    hadolint: Vec<hadolint::Remark>,
}

/// The largest Dockerfile that is judged, in bytes, and the most instructions: an image has at most 127 layers. Rules
/// compare instructions with each other, so that what no person wrote would cost minutes.
const LIMIT: usize = 128 << 10;
const MOST: usize = 2000;

/// Something that keeps a file from being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), hint: None }
    }

    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The error that it is. Without the line: it may hold a secret.
    pub(crate) fn error(self, file: &Text, code: Code) -> Finding {
        let finding = Finding::error(code, self.message).at(file.source().place(self.span.start));
        match self.hint {
            Some(hint) => finding.with_hint(hint),
            None => finding,
        }
    }
}

/// What the files do not say and judging them needs.
#[derive(Debug, Clone)]
pub(crate) struct Circumstances {
    /// The day, for what gets no updates any more.
    pub(crate) today: Date,
    /// Whether the task definition has a health check of its own, so that the image needs none.
    pub(crate) has_other_health_check: bool,
    /// Whether nobody looks at the health check of the image: ECS does not.
    pub(crate) ignores_health_check: bool,
    /// Whether the task definition starts something else than the image says.
    pub(crate) starts_otherwise: bool,
}

impl Circumstances {
    /// An image that is run as it is.
    pub(crate) fn on(today: Date) -> Self {
        Self { today, has_other_health_check: false, ignores_health_check: false, starts_otherwise: false }
    }
}

pub(crate) fn read(subject: &Subject) -> (Build, Vec<Finding>) {
    let (mut build, findings) = read_files(subject);
    if let (Some(_), Some(path), Some(program)) = (&build.dockerfile, &subject.dockerfile, &subject.hadolint)
    {
        build.hadolint = hadolint::run(program, &subject.root, path).unwrap_or_default();
    }
    (build, findings)
}

/// A Dockerfile without a context.
#[cfg(feature = "fuzz")]
pub(crate) fn alone(file: Text) -> Build {
    let stages = stages::stages(parse::parse(&file.text, &mut Vec::new()));
    let dockerfile = Some(Dockerfile { file, stages });
    Build { dockerfile, context: Some(Context::empty()), ..Build::default() }
}

/// All but what hadolint says.
fn read_files(subject: &Subject) -> (Build, Vec<Finding>) {
    let Some(path) = &subject.dockerfile else { return (Build::default(), Vec::new()) };
    let mut findings = Vec::new();
    let context = Context::read(subject, path, &mut findings);
    let file = match Text::read(&subject.path(path), &subject.name(path)) {
        Ok(file) => file,
        Err(finding) => return (Build { context: Some(context), ..Build::default() }, vec![*finding]),
    };
    let mut faults = Vec::new();
    let is_large = file.text.len() > LIMIT;
    let instructions = if is_large { Vec::new() } else { parse::parse(&file.text, &mut faults) };
    if is_large || instructions.len() > MOST {
        let limit = if is_large { format!("{} KiB", LIMIT >> 10) } else { format!("{MOST} instructions") };
        let message = format!("{} has more than {limit} and was not judged", file.file);
        findings.push(file.warning(Code::DOCKERFILE_SYNTAX, &(0..0), message));
        return (Build { context: Some(context), ..Build::default() }, findings);
    }
    let dockerfile = Dockerfile { file, stages: stages::stages(instructions) };
    let wrong = |fault: Fault| fault.error(&dockerfile.file, Code::DOCKERFILE_SYNTAX);
    findings.extend(faults.into_iter().map(wrong));
    let script = started::script(&dockerfile, &context);
    let (dockerfile, context) = (Some(dockerfile), Some(context));
    (Build { dockerfile, context, script, hadolint: Vec::new() }, findings)
}

pub(crate) fn check(subject: &Subject, facts: &Facts) -> Report {
    let main = facts.definition.as_ref().and_then(|definition| definition.main(subject));
    let has_other_health_check = main.is_some_and(|main| main.health_command().is_some());
    let starts_otherwise =
        main.is_some_and(|main| ["entryPoint", "command"].iter().any(|key| !main.items(key).is_empty()));
    let ignores_health_check = has_other_health_check || subject.is_for_ecs();
    let circumstances = Circumstances {
        has_other_health_check,
        ignores_health_check,
        starts_otherwise,
        ..Circumstances::on(today())
    };
    let report = judge(&facts.build, &circumstances);
    report.and(Report::of(several::services(subject, facts).into_iter().collect()))
}

/// Judges what was read.
pub(crate) fn judge(build: &Build, circumstances: &Circumstances) -> Report {
    let (Some(dockerfile), Some(context)) = (&build.dockerfile, &build.context) else {
        return Report::default();
    };
    if dockerfile.stages.is_empty() {
        return Report::default();
    }
    let judge = rules::Judge { dockerfile, context, script: build.script.as_ref(), circumstances };
    let mut report = Report::default();
    for rule in rules::ALL {
        report = report.and(Report::of(rule(&judge)));
    }
    let remarks = hadolint::findings(&build.hadolint, &dockerfile.file, &report.findings);
    if !build.hadolint.is_empty() {
        report = report.and(Report::of(remarks));
    }
    for finding in &mut report.findings {
        hide_secrets(finding, &dockerfile.file);
    }
    report
}

/// Takes away the excerpt of a line that may show a secret beside what the finding is about.
fn hide_secrets(finding: &mut Finding, file: &Text) {
    let line = finding.place().and_then(|place| file.text.lines().nth(place.line.saturating_sub(1)));
    if line.is_some_and(secrecy::shows_secret) {
        finding.excerpt = None;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the end of support is a date; a day more or less changes nothing"
)]
fn today() -> Date {
    let now = jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap_or(jiff::Timestamp::MAX);
    now.to_zoned(jiff::tz::TimeZone::UTC).date()
}
