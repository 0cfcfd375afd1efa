//! QS515: what the image starts cannot be run; QS412 where its health check cannot.

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding, Severity};

use super::{Judge, script};
use crate::definition::{absent, instead, is_brought, simple_command};
use crate::dockerfile::instruction::{self, Body, Command, Word};
use crate::dockerfile::origin::{self, Origin};
use crate::dockerfile::stages::{Base, join};
use crate::dockerfile::started::without_exec;
use crate::dockerfile::{installs, unseen};

/// One command of the image, and what its failure means.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) name: &'static str,
    pub(super) command: &'a Command,
    /// The code for a program that is not there.
    code: Code,
    most: Severity,
    pub(super) outcome: &'static str,
}

pub(super) fn unstartable(judge: &Judge<'_>) -> Vec<Finding> {
    let dockerfile = judge.dockerfile;
    let circumstances = judge.circumstances;
    let most = if circumstances.starts_otherwise { Severity::Warning } else { Severity::Error };
    let start =
        |name, command| Run { name, command, code: Code::CANNOT_START, most, outcome: "no container starts" };
    let entrypoint = dockerfile.entrypoint().map(|command| start("ENTRYPOINT", command));
    // Beside an ENTRYPOINT, CMD are arguments: of an init, they are what it starts.
    let is_init =
        |command: &Command| matches!(command, Command::Exec(words, _) if without_exec(words).is_empty());
    let runs_cmd = entrypoint.is_none_or(|run| is_init(run.command));
    let cmd = dockerfile.cmd().filter(|_| runs_cmd).map(|command| start("CMD", command));
    let health = dockerfile.health_check().map(|command| Run {
        name: "HEALTHCHECK",
        command,
        code: Code::HEALTH_CHECK_PROGRAM,
        most: match circumstances {
            _ if circumstances.has_other_health_check => Severity::Info,
            _ if circumstances.ignores_health_check => Severity::Warning,
            _ => Severity::Error,
        },
        outcome: "it always fails",
    });
    let mut findings = Vec::new();
    if let Some(finding) = cmd.filter(|_| entrypoint.is_none()).and_then(|run| arguments(judge, run)) {
        return vec![finding];
    }
    for run in [entrypoint, cmd, health].into_iter().flatten() {
        findings.extend(program(judge, run).or_else(|| script::fault(judge, run)));
    }
    findings
}

impl Run<'_> {
    /// The finding that it cannot be run, no heavier than what it is for.
    pub(super) fn told(
        self,
        file: &crate::Text,
        (code, span): (Code, &Span),
        (severity, message): (Severity, String),
    ) -> Finding {
        let mut finding = file.error(code, span, message);
        finding.severity = severity.min(self.most);
        finding
    }
}

/// Images of Google that start an interpreter by themselves. Source: `nodejs`, `python3` and `java` of
/// GoogleContainerTools/distroless.
const INTERPRETERS: [(&str, &[&str]); 3] = [
    ("gcr.io/distroless/nodejs", &["node", "nodejs"]),
    ("gcr.io/distroless/python", &["python", "python3"]),
    ("gcr.io/distroless/java", &["java"]),
];

/// `CMD ["node", "server.js"]` on a base whose ENTRYPOINT is node already.
fn arguments(judge: &Judge<'_>, run: Run<'_>) -> Option<Finding> {
    let Base::Image(base) = &judge.dockerfile.root()?.base else { return None };
    let Command::Exec(words, _) = run.command else { return None };
    let (_, names) = INTERPRETERS.iter().find(|(start, _)| base.starts_with(start))?;
    let first = words.first()?;
    let name = first.text.rsplit('/').next().unwrap_or_default();
    if !names.contains(&name) {
        return None;
    }
    let message =
        format!("{base} starts {name} by itself, which takes {} for its script: {}", first.text, run.outcome);
    let finding = run.told(judge.file(), (run.code, &first.span), (Severity::Error, message));
    Some(finding.with_hint(format!("leave {} out of CMD", first.text)))
}

/// Whether the base of a command starts an interpreter, whose arguments the words of CMD are.
fn has_interpreter(judge: &Judge<'_>, run: Run<'_>) -> bool {
    let base = judge.dockerfile.base();
    run.name == "CMD"
        && judge.dockerfile.entrypoint().is_none()
        && INTERPRETERS.iter().any(|(start, _)| base.starts_with(start))
}

/// How surely the image has no such program; nothing where it may have it.
pub(super) fn lacks(judge: &Judge<'_>, program: &str) -> Option<Severity> {
    let dockerfile = judge.dockerfile;
    let is_absent = absent(program, dockerfile.base()) == Some(true);
    if !is_absent || is_brought(program, &installs(dockerfile)) {
        return None;
    }
    // An argument may name another base.
    let is_open = dockerfile.root().is_some_and(|root| root.image.text.contains('$'));
    Some(if is_open || unseen(dockerfile) { Severity::Warning } else { Severity::Error })
}

/// A shell, or a program, that the image does not have.
fn program(judge: &Judge<'_>, run: Run<'_>) -> Option<Finding> {
    let base = judge.dockerfile.base();
    let told = |span: &Span, severity, message| run.told(judge.file(), (run.code, span), (severity, message));
    let mut instructions = judge.dockerfile.instructions();
    let has_shell = instructions.any(|instruction| matches!(instruction.body, Body::Shell(_)));
    match run.command {
        // A list that is no JSON is an error already.
        Command::Shell(text) if text.as_str().is_empty() || text.as_str().starts_with('[') => None,
        Command::Shell(text) => {
            if let Some(severity) = lacks(judge, "sh").filter(|_| !has_shell) {
                let message =
                    format!("{} is in shell form, and {base} has no shell: {}", run.name, run.outcome);
                let hint = format!(
                    "write {} as a JSON list",
                    if run.name == "HEALTHCHECK" { "HEALTHCHECK CMD" } else { run.name }
                );
                return Some(told(&text.whole(), severity, message).with_hint(hint));
            }
            let name = simple_command(text.as_str())?;
            missing(judge, run, name, &text.whole())
        }
        Command::Exec(words, _) => {
            if has_interpreter(judge, run) {
                return None;
            }
            let starter = words.first()?;
            let name = starter.text.rsplit('/').next().unwrap_or_default();
            let first = without_exec(words).first();
            let by_init = first.filter(|first| first.span != starter.span);
            let inner = instruction::script(words)
                .and_then(|script| Some((simple_command(&script.text)?, &script.span)));
            missing(judge, run, name, &starter.span)
                .or_else(|| missing(judge, run, by_init?.text.rsplit('/').next()?, &by_init?.span))
                .or_else(|| missing(judge, run, inner?.0, inner?.1))
                .or_else(|| along_path(judge, run, first?))
        }
    }
}

fn missing(judge: &Judge<'_>, run: Run<'_>, name: &str, span: &Span) -> Option<Finding> {
    let severity = lacks(judge, name)?;
    let base = judge.dockerfile.base();
    let message = format!("{} runs {name}, which {base} does not have: {}", run.name, run.outcome);
    let finding = run.told(judge.file(), (run.code, span), (severity, message));
    let hint = match run.name {
        "HEALTHCHECK" => instead(name, base),
        _ => format!("install {name}, or start the program without it"),
    };
    Some(finding.with_hint(hint))
}

/// Where Docker looks for a program that is named without its folder, and `PATH` is not set.
const PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// `CMD ["app"]` in an image of nothing, whose program is in no folder of `PATH`.
fn along_path(judge: &Judge<'_>, run: Run<'_>, word: &Word) -> Option<Finding> {
    let dockerfile = judge.dockerfile;
    let sets_path = dockerfile.environment().iter().any(|(name, ..)| name == "PATH");
    let is_plain = !word.text.contains(['/', '$']) && !word.text.is_empty();
    if dockerfile.root()?.base != Base::Scratch || sets_path || !is_plain {
        return None;
    }
    let is_absent =
        |folder: &&str| origin::of(dockerfile, judge.context, &join(folder, &word.text)) == Origin::Absent;
    if !PATH.iter().all(is_absent) {
        return None;
    }
    let message = format!("{} runs {}, which is in no folder of PATH: {}", run.name, word.text, run.outcome);
    let finding = run.told(judge.file(), (run.code, &word.span), (Severity::Error, message));
    Some(finding.with_hint(format!("name it with its folder, such as /{}", word.text)))
}
