//! `history`: every deployment of the service, newest first.

use std::collections::BTreeMap;

use quickserve_core::journal::{Act, DeploymentSummary, Event, Journal};
use quickserve_core::outcome::Outcome;
use quickserve_core::release::{Release, ReleaseId};
use serde_json::{Value, json};

use crate::cli::{Format, History};
use crate::failure::Failure;
use crate::output;
use crate::render::{Reporter, Style, words};
use crate::settings::Context;
use crate::target::Target;

pub(super) async fn run(context: &Context, arguments: &History, _: &Reporter) -> Result<(), Failure> {
    let (target, _) = Target::read(context)?;
    // The journal alone knows what happened: no engine is needed to read it.
    let journal = crate::compose::journal(context, &target.key).await?;
    let releases = releases(&journal).await?;
    let deployments = journal.state().deployments.iter().rev();
    let shown: Vec<&DeploymentSummary> = deployments.take(arguments.lines.unwrap_or(usize::MAX)).collect();
    if context.format == Format::Json {
        let entries: Vec<Value> = shown.iter().map(|summary| entry(summary, &releases)).collect();
        output::data_line(&json!(entries).to_string());
        return Ok(());
    }
    if shown.is_empty() {
        output::tell(&format!("{} was never deployed", target.key));
        return Ok(());
    }
    let rows: Vec<[String; 6]> = shown.iter().map(|summary| row(summary, &releases)).collect();
    let head = ["DEPLOYMENT", "ACT", "RELEASE", "OUTCOME", "WHEN", "BY"].map(str::to_owned);
    let style = Style { colour: context.terminal.colour_data };
    for (index, line) in table(&head, &rows).into_iter().enumerate() {
        let line = if index == 0 { style.paint("1", &line) } else { line };
        // A reader that has seen enough goes away.
        if !output::data_line(&line) {
            break;
        }
    }
    Ok(())
}

/// Every release that a deployment was opened for, also before a removal.
async fn releases(journal: &Journal) -> Result<BTreeMap<ReleaseId, Release>, Failure> {
    let mut releases = journal.state().releases.clone();
    let known = |summary: &DeploymentSummary| {
        summary.release.as_ref().is_none_or(|release| journal.state().releases.contains_key(release))
    };
    if !journal.state().deployments.iter().all(known) {
        for record in journal.records(1).await? {
            if let Some(Event::Opened(opened)) = record.entry.event()
                && let Some(release) = &opened.release
            {
                releases.insert(release.id.clone(), release.clone());
            }
        }
    }
    Ok(releases)
}

fn entry(summary: &DeploymentSummary, releases: &BTreeMap<ReleaseId, Release>) -> Value {
    let release = summary.release.as_ref().and_then(|release| releases.get(release));
    json!({
        "deployment": summary.deployment,
        "act": summary.act,
        "release": summary.release,
        "version": release.map(|release| &release.version),
        "images": release.map(Release::digests).unwrap_or_default(),
        "outcome": summary.outcome.map(Outcome::name),
        "started": summary.started,
        "finished": summary.finished,
        "by": summary.by,
        "cause": summary.cause,
    })
}

fn row(summary: &DeploymentSummary, releases: &BTreeMap<ReleaseId, Release>) -> [String; 6] {
    let act = match summary.act {
        Act::Deploy => "deploy",
        Act::Rollback => "rollback",
        Act::Resume => "resume",
        Act::Down => "down",
    };
    let release = match &summary.release {
        None => "-".to_owned(),
        Some(id) => match releases.get(id) {
            Some(release) => format!("{id:#} ({})", release.version),
            None => format!("{id:#}"),
        },
    };
    let outcome = summary.outcome.map_or_else(|| "in flight".to_owned(), |outcome| outcome.to_string());
    [
        summary.deployment.to_string(),
        act.to_owned(),
        release,
        outcome,
        words::moment(summary.started),
        summary.by.clone(),
    ]
}

/// Columns as wide as what is in them; the last one is not padded.
pub(super) fn table<const N: usize>(head: &[String; N], rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().chain(std::iter::once(head)).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(head).chain(rows).map(line).collect()
}
