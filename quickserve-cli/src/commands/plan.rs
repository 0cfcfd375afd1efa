//! `plan`: what a deployment would change, and its steps.

use quickserve_core::outcome::Outcome;
use quickserve_core::preflight;
use serde_json::json;

use super::deploy::{drafted, prepare};
use super::in_flight::InFlight;
use super::show;
use crate::cli::{Format, Plan};
use crate::compose::Access;
use crate::failure::Failure;
use crate::output;
use crate::render::{Line, Reporter, Told, Tone, words};
use crate::settings::Context;
use crate::target::Target;

pub(super) async fn run(context: &Context, arguments: &Plan, reporter: &Reporter) -> Result<(), Failure> {
    let (target, project) = Target::read(context)?;
    let drafted = drafted(context, &target, &project, &arguments.draft, Access::Read, reporter);
    let (draft, stage) = drafted.await?;
    let prepared = prepare(context, &target, &project, &stage, draft, &arguments.draft, reporter).await?;
    let plan = stage.deployer.plan(&prepared.request).await?;
    let release = &prepared.request.release;
    let condemned = prepared.state.condemned.get(&release.id);
    if let (Some(cause), false) = (condemned, arguments.retry) {
        // As `deploy` does: a plan that would be refused is none.
        let finding = preflight::condemned(&release.id, cause);
        return Err(Failure::findings(Outcome::Refused, vec![finding]));
    }
    let in_flight = InFlight::of(&stage.deployer.journal().await?).await?;
    let from = prepared.state.current();

    if context.format == Format::Json {
        let plan = json!({
            "service": target.key.service(),
            "environment": target.key.environment(),
            "release": { "release": release.id, "version": release.version, "images": release.digests(), "commit": release.commit },
            "from": from,
            "change": prepared.change,
            "condemned": condemned,
            "in_flight": in_flight.as_ref().map(InFlight::json),
            "findings": Told::all(&prepared.report.findings),
            "plan": plan,
        });
        output::data_line(&plan.to_string());
        return Ok(());
    }
    let mut lines = vec![Line::new("plan", format!("{}  {}", target.arrow(), words::release(release)))];
    let serves = match from.and_then(|from| prepared.state.releases.get(from)) {
        Some(release) => words::release(release),
        None => "nothing".to_owned(),
    };
    lines.push(Line::new("serving", serves));
    lines.push(Line::new("change", prepared.change.sentence()));
    let config = &prepared.request.config;
    lines.push(Line::new(
        "strategy",
        format!("{}, {}", plan.strategy, words::count(u64::from(prepared.request.tasks), "task")),
    ));
    if plan.steps.is_empty() {
        lines.push(Line::new("steps", "none: it serves already"));
    }
    for (index, step) in plan.steps.iter().enumerate() {
        lines.push(Line::new(if index == 0 { "steps" } else { "" }, format!("{:>2}  {step}", index + 1)));
    }
    lines.push(Line::new("timeout", words::duration(config.timeout)));
    if let Some(cause) = condemned {
        let text = format!("{:#} was rolled back before and needs --retry: {}", release.id, cause.message);
        lines.push(Line::toned("caution", text, Tone::Bad));
    }
    if let Some(in_flight) = &in_flight {
        let what = in_flight.sentence();
        lines.push(Line::toned("caution", what, Tone::Bad));
        let then = if in_flight.is_left() {
            "deploy brings that to its end first, and may need other steps then"
        } else {
            "deploy is refused until that has ended, or waits for it with --wait"
        };
        lines.push(Line::new("", then));
    }
    for finding in &prepared.report.findings {
        lines.push(Line::finding(finding));
    }
    show(context, &lines);
    Ok(())
}
