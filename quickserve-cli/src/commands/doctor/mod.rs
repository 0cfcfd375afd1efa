//! `doctor`: why a service misbehaves, and the commands that mend it.

mod asking;
mod examination;
mod fix;
mod machine;
mod remedy;
mod verdict;

use quickserve_core::finding::{Finding, Severity};
use quickserve_core::outcome::Outcome;
use serde_json::{Value, json};

use super::status::{self, Seen};
use crate::cli::{Doctor, Format};
use crate::failure::Failure;
use crate::output;
use crate::project::Project;
use crate::render::{Line, Reporter, Told, Tone};
use crate::settings::{Context, Verbosity};
use crate::target::Target;
use examination::Examination;
use remedy::Remedy;

/// Answers the exit code: that of what was run to mend the service where it failed, else that of the diagnosis.
pub(super) async fn run(context: &Context, arguments: &Doctor, reporter: &Reporter) -> Result<u8, Failure> {
    let (target, project) = Target::find_to_look(context)?;
    let diagnosis = Diagnosis::make(context, &target, &project, reporter).await?;
    diagnosis.show(context);
    let safe: Vec<&Remedy> = diagnosis.remedies.iter().filter(|remedy| remedy.is_safe()).collect();
    if !arguments.fix || safe.is_empty() {
        return Ok(diagnosis.exit_code());
    }
    let code = fix::run(context, &safe).await?;
    if code != 0 {
        return Ok(code);
    }
    let mended = Diagnosis::make(context, &target, &project, reporter).await?;
    mended.show(context);
    Ok(mended.exit_code())
}

/// What was seen, what is wrong with it, and what mends it.
struct Diagnosis {
    seen: Seen,
    examination: Examination,
    findings: Vec<Finding>,
    remedies: Vec<Remedy>,
}

impl Diagnosis {
    async fn make(
        context: &Context,
        target: &Target,
        project: &Project,
        reporter: &Reporter,
    ) -> Result<Self, Failure> {
        let stage = target.stage_to_look(context, reporter).await?;
        let mut seen = status::look(context, target, reporter).await?;
        let examination = Examination::make(context, target, project, &seen, &stage).await?;
        if examination.asked.public.is_none() {
            seen.forgive(&examination.asked.answering);
        }
        let findings = verdict::findings(context, target, &seen, &examination);
        let remedies = remedy::remedies(&seen, &examination, &findings);
        Ok(Self { seen, examination, findings, remedies })
    }

    /// As of `check`: 3 where an error was found in what runs, or where journal, router and engine do not agree. A file
    /// that cannot be read is a mistake in the configuration: what depends on it was not looked at.
    fn exit_code(&self) -> u8 {
        let unread = &self.examination.unread;
        let is_error = |finding: &&Finding| finding.severity == Severity::Error && !unread.contains(finding);
        let outcome = if !self.seen.consistent() || self.findings.iter().any(|one| is_error(&one)) {
            Outcome::Refused
        } else if unread.is_empty() {
            Outcome::Done
        } else {
            Outcome::UsageError
        };
        outcome.exit_code()
    }

    fn show(&self, context: &Context) {
        if context.format == Format::Json {
            output::data_line(&quickserve_check::mask(&self.json(&context.again).to_string()));
            return;
        }
        super::show(context, &self.lines(&context.again, context.verbosity == Verbosity::Quiet));
    }

    fn json(&self, again: &str) -> Value {
        let mut json = self.seen.json();
        json["examined"] = self.examination.json();
        json["findings"] = json!(Told::all(&self.findings));
        json["next"] = json!(self.next(again));
        json["remedies"] = self.remedies.iter().map(|remedy| remedy.json(again)).collect();
        json
    }

    /// What to run where there is nothing yet that could be healthy or not.
    fn next(&self, again: &str) -> Option<String> {
        let idle = self.seen.idle()?;
        Some(format!("{idle}: quickserve deploy{again} brings a release, quickserve check{again} first"))
    }

    /// All of it, or only what is wrong and what mends it.
    fn lines(&self, again: &str, is_quiet: bool) -> Vec<Line> {
        // The cause first; what else there is to know stands between it and what mends it.
        let mut lines: Vec<Line> = self.findings.iter().map(Line::finding).collect();
        // What others are left, the facts tell with how many there are of them.
        let has_others = !is_quiet && !self.examination.others(&self.seen).is_empty();
        lines.extend(self.seen.doubts(&self.findings, has_others));
        lines.extend(self.examination.doubts());
        if !is_quiet {
            lines.extend(self.seen.notes());
            lines.extend(self.seen.facts());
            lines.extend(self.examination.lines(&self.seen));
        }
        lines.extend(self.remedies.iter().map(|remedy| remedy.line(again)));
        let next = self.next(again);
        let is_well = self.findings.is_empty() && self.examination.beside.is_empty();
        if let Some(next) = next {
            lines.extend((!is_quiet).then(|| Line::new("next", next)));
        } else if !is_quiet && is_well && self.remedies.is_empty() && self.seen.consistent() {
            lines.push(Line::toned("healthy", "nothing was found amiss", Tone::Good));
        }
        lines
    }
}
