//! `plan`: what a deployment would change, and its steps.

use serde_json::json;

use super::deploy::{drafted, prepare};
use crate::assemble;
use crate::cli::{Draft, Format};
use crate::failure::Failure;
use crate::output;
use crate::render::{Line, Reporter, Style, words};
use crate::settings::Context;
use crate::target::Target;

pub(super) async fn run(context: &Context, arguments: &Draft, reporter: &Reporter) -> Result<(), Failure> {
    let (target, project) = Target::read(context)?;
    let draft = drafted(context, &target, &project, arguments)?;
    let (stage, commit) = tokio::join!(target.stage(context, reporter), assemble::commit(&project.folder));
    let stage = stage?;
    let prepared = prepare(context, &target, &stage, draft, commit, arguments, reporter).await?;
    let plan = stage.deployer.plan(&prepared.request).await?;
    let release = &prepared.request.release;
    let condemned = prepared.state.condemned.get(&release.id);
    let from = prepared.state.current();

    if context.format == Format::Json {
        let plan = json!({
            "service": target.key.service(),
            "environment": target.key.environment(),
            "release": { "release": release.id, "version": release.version, "images": release.digests(), "commit": release.commit },
            "from": from,
            "change": prepared.change,
            "condemned": condemned,
            "findings": prepared.report.findings,
            "plan": plan,
        });
        output::data_line(&plan.to_string());
        return Ok(());
    }
    let style = Style { colour: context.terminal.colour_data };
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
    for (index, step) in plan.steps.iter().enumerate() {
        lines.push(Line::new(if index == 0 { "steps" } else { "" }, format!("{:>2}  {step}", index + 1)));
    }
    lines.push(Line::new("timeout", words::duration(config.timeout)));
    if let Some(cause) = condemned {
        let text = format!("{:#} was rolled back before and needs --retry: {}", release.id, cause.message);
        lines.push(Line::toned("caution", text, crate::render::Tone::Bad));
    }
    for finding in &prepared.report.findings {
        lines.push(Line::Finding(Box::new(finding.clone())));
    }
    for line in lines {
        output::data_line(&style.show(&line));
    }
    Ok(())
}
