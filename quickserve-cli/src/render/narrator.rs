//! From what happens to the lines that a person reads. It prints nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use quickserve_core::clock::between;
use quickserve_core::event::{Envelope, Progress, Serving};
use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::journal;
use quickserve_core::orchestrator::TaskFailure;
use quickserve_core::plan::{Goal, Plan, Share, Step};
use quickserve_core::release::ReleaseId;
use quickserve_core::traffic::Role;

use super::line::{Line, Tone};
use super::words;
use super::{Ending, Note, ending};
use crate::settings::Verbosity;

/// How many last lines of a failed task are told, and how much of each.
const LOG_LINES: usize = 4;
const LOG_WIDTH: usize = 160;

/// Remembers what a line needs of the lines before.
#[derive(Debug)]
pub(crate) struct Narrator {
    /// The flags that choose the same service again.
    pub(super) again: String,
    verbosity: Verbosity,
    names: BTreeMap<ReleaseId, String>,
    /// When the first event came.
    began: Option<Timestamp>,
    /// When the last one came.
    pub(super) last: Option<Timestamp>,
    /// The step in hand and how far it is.
    doing: Option<(Step, String, Timestamp)>,
    /// The step that failed, and when the way back was planned.
    pub(super) failed: Option<Step>,
    pub(super) turned: Option<(Goal, Timestamp)>,
    /// What a rollback leaves: it is refused from then on.
    pub(super) left: Option<ReleaseId>,
    /// A deployment whose owner is gone is dealt with.
    recovering: bool,
    /// Whether the release was introduced.
    introduced: bool,
    /// Whether the last lines of a failed task were told.
    showed_log: bool,
    shifted: String,
}

impl Narrator {
    pub(crate) fn new(again: String, verbosity: Verbosity) -> Self {
        Self {
            again,
            verbosity,
            names: BTreeMap::new(),
            began: None,
            last: None,
            doing: None,
            failed: None,
            turned: None,
            left: None,
            recovering: false,
            introduced: false,
            showed_log: false,
            shifted: String::new(),
        }
    }

    pub(crate) fn know(&mut self, names: BTreeMap<ReleaseId, String>) {
        self.names.extend(names);
    }

    /// `r-7c41e9 (1.8.2)`, or the bare name of one that is not known.
    pub(super) fn name(&self, release: &ReleaseId) -> String {
        match self.names.get(release) {
            Some(version) => format!("{release:#} ({version})"),
            None => format!("{release:#}"),
        }
    }

    /// From the first event to the last.
    pub(super) fn took(&self) -> Option<Duration> {
        Some(between(self.began?, self.last?))
    }

    /// What is being done, for a line that is drawn again; how long that takes already is the reader's to add.
    pub(crate) fn doing(&self) -> Option<(&'static str, &str, Timestamp)> {
        let (step, message, since) = self.doing.as_ref()?;
        Some((words::step(step), message, *since))
    }

    pub(crate) fn note(&mut self, note: &Note) -> Vec<Line> {
        let lines = match note {
            Note::Deploying { target, release, change } => {
                self.introduced = true;
                self.names.insert(release.id.clone(), release.version.clone());
                vec![
                    Line::new("deploy", format!("{target}  {}", words::release(release))),
                    Line::new("change", change.clone()),
                ]
            }
            Note::Checked { passed, findings } => checked(*passed, findings, self.verbosity),
            Note::Output { .. } => Vec::new(),
            Note::Caution(text) => vec![Line::toned("caution", text.clone(), Tone::Bad)],
            Note::Remark(text) => vec![Line::new("note", text.clone())],
        };
        self.unless_quiet(lines)
    }

    pub(crate) fn event(&mut self, event: &Envelope) -> Vec<Line> {
        self.began.get_or_insert(event.time);
        self.last = Some(event.time);
        let lines = match &event.progress {
            Progress::Started { deployment, act, release, from, plan } => {
                let back = *act == journal::Act::Rollback;
                self.left = from.clone().filter(|from| back && Some(from) != release.as_ref());
                self.started(&deployment.0, *act, release.as_ref(), plan)
            }
            Progress::PauseAsked { .. } => {
                let text = "asked for; it takes effect before the next change of traffic";
                vec![Line::new("pause", text)]
            }
            Progress::Waiting { message } => vec![Line::new("wait", message.clone())],
            Progress::Recovering { deployment, because } => {
                self.recovering = true;
                vec![Line::toned(
                    "recover",
                    format!("{deployment} was left unfinished: {because}"),
                    Tone::Bad,
                )]
            }
            Progress::Replanned { plan, .. } => {
                self.turned = Some((plan.goal.clone(), event.time));
                self.shifted.clear();
                vec![Line::toned("back", self.goal(&plan.goal), Tone::Bad)]
            }
            Progress::StepStarted { step, .. } => {
                self.doing = Some((step.clone(), String::new(), event.time));
                Vec::new()
            }
            Progress::StepProgress { message, .. } => {
                if let Some((_, shown, _)) = &mut self.doing {
                    shown.clone_from(message);
                }
                Vec::new()
            }
            Progress::StepCompleted { step, evidence, took, .. } => {
                self.doing = None;
                self.completed(step, evidence.as_deref(), *took)
            }
            Progress::StepFailed { step, cause, .. } => {
                self.doing = None;
                // The first failure is what it is about; others are obstacles on the way back.
                self.failed.get_or_insert_with(|| step.clone());
                vec![Line::toned("failed", format!("{}: {}", words::step(step), cause.message), Tone::Bad)]
            }
            Progress::TaskFailed { failure, .. } => {
                let mut lines = vec![Line::toned("task", task(failure), Tone::Bad)];
                // Tasks of a release fail alike: one log is enough.
                if !self.showed_log {
                    lines.extend(last_lines(&failure.log_tail));
                    self.showed_log = lines.len() > 1;
                }
                lines
            }
            Progress::Warning { message } => vec![Line::toned("caution", message.clone(), Tone::Bad)],
            _ => Vec::new(),
        };
        self.unless_quiet(lines)
    }

    pub(crate) fn ending(&mut self, ending: &Ending) -> Vec<Line> {
        self.doing = None;
        ending::lines(self, ending)
    }

    /// Whether only how it ended is told.
    pub(crate) fn is_quiet(&self) -> bool {
        self.verbosity == Verbosity::Quiet
    }

    fn unless_quiet(&self, lines: Vec<Line>) -> Vec<Line> {
        if self.is_quiet() { Vec::new() } else { lines }
    }

    fn started(
        &mut self,
        deployment: &str,
        act: journal::Act,
        release: Option<&ReleaseId>,
        plan: &Plan,
    ) -> Vec<Line> {
        // What was recovered had a beginning of its own; what follows it is ours.
        self.failed = None;
        self.turned = None;
        self.showed_log = false;
        self.shifted.clear();
        let mut lines = Vec::new();
        if std::mem::take(&mut self.recovering) {
            lines.push(Line::new("resume", format!("{deployment}: {}", self.goal(&plan.goal))));
        } else if act == journal::Act::Deploy && self.introduced {
            self.introduced = false;
        } else {
            let label = match act {
                journal::Act::Deploy => "deploy",
                journal::Act::Rollback => "rollback",
                journal::Act::Resume => "resume",
                journal::Act::Scale => "scale",
                journal::Act::Restart => "restart",
                journal::Act::Down => "down",
            };
            let text = match (release, &plan.goal, &self.left) {
                (Some(_), Goal::Serve { release, tasks }, Some(left)) => {
                    let (from, to) = (self.name(left), self.name(release));
                    format!("{from} -> {to}, {}", words::count(u64::from(*tasks), "task"))
                }
                (Some(_), ..) => self.goal(&plan.goal),
                (None, ..) => "everything of the service is removed".to_owned(),
            };
            lines.push(Line::new(label, text));
        }
        if self.verbosity == Verbosity::Verbose {
            lines.extend(plan.steps.iter().map(|step| Line::toned("plan", step.to_string(), Tone::Faint)));
        }
        lines
    }

    fn goal(&self, goal: &Goal) -> String {
        match goal {
            Goal::Serve { release, tasks } => {
                format!("to {}, {}", self.name(release), words::count(u64::from(*tasks), "task"))
            }
            Goal::Nothing => "what was started is removed".to_owned(),
            Goal::Before { revision } => format!("to {}, which was there before", revision.short()),
        }
    }

    fn completed(&mut self, step: &Step, evidence: Option<&str>, took: Duration) -> Vec<Line> {
        if self.verbosity == Verbosity::Verbose {
            return vec![Line::new(words::step(step), in_full(step, evidence, took))];
        }
        let text = match step {
            Step::Shift { shares } => match self.shift(shares) {
                Some(text) => text,
                None => return Vec::new(),
            },
            Step::Place { .. }
            | Step::RollOut { .. }
            | Step::Pass { .. }
            | Step::SmokeStaged { .. }
            | Step::SmokePublic { .. }
            | Step::Bake { .. }
            | Step::Drain { .. } => match evidence {
                Some(evidence) => evidence.to_owned(),
                None => return Vec::new(),
            },
            // Of no interest to whoever waits for the new release.
            Step::Register { .. }
            | Step::Verify { .. }
            | Step::Promote { .. }
            | Step::Retire { .. }
            | Step::GiveUp { .. }
            | Step::Close
            | Step::Withdraw
            | Step::GoBack { .. } => return Vec::new(),
        };
        vec![Line::new(words::step(step), text)]
    }

    /// Where requests go now, unless that is as before.
    fn shift(&mut self, shares: &[Share]) -> Option<String> {
        let weights: Vec<(&ReleaseId, u32)> = shares
            .iter()
            .filter_map(|share| match share.role {
                Role::Serving(weight) => Some((&share.release, weight)),
                Role::Standby | Role::Preview => None,
            })
            .collect();
        let sum: u32 = weights.iter().map(|(_, weight)| weight).sum();
        let text = match weights.as_slice() {
            [] if shares.is_empty() => "no requests any more".to_owned(),
            [] => return None,
            [(release, _)] => format!("100 % to {release:#}"),
            several => {
                let part = |(release, weight): &(&ReleaseId, u32)| {
                    format!("{} % to {release:#}", weight * 100 / sum)
                };
                several.iter().map(part).collect::<Vec<_>>().join(", ")
            }
        };
        let only_preview = shares.iter().any(|share| share.role == Role::Preview);
        if text == self.shifted || (only_preview && self.shifted.is_empty()) {
            return None;
        }
        self.shifted.clone_from(&text);
        Some(text)
    }

    /// `r-5d20aa (1.8.1) alone (2 tasks)`.
    pub(super) fn serving(&self, serving: &[Serving]) -> String {
        match serving {
            [] => "nothing".to_owned(),
            [only] => {
                format!(
                    "{} alone ({})",
                    self.name(&only.release),
                    words::count(u64::from(only.tasks), "task")
                )
            }
            several => {
                let part = |one: &Serving| format!("{} {} %", self.name(&one.release), one.weight);
                several.iter().map(part).collect::<Vec<_>>().join(", ")
            }
        }
    }
}

fn checked(passed: usize, findings: &[Finding], verbosity: Verbosity) -> Vec<Line> {
    let of = |severity: Severity| -> Vec<_> {
        findings.iter().filter(|finding| finding.severity == severity).collect()
    };
    let warnings = of(Severity::Warning);
    let text = if warnings.is_empty() {
        format!("{passed} passed")
    } else {
        format!("{passed} passed, {}", warned(&warnings))
    };
    let mut lines = vec![Line::new("check", text)];
    if verbosity == Verbosity::Verbose {
        lines.extend(findings.iter().map(Line::finding));
    }
    lines
}

/// A step, what was seen and how long it took, behind the word that its line begins with. Nothing is said twice.
fn in_full(step: &Step, evidence: Option<&str>, took: Duration) -> String {
    let whole = step.to_string();
    let text = whole.strip_prefix(words::step(step)).map_or(whole.as_str(), str::trim_start);
    let took = words::duration(took);
    match (step, evidence) {
        // What is seen says how many tasks, and how long it took.
        (Step::Place { release, .. }, Some(evidence)) => format!("{release:#}: {evidence}"),
        (Step::Bake { release, .. }, Some(evidence)) => format!("{release:#}: {evidence} ({took})"),
        (_, Some(evidence)) => format!("{text}: {evidence} ({took})"),
        (_, None) => format!("{text} ({took})"),
    }
}

/// `3 warnings (QS404, QS503)`: `check` shows them in full.
pub(super) fn warned(warnings: &[&Finding]) -> String {
    let codes: BTreeSet<Code> = warnings.iter().map(|finding| finding.code).collect();
    let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
    format!("{} ({})", words::count(warnings.len() as u64, "warning"), codes.join(", "))
}

/// The end of a log of more than one line: a single one stands beside the reason.
fn last_lines(log: &[String]) -> impl Iterator<Item = Line> {
    let shown = if log.len() > 1 { &log[log.len().saturating_sub(LOG_LINES)..] } else { &[] };
    shown.iter().map(|line| Line::toned("log", words::cut(line, LOG_WIDTH), Tone::Faint))
}

/// `0 web exited 1; last log "FATAL"`.
fn task(failure: &TaskFailure) -> String {
    let short = short_task(&failure.task.0);
    let container =
        if failure.container.is_empty() { String::new() } else { format!(" {}", failure.container) };
    let memory = if failure.out_of_memory { " (out of memory)" } else { "" };
    let log = failure.last_words.as_ref().map(|line| format!("; last log {line:?}"));
    let log = log.or_else(|| failure.log_unread.as_ref().map(|why| format!("; {why}"))).unwrap_or_default();
    format!("{short}{container} {}{memory}{log}", failure.reason)
}

/// The part of a task's name that differs within a service.
pub(crate) fn short_task(task: &str) -> &str {
    task.find("-r-").map_or(task, |at| &task[at + 1..])
}

#[cfg(test)]
mod tests {
    use quickserve_core::clock::{Clock as _, SystemClock};
    use quickserve_core::orchestrator::TaskId;

    use super::super::line::Style;
    use super::*;

    #[test]
    fn no_word_of_a_step_is_said_twice() {
        let release = || "r-9ae4aa000000".parse().expect("a name");
        let took = Duration::from_millis(1200);
        let standing = quickserve_core::orchestrator::Standing::Staged;
        let place = Step::Place { release: release(), tasks: 1, standing };
        let told = in_full(&place, Some("1/1 healthy, 1.2 s"), took);
        assert_eq!(told, "r-9ae4aa: 1/1 healthy, 1.2 s");
        let bake = Step::Bake { release: release(), tasks: 1, duration: Duration::from_secs(2) };
        assert_eq!(in_full(&bake, Some("2s pass"), took), "r-9ae4aa: 2s pass (1.2 s)");
        let verify = Step::Verify { release: release(), tasks: 1, alone: true };
        assert_eq!(in_full(&verify, None, took), "that r-9ae4aa alone serves (1.2 s)");
        let shift = Step::Shift { shares: Vec::new() };
        assert_eq!(in_full(&shift, None, took), "traffic away from every release (1.2 s)");
    }

    #[test]
    fn the_first_task_that_fails_tells_its_last_lines() {
        let mut narrator = Narrator::new(String::new(), Verbosity::Normal);
        let failed = |log: &[&str]| Progress::TaskFailed {
            release: "r-9ae4aa000000".parse().expect("a name"),
            failure: TaskFailure {
                task: TaskId("qs-shop.local-r-9ae4aa-0-1".into()),
                container: "shop".into(),
                reason: "exited 17".into(),
                exit_code: Some(17),
                out_of_memory: false,
                ended: None,
                log_tail: log.iter().map(|line| (*line).to_owned()).collect(),
                last_words: Some("panic: no table orders".into()),
                log_unread: None,
            },
        };
        let mut told = |log: &[&str]| {
            let event = Envelope { v: 1, seq: 1, time: SystemClock.now(), progress: failed(log) };
            let style = Style::PLAIN;
            narrator.event(&event).iter().map(|line| style.show(line)).collect::<Vec<_>>()
        };
        let reason = "task     r-9ae4aa-0-1 shop exited 17; last log \"panic: no table orders\"";
        assert_eq!(told(&["panic: no table orders"]), [reason], "one line stands beside the reason");
        let log = ["1", "2", "panic: no table orders", "connecting to ***", "bye"];
        let shown =
            ["log      2", "log      panic: no table orders", "log      connecting to ***", "log      bye"];
        assert_eq!(told(&log), [&[reason][..], &shown].concat());
        assert_eq!(told(&log), [reason], "the next one fails alike");
    }
}
