//! `env diff`: what one environment has and another has not.

use std::collections::BTreeSet;

use quickserve_core::config::Settings;
use serde_json::json;

use super::given::given;
use crate::cli::{Draft, Format};
use crate::commands::check;
use crate::failure::Failure;
use crate::output;
use crate::project::Project;
use crate::render::{Line, Style, Tone};
use crate::settings::Context;
use crate::target::Target;

pub(super) fn run(context: &Context, one: &str, other: &str) -> Result<(), Failure> {
    let project = Project::read(context)?;
    let names = |environment: &str| {
        let settings = project.config.settings(context.service.as_deref(), Some(environment))?;
        names(context, &project, settings)
    };
    let (left, right) = (names(one)?, names(other)?);
    let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| -> Vec<String> {
        these.difference(those).cloned().collect()
    };
    let (only_left, only_right) = (only(&left, &right), only(&right, &left));
    let both = left.intersection(&right).count();
    if context.format == Format::Json {
        let data = json!({ one: { "only": only_left }, other: { "only": only_right }, "both": both });
        output::data_line(&data.to_string());
        return Ok(());
    }
    let style = Style::data(&context.terminal);
    let mut lines = Vec::new();
    for (environment, names) in [(one, only_left), (other, only_right)] {
        lines.extend(
            names.into_iter().map(|name| Line::toned("only", format!("{name}  in {environment}"), Tone::Bad)),
        );
    }
    let tone = if lines.is_empty() { Tone::Good } else { Tone::Plain };
    let count = crate::render::words::count(both as u64, "variable");
    lines.push(Line::toned("both", format!("{count} in {one} and {other}; values are not compared"), tone));
    for line in lines {
        output::data_line(&style.show(&line));
    }
    Ok(())
}

/// The variables that an environment gives to the service. A task definition gives the same to every environment that
/// names it.
fn names(context: &Context, project: &Project, settings: &Settings) -> Result<BTreeSet<String>, Failure> {
    let target = Target::of(project, settings.clone());
    let subject = check::subject(context, &target, project, &Draft::default());
    Ok(given(context, project, settings, &subject)?.into_keys().collect())
}
