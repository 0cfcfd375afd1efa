//! `env show`: what the contract asks for, and what has it in this environment.

use std::collections::{BTreeMap, BTreeSet};

use quickserve_core::config::variables::Contract;
use quickserve_core::outcome::Outcome;
use quickserve_docker::variable_names;
use serde_json::json;

use super::code;
use crate::assemble;
use crate::cli::{Draft, Format};
use crate::commands::check;
use crate::failure::Failure;
use crate::output;
use crate::render::{Line, Style, Tone, words};
use crate::settings::Context;
use crate::target::Target;

/// Where a variable's value comes from.
type Sources = BTreeMap<String, Vec<&'static str>>;

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let (target, project) = Target::read(context)?;
    let subject = check::subject(context, &target, &project, &Draft::default());
    let Some(path) = &subject.contract else {
        let hint =
            "write env_contract = \".env.example\" in quickserve.toml; quickserve env template writes one";
        return Err(Failure::usage("no contract is named", hint));
    };
    let shown = subject.name(path);
    let text = quickserve_check::Text::read(&subject.path(path), &shown)
        .map_err(|finding| Failure::findings(Outcome::UsageError, vec![*finding]))?;
    let contract = Contract::parse(&text.text, &shown);
    let (workload, wrong) = assemble::variables(context, &project, &target.settings);
    if !wrong.is_empty() {
        // What has a value is not known: to call it missing would be wrong.
        return Err(Failure::findings(Outcome::UsageError, wrong));
    }
    let mut sources = Sources::new();
    let mut add = |name: &str, source: &'static str| sources.entry(name.to_owned()).or_default().push(source);
    if target.settings.env_file.is_some() {
        // One that does not exist gives nothing a value.
        let names = variable_names(&assemble::env_file(&project, &target.settings)).unwrap_or_default();
        for name in &names {
            add(name, "env_file");
        }
    }
    for name in target.settings.variables.keys() {
        add(name, "variables");
    }
    let containers = workload.iter().flat_map(|workload| &workload.containers);
    for container in containers {
        for name in container.environment.keys().filter(|name| !target.settings.variables.contains_key(*name))
        {
            add(name, "environment");
        }
        for name in container.secrets.keys() {
            add(name, "secrets");
        }
    }
    let code = code(subject).await?;
    let read = code.names();
    let declared: BTreeSet<&str> = contract.names().collect();
    let strangers: Vec<&str> =
        sources.keys().map(String::as_str).filter(|name| !declared.contains(name)).collect();
    let undeclared: Vec<&str> = read.iter().copied().filter(|name| !declared.contains(name)).collect();

    if context.format == Format::Json {
        let variables = contract.variables().iter().map(|variable| {
            json!({
                "name": variable.name,
                "required": !variable.optional,
                "where": variable.place,
                "description": variable.comment,
                "from": sources.get(&variable.name).cloned().unwrap_or_default(),
                "read": read.contains(variable.name.as_str()),
            })
        });
        let data = json!({
            "service": target.key.service(),
            "environment": target.key.environment(),
            "contract": shown,
            "variables": variables.collect::<Vec<_>>(),
            "beside": strangers,
            "undeclared": undeclared,
        });
        output::data_line(&data.to_string());
        return Ok(());
    }
    let style = Style { colour: context.terminal.colour_data };
    let mut lines = vec![Line::new("contract", format!("{shown} for {}", target.arrow()))];
    let width = contract.names().map(str::len).max().unwrap_or_default();
    for variable in contract.variables() {
        let (label, tone, from) = match (sources.get(&variable.name), variable.optional) {
            (Some(from), _) => ("there", Tone::Plain, from.join(", ")),
            (None, true) => ("optional", Tone::Faint, "not there".to_owned()),
            (None, false) => ("missing", Tone::Bad, "nothing gives it a value".to_owned()),
        };
        let unread =
            if read.is_empty() || read.contains(variable.name.as_str()) { "" } else { "; no code reads it" };
        lines.push(Line::toned(label, format!("{:width$}  {from}{unread}", variable.name), tone));
    }
    let list = |label, names: &[&str]| {
        (!names.is_empty()).then(|| Line::new(label, words::cut(&names.join(", "), 400)))
    };
    lines.extend(list("beside", &strangers));
    lines.extend(list("unasked", &undeclared));
    for line in lines {
        output::data_line(&style.show(&line));
    }
    Ok(())
}
