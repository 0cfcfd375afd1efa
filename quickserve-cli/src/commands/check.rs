//! `check`: everything that keeps a deployment from working, all at once. Nothing is changed.

mod standing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quickserve_check::scanned::{Deployed, check_images};
use quickserve_check::{EnvironmentFile, Subject};
use quickserve_core::finding::Severity;
use quickserve_core::outcome::Outcome;
use quickserve_core::preflight::Report;
use quickserve_core::registry::ResolvedImage;
use quickserve_core::{Error, ErrorKind};
use serde_json::json;

use super::deploy::within_limits;
use crate::cli::{self, Check, Format};
use crate::failure::Failure;
use crate::output;
use crate::project::Project;
use crate::render::{Diagnostics, Line, Reporter, Style, Told, Tone, annotate, sarif, words};
use crate::settings::{Context, Verbosity};
use crate::target::Target;
use standing::{Asked, standing};

/// What a finding without a place is about, as far as a code host can show it.
const QUICKSERVE: &str = "quickserve.toml";

/// Whoever has it gets its findings too.
const HADOLINT: &str = "hadolint";

/// Answers the exit code: 3 where a deployment would be refused.
pub(super) async fn run(context: &Context, arguments: &Check, reporter: &Reporter) -> Result<u8, Failure> {
    let names_files = arguments.names_files() || !Project::is_there(context);
    let report = crate::signals::looking(async {
        if names_files {
            Project::refuse_choice(context, unheeded(context, arguments))?;
            read(files(context, arguments)?).await
        } else {
            project(context, arguments, reporter).await
        }
    });
    let report = report.await?;
    let whole = if names_files { named(arguments) } else { None };
    let refused =
        if names_files { "these files cannot be deployed:" } else { "a deployment would be refused by" };
    show(context, &report, whole.as_deref().unwrap_or(QUICKSERVE), refused);
    let outcome = if report.refuses() { Outcome::Refused } else { Outcome::Done };
    Ok(outcome.exit_code())
}

/// Files alone, where no quickserve.toml says what they are for.
fn files(context: &Context, arguments: &Check) -> Result<Subject, Failure> {
    let mut subject = folder(context);
    subject.image = match arguments.draft.image.as_slice() {
        [] => None,
        [only] if !only.contains('=') => Some(only.clone()),
        _ => {
            let hint =
                "write --image REFERENCE for the image of the main container, or begin a quickserve.toml";
            return Err(Failure::usage("which container gets which image is said in quickserve.toml", hint));
        }
    };
    subject.scan_reports.clone_from(&arguments.draft.scan_report);
    if let Some(path) = &arguments.task_definition {
        subject.definition = Some(path.clone());
    }
    if let Some(path) = &arguments.dockerfile {
        subject.dockerfile = Some(path.clone());
    }
    for path in &arguments.env_file {
        if quickserve_check::is_template(path) {
            subject.contract = Some(path.clone());
        } else {
            let environment = context.environment.clone().unwrap_or_else(|| "local".to_owned());
            subject.env_files.push(EnvironmentFile { environment, path: path.clone() });
        }
    }
    if subject.is_empty() {
        let hint =
            "name them, such as --task-definition task.json --env-file .env.example --dockerfile Dockerfile";
        return Err(Failure::usage(
            "there is nothing to check here: no quickserve.toml, no Dockerfile",
            hint,
        ));
    }
    Ok(subject)
}

/// A flag that only a quickserve.toml gives a meaning. An environment is also whose values a file holds.
fn unheeded(context: &Context, arguments: &Check) -> Option<&'static str> {
    let holds_values = arguments.env_file.iter().any(|path| !quickserve_check::is_template(path));
    let mut flags = context.choosing.iter().copied().filter(|flag| !holds_values || *flag != "-e");
    flags.next().or_else(|| arguments.draft.strategy.as_ref().map(|_| "--strategy"))
}

/// A file that was named.
fn named(arguments: &Check) -> Option<String> {
    let named = arguments.task_definition.iter().chain(&arguments.dockerfile).chain(&arguments.env_file);
    named.map(|path| path.display().to_string()).next()
}

/// The files of the folder.
pub(super) fn folder(context: &Context) -> Subject {
    let mut subject = Subject::in_folder(&context.folder);
    subject.shown = shown(context, &context.folder);
    subject.hadolint = Some(PathBuf::from(HADOLINT));
    subject.placeholders = context.placeholders().clone();
    subject
}

/// A folder in front of the names in it: nothing for where the user stands.
fn shown(context: &Context, folder: &Path) -> PathBuf {
    let shown = context.shown(folder);
    if shown == "." { PathBuf::new() } else { PathBuf::from(shown) }
}

/// Reads and judges files, away from the thread that waits for answers.
pub(super) async fn read(subject: Subject) -> Result<Report, Failure> {
    let checked = tokio::task::spawn_blocking(move || quickserve_check::check(&subject)).await;
    checked.map_err(|error| Error::new(ErrorKind::Unexpected, "check the files").with_source(error).into())
}

/// What quickserve.toml describes, and the platform that it names.
async fn project(context: &Context, arguments: &Check, reporter: &Reporter) -> Result<Report, Failure> {
    let (target, project) = match Target::read(context) {
        Ok(read) => read,
        // What is wrong with quickserve.toml is one reason among others.
        Err(failure) if !failure.finished.findings.is_empty() => {
            let own = Report { passed: 0, findings: failure.finished.findings };
            // Where there are no other files, that there are none is no answer.
            if folder(context).is_empty() {
                return Ok(own);
            }
            let mut subject = files(context, &Check::default())?;
            subject.deployed_by_quickserve = true;
            return Ok(own.and(read(subject).await?));
        }
        Err(failure) => return Err(failure),
    };
    let beyond = match within_limits(context, &target, &project, &arguments.draft) {
        Ok(()) => Vec::new(),
        Err(failure) if failure.finished.findings.is_empty() => return Err(failure),
        Err(failure) => failure.finished.findings,
    };
    let mut subject = subject(context, &target, &project, &arguments.draft);
    let asked = Asked::of(context, &target, &project, arguments, reporter).await;
    // Without an image, or an engine, nobody else looks at the values.
    subject.values_elsewhere = asked.looks_at_values();
    let (files, standing) = tokio::join!(read(subject.clone()), standing(&target, asked, subject));
    let (standing, mistakes) = standing;
    let mut report = files?.and(standing).accepting(&target.settings.accepted_findings);
    // No reason lets a deployment do what it cannot.
    report.findings.extend(beyond.into_iter().chain(mistakes));
    // What two readers say of one line is compared as it is told.
    quickserve_check::hide(&mut report.findings);
    quickserve_check::sort(&mut report.findings);
    Ok(report)
}

/// The files of a service.
pub(super) fn subject(context: &Context, target: &Target, project: &Project, draft: &cli::Draft) -> Subject {
    let mut subject = Subject::of(&target.settings, &project.folder);
    subject.shown = shown(context, &project.folder);
    subject.hadolint = Some(PathBuf::from(HADOLINT));
    subject.placeholders = context.placeholders().clone();
    // Who deploys looks at these, and knows the image's own variables.
    subject.values_elsewhere = true;
    // Which container is meant, whoever drafts the release finds out: here it is enough that there is one.
    let named =
        draft.image.first().map(|image| image.split_once('=').map_or(image.as_str(), |named| named.1));
    if let Some(image) = named.or(context.image.as_deref()) {
        subject.image = Some(image.to_owned());
    }
    let reports = draft.scan_report.iter().map(|path| context.folder.join(path));
    subject.scan_reports.extend(reports.map(|path| match path.strip_prefix(&project.folder) {
        Ok(relative) => relative.to_owned(),
        Err(_) => path,
    }));
    // The names of the others show which of ours is missing or misspelt.
    for settings in project.config.all().filter(|other| other.key != target.key) {
        if settings.key.service() == target.key.service()
            && let Some(path) = &settings.env_file
        {
            let environment = settings.key.environment().to_owned();
            subject.env_files.push(EnvironmentFile { environment, path: path.clone() });
        }
    }
    subject
}

/// The images that an engine has, by its digests.
pub(super) fn on_engine(images: &BTreeMap<String, ResolvedImage>) -> Vec<Deployed> {
    images.iter().map(|(container, image)| Deployed::resolved(container, image)).collect()
}

/// Whether the reports of scanners are of these images, away from the thread that waits for answers.
pub(super) async fn scanned(subject: Subject, images: Vec<Deployed>) -> Result<Report, Failure> {
    let judged = tokio::task::spawn_blocking(move || check_images(&subject, &images)).await;
    judged
        .map_err(|error| Error::new(ErrorKind::Unexpected, "read the scan reports").with_source(error).into())
}

/// Shows it; `refused` is what errors mean, as it stands before "2 findings".
fn show(context: &Context, report: &Report, whole: &str, refused: &str) {
    let findings = Told::all(&report.findings);
    match context.format {
        Format::Json => {
            let report =
                json!({ "passed": report.passed, "refuses": report.refuses(), "findings": findings });
            output::data_line(&report.to_string());
            return;
        }
        Format::Sarif => {
            output::data_line(&sarif::log(&findings, whole).to_string());
            return;
        }
        Format::Github => findings.iter().for_each(annotate),
        Format::Human => {
            let terminal = &context.terminal;
            let diagnostics = Diagnostics::new(terminal.colour_data, terminal.width);
            for finding in &findings {
                let least = match context.verbosity {
                    Verbosity::Verbose => true,
                    Verbosity::Quiet => false,
                    Verbosity::Normal => finding.severity > Severity::Info,
                };
                if least {
                    output::data(&format!("{}\n\n", diagnostics.show(finding)));
                }
            }
        }
    }
    let style = Style::told(&context.terminal);
    let all = context.verbosity == Verbosity::Verbose || context.format != Format::Human;
    for line in summary(report, refused, all) {
        output::tell(&style.show(&line));
    }
}

fn summary(report: &Report, refused: &str, all: bool) -> Vec<Line> {
    let of = |severity: Severity| {
        let count = report.findings.iter().filter(|finding| finding.severity == severity).count();
        count as u64
    };
    let (errors, warnings, notes) = (of(Severity::Error), of(Severity::Warning), of(Severity::Info));
    let counts = [(errors, "error"), (warnings, "warning"), (notes, "note")];
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| words::count(count, noun))
        .collect();
    let passed = format!("{} passed", report.passed);
    let mut text = std::iter::once(passed).chain(counts).collect::<Vec<_>>().join(", ");
    if notes > 0 && !all {
        text.push_str("; -v shows the notes");
    }
    let next = report.findings.first().map(|finding| format!("quickserve explain {}", finding.code));
    match next {
        Some(next) if report.refuses() => {
            let headline = format!("{refused} {}", words::count(errors, "finding"));
            let next = format!("{next}   [exit {}]", Outcome::Refused.exit_code());
            vec![Line::Error(headline), Line::new("check", text), Line::new("next", next)]
        }
        Some(next) if warnings > 0 => vec![Line::new("check", text), Line::new("next", next)],
        _ => vec![Line::toned("check", text, Tone::Good)],
    }
}
