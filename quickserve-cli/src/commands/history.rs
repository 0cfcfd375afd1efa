//! `history`: every deployment and every lock of the service, newest first; what `run` and `exec` did too, if asked.

use std::collections::BTreeMap;

use jiff::Timestamp;
use quickserve_core::journal::{
    Act, CommandPlace, CommandSummary, DeploymentSummary, Event, Journal, Lock, State,
};
use quickserve_core::outcome::Outcome;
use quickserve_core::release::{Release, ReleaseId};
use serde_json::{Value, json};

use super::in_flight::InFlight;
use super::table::{below, table};
use super::why::why;
use crate::cli::{Format, History};
use crate::compose::{self, Access};
use crate::failure::Failure;
use crate::output;
use crate::render::{Reporter, Style, words};
use crate::settings::Context;
use crate::target::Target;

pub(super) async fn run(context: &Context, arguments: &History, _: &Reporter) -> Result<(), Failure> {
    let (target, _) = Target::find_to_look(context)?;
    // The journal alone knows what happened: no engine is needed to read it.
    let journal = compose::journal(context, &target, Access::Read).await?;
    let known = Known::of(&journal).await?;
    let shown = happened(journal.state(), arguments);
    if context.format == Format::Json {
        let entries: Vec<Value> = shown.iter().map(|happened| happened.entry(&known)).collect();
        output::data_line(&json!(entries).to_string());
        return Ok(());
    }
    if journal.state().deployments.is_empty() {
        output::tell(&format!("{} was never deployed", target.key));
        return Ok(());
    }
    let rows: Vec<[String; 6]> = shown.iter().map(|happened| happened.row(&known)).collect();
    let head = ["DEPLOYMENT", "ACT", "RELEASE", "OUTCOME", "WHEN", "BY"].map(str::to_owned);
    let width = context.terminal.width;
    let rows = fitting(&head, rows, width, |index| words::short_moment(shown[index].began()));
    let style = Style::data(&context.terminal).within(None);
    for (index, line) in table(&head, &rows).into_iter().enumerate() {
        // What is cut off is a name or a reason, never the end of a column before.
        let line = width.map_or(line.clone(), |width| words::cut(&line, width));
        let line = if index == 0 { style.paint("1", &line) } else { line };
        let why = index.checked_sub(1).and_then(|index| shown[index].why());
        let why = why.map(|why| style.paint("2", &below(&why, width)));
        // A reader that has seen enough goes away.
        if !std::iter::once(line).chain(why).all(|line| output::data_line(&line)) {
            break;
        }
    }
    Ok(())
}

/// Rows with short times, and without the hosts of people, where the whole ones do not fit into a terminal of this
/// width.
fn fitting(
    head: &[String; 6],
    mut rows: Vec<[String; 6]>,
    width: Option<usize>,
    short: impl Fn(usize) -> String,
) -> Vec<[String; 6]> {
    let fits =
        |rows: &[[String; 6]], width| table(head, rows).iter().all(|line| line.chars().count() <= width);
    if width.is_none_or(|width| fits(&rows, width)) {
        return rows;
    }
    for (index, row) in rows.iter_mut().enumerate() {
        row[4] = short(index);
    }
    if width.is_some_and(|width| !fits(&rows, width)) {
        for row in &mut rows {
            let (who, rest) = row[5].split_once(": ").unwrap_or((&row[5], ""));
            let user = who.split('@').next().unwrap_or(who);
            row[5] = if rest.is_empty() { user.to_owned() } else { format!("{user}: {rest}") };
        }
    }
    rows
}

/// What a line is about.
enum Happened<'a> {
    Deployment(&'a DeploymentSummary),
    Lock(&'a Lock),
    Command(&'a CommandSummary),
}

/// What happened, newest first, as much of it as is asked for.
fn happened<'a>(state: &'a State, asked: &History) -> Vec<Happened<'a>> {
    let deployments = state.deployments.iter().map(Happened::Deployment);
    let locks = state.locks.iter().map(Happened::Lock);
    let commands = state.commands.iter().filter(|_| asked.all).map(Happened::Command);
    let mut happened: Vec<Happened<'_>> = deployments.chain(locks).chain(commands).collect();
    happened.sort_by_key(|happened| std::cmp::Reverse(happened.began()));
    happened.truncate(asked.lines.unwrap_or(usize::MAX));
    happened
}

impl Happened<'_> {
    fn began(&self) -> Timestamp {
        match self {
            Self::Deployment(summary) => summary.started,
            Self::Lock(lock) => lock.since,
            Self::Command(summary) => summary.started,
        }
    }

    fn entry(&self, known: &Known<'_>) -> Value {
        match self {
            Self::Deployment(summary) => entry(summary, known),
            Self::Lock(lock) => lock_entry(lock),
            Self::Command(summary) => command_entry(summary),
        }
    }

    /// Why it did not end well.
    fn why(&self) -> Option<String> {
        match self {
            Self::Deployment(summary) => why(summary),
            Self::Lock(_) | Self::Command(_) => None,
        }
    }

    fn row(&self, known: &Known<'_>) -> [String; 6] {
        match self {
            Self::Deployment(summary) => row(summary, known),
            Self::Lock(lock) => lock_row(lock),
            Self::Command(summary) => command_row(summary, known),
        }
    }
}

/// A lock has every key that a deployment has, so that a reader needs no second form.
fn lock_entry(lock: &Lock) -> Value {
    json!({
        "deployment": null,
        "act": "lock",
        "release": null,
        "version": null,
        "images": {},
        "outcome": lock.lifted.as_ref().map(|_| "unlocked"),
        "started": lock.since,
        "finished": lock.lifted.as_ref().map(|lifted| lifted.at),
        "by": lock.by,
        "cause": { "message": lock.reason },
    })
}

fn lock_row(lock: &Lock) -> [String; 6] {
    let outcome = match &lock.lifted {
        Some(lifted) => format!("unlocked by {}", lifted.by),
        None => "in force".to_owned(),
    };
    let none = || "-".to_owned();
    let by = format!("{}: {}", lock.by, lock.reason);
    [none(), "lock".to_owned(), none(), outcome, words::moment(lock.since), by]
}

/// What is known of the releases that are told of.
struct Known<'a> {
    state: &'a State,
    /// The deployment that has not ended, if there is one.
    in_flight: Option<InFlight>,
    /// Every release that a deployment was opened for, also before a removal.
    releases: BTreeMap<ReleaseId, Release>,
}

impl<'a> Known<'a> {
    async fn of(journal: &'a Journal) -> Result<Self, Failure> {
        let state = journal.state();
        let mut releases = state.releases.clone();
        let known = |summary: &DeploymentSummary| {
            summary.release.as_ref().is_none_or(|release| state.releases.contains_key(release))
        };
        if !state.deployments.iter().all(known) {
            for record in journal.records(1).await? {
                if let Some(Event::Opened(opened)) = record.entry.event()
                    && let Some(release) = &opened.release
                {
                    releases.insert(release.id.clone(), release.clone());
                }
            }
        }
        Ok(Self { state, in_flight: InFlight::of(journal).await?, releases })
    }

    /// Whether the release that serves serves by this deployment.
    fn is_serving(&self, summary: &DeploymentSummary) -> bool {
        let current = self.state.current();
        let promoted = |other: &&DeploymentSummary| {
            other.outcome == Some(Outcome::Done) && other.release.as_ref() == current
        };
        let by = self.state.deployments.iter().rev().find(promoted);
        current.is_some() && by.is_some_and(|by| by.seq == summary.seq)
    }

    /// What becomes of a deployment that has not ended.
    fn open(&self) -> &'static str {
        match &self.in_flight {
            Some(in_flight) if in_flight.is_paused() => "paused",
            Some(in_flight) if in_flight.is_left() => "left",
            _ => "in flight",
        }
    }

    /// `r-7c41e9 (1.8.2)`.
    fn named(&self, id: &ReleaseId) -> String {
        match self.releases.get(id) {
            Some(release) => format!("{id:#} ({})", release.version),
            None => format!("{id:#}"),
        }
    }
}

fn entry(summary: &DeploymentSummary, known: &Known<'_>) -> Value {
    let kept = summary.release.as_ref().map(|release| known.state.can_return_to(release));
    let release = summary.release.as_ref().and_then(|release| known.releases.get(release));
    json!({
        "deployment": summary.deployment,
        "act": summary.act,
        "release": summary.release,
        "version": release.map(|release| &release.version),
        "kept": kept,
        "serving": known.is_serving(summary),
        "condemned": summary.release.as_ref().is_some_and(|id| known.state.condemned.contains_key(id)),
        "images": release.map(Release::digests).unwrap_or_default(),
        "outcome": summary.outcome.map(Outcome::name),
        "started": summary.started,
        "finished": summary.finished,
        "by": summary.by,
        "cause": summary.cause,
    })
}

fn row(summary: &DeploymentSummary, known: &Known<'_>) -> [String; 6] {
    let act = match summary.act {
        Act::Deploy => "deploy",
        Act::Rollback => "rollback",
        Act::Resume => "resume",
        Act::Scale => "scale",
        Act::Restart => "restart",
        Act::Down => "down",
    };
    let release = match &summary.release {
        None => "-".to_owned(),
        Some(id) => {
            let marks = [
                (known.is_serving(summary), "serving"),
                (known.state.condemned.contains_key(id), "condemned"),
                (known.state.pruned.contains(id), "not kept"),
            ];
            let marks = marks.iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| format!(", {mark}"));
            format!("{}{}", known.named(id), marks.collect::<String>())
        }
    };
    let outcome = summary.outcome.map_or_else(|| known.open().to_owned(), |outcome| outcome.to_string());
    [
        summary.deployment.to_string(),
        act.to_owned(),
        release,
        outcome,
        words::moment(summary.started),
        summary.by.clone(),
    ]
}

/// The name of the command that ran it.
fn verb(place: &CommandPlace) -> &'static str {
    match place {
        CommandPlace::OneOff => "run",
        CommandPlace::Task { .. } => "exec",
    }
}

fn command_entry(summary: &CommandSummary) -> Value {
    let task = match &summary.began.place {
        CommandPlace::OneOff => None,
        CommandPlace::Task { task } => Some(task),
    };
    json!({
        "deployment": null,
        "act": verb(&summary.began.place),
        "release": summary.began.release,
        "container": summary.began.container,
        "task": task,
        "program": summary.began.program,
        "exit_code": summary.exit_code,
        "started": summary.started,
        "finished": summary.finished,
        "by": summary.began.by,
    })
}

fn command_row(summary: &CommandSummary, known: &Known<'_>) -> [String; 6] {
    let outcome = match (summary.exit_code, summary.finished) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(_)) => "no exit code".to_owned(),
        (None, None) => "begun".to_owned(),
    };
    [
        "-".to_owned(),
        format!("{} {}", verb(&summary.began.place), summary.began.program),
        known.named(&summary.began.release),
        outcome,
        words::moment(summary.started),
        summary.began.by.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_only_where_the_whole_ones_do_not_fit() {
        let head = ["DEPLOYMENT", "ACT", "RELEASE", "OUTCOME", "WHEN", "BY"].map(str::to_owned);
        let row = [
            "d-20261123-1",
            "rollback",
            "r-000001 (1), serving",
            "rolled_back",
            "2026-11-23 07:12:31Z",
            "ada@host",
        ];
        let rows = vec![row.map(str::to_owned)];
        let when = |width| fitting(&head, rows.clone(), width, |_| "11-23 07:12".to_owned())[0][4].clone();
        assert_eq!(when(None), "2026-11-23 07:12:31Z", "a file gets all");
        assert_eq!(when(Some(120)), "2026-11-23 07:12:31Z");
        assert_eq!(when(Some(80)), "11-23 07:12");
        let by = |width| fitting(&head, rows.clone(), width, |_| "11-23 07:12".to_owned())[0][5].clone();
        assert_eq!((by(Some(81)), by(Some(80))), ("ada@host".to_owned(), "ada".to_owned()));
    }
}
