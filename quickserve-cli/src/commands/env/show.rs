//! `env show`: what the contract asks for, and what has it in this environment.

use std::collections::BTreeSet;

use quickserve_check::contract::Contract;
use quickserve_core::outcome::Outcome;
use serde_json::json;

use super::code;
use super::given::{Gives, Source, by_platform, given};
use crate::cli::{Draft, Format};
use crate::commands::check;
use crate::failure::Failure;
use crate::output;
use crate::render::{Line, Style, Tone, words};
use crate::settings::Context;
use crate::target::Target;

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
    let (contract, _) = Contract::read(text);
    let settings = &target.settings;
    let sources = given(context, &project, settings, &subject)?;
    let known = |name: &str| {
        let mut known = sources.get(name).cloned().unwrap_or_default();
        if known.is_empty() && by_platform(settings, name) {
            known.push(Source { name: "platform", gives: Gives::Value });
        }
        known
    };
    let which = |name: &str, is: &dyn Fn(Gives) -> bool| -> Vec<&'static str> {
        known(name).into_iter().filter(|source| is(source.gives)).map(|source| source.name).collect()
    };
    let from = |name: &str| which(name, &|gives| gives != Gives::Nothing);
    let without = |name: &str| which(name, &|gives| gives == Gives::Nothing);
    let has_value = |name: &str| known(name).iter().any(|source| source.gives == Gives::Value);
    let code = code(subject).await?;
    let read = code.names();
    let declared: BTreeSet<&str> = contract.names().collect();
    let strangers: Vec<&str> =
        sources.keys().map(String::as_str).filter(|name| !declared.contains(name)).collect();
    let undeclared: Vec<&str> = read.iter().copied().filter(|name| !declared.contains(name)).collect();

    if context.format == Format::Json {
        let variables = contract.variables.iter().map(|variable| {
            json!({
                "name": variable.name,
                "required": variable.required,
                "secret": variable.secret,
                "type": variable.kind.as_ref().map(ToString::to_string),
                "where": variable.place,
                "description": variable.description,
                "from": from(&variable.name),
                "without_value": without(&variable.name),
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
        output::data_line(&quickserve_check::mask(&data.to_string()));
        return Ok(());
    }
    let style = Style::data(&context.terminal);
    let mut lines = vec![Line::new("contract", format!("{shown} for {}", target.arrow()))];
    let width = words::column(contract.names());
    for variable in &contract.variables {
        let (from, without) = (from(&variable.name), without(&variable.name));
        let nothing = || format!("no value in {}", without.join(", "));
        let (label, tone, from) = match variable.required {
            _ if has_value(&variable.name) => ("there", Tone::Plain, from.join(", ")),
            // The store of another machine is asked by `check`.
            _ if !from.is_empty() => {
                ("named", Tone::Plain, format!("{}: check asks for it", from.join(", ")))
            }
            false if !without.is_empty() => ("optional", Tone::Faint, nothing()),
            false => ("optional", Tone::Faint, "not there".to_owned()),
            true if !without.is_empty() => ("missing", Tone::Bad, nothing()),
            true => ("missing", Tone::Bad, "nothing gives it a value".to_owned()),
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
