//! Which images the containers get.

use std::collections::BTreeMap;

use quickserve_core::config::{Settings, ShortForm};
use quickserve_core::outcome::Outcome;
use quickserve_core::workload::{Reading, TaskDefinition, Workload, from_short_form};

use crate::failure::Failure;
use crate::settings::Context;

/// The images that were named: of containers, and of the main one.
pub(super) struct Images {
    main: Option<String>,
    named: BTreeMap<String, String>,
    /// Whether any image was named by an argument or a variable.
    pub(super) any_is_named: bool,
    buildable: bool,
}

impl Images {
    pub(super) fn parse(
        context: &Context,
        settings: &Settings,
        arguments: &[String],
    ) -> Result<Self, Failure> {
        let from_variable: Vec<String> = context.image.iter().cloned().collect();
        let arguments = if arguments.is_empty() { from_variable.as_slice() } else { arguments };
        let mut images = Self {
            main: None,
            named: BTreeMap::new(),
            any_is_named: !arguments.is_empty(),
            buildable: settings.build.is_some(),
        };
        for argument in arguments {
            let twice = match argument.split_once('=') {
                Some((container, reference)) => {
                    images.named.insert(container.to_owned(), reference.to_owned()).is_some()
                }
                None => images.main.replace(argument.clone()).is_some(),
            };
            if twice {
                let hint = "name each container once: --image web=shop:1.2 --image log=logger:3";
                return Err(Failure::usage(
                    format!("two images are given for the same container: {argument}"),
                    hint,
                ));
            }
        }
        // With a build, `image` names the repository of what is built, not something to deploy.
        if images.main.is_none() && !images.buildable {
            images.main.clone_from(&settings.image);
        }
        Ok(images)
    }

    fn missing(&self) -> Failure {
        if self.buildable {
            let hint = "build it yourself, then name it: quickserve deploy --image REF";
            return Failure::refused("this version cannot build images yet", hint);
        }
        let hint = "name it: --image shop:1.8.2, or image = \"shop:1.8.2\" in quickserve.toml";
        Failure::usage("no image is named", hint)
    }
}

/// What runs, each container's image, and the main container.
pub(super) type Described = (Workload, BTreeMap<String, String>, String);

pub(super) fn short_form(
    settings: &Settings,
    form: &ShortForm,
    names: &[String],
    mut images: Images,
) -> Result<Described, Failure> {
    let workload = from_short_form(settings, form, names.iter().map(String::as_str));
    let container = workload.containers[0].name.clone();
    let own = images.named.remove(&container).or(images.main.take());
    if let Some(other) = images.named.keys().next() {
        let hint = format!("the only container is {container}");
        return Err(Failure::usage(format!("no container is named {other}"), hint));
    }
    let reference = own.ok_or_else(|| images.missing())?;
    Ok((workload, [(container.clone(), reference)].into(), container))
}

pub(super) fn task_definition(
    context: &Context,
    text: &str,
    shown: String,
    settings: &Settings,
    images: &Images,
) -> Result<TaskDefinition, Failure> {
    let reading = Reading {
        values: context.placeholders().clone(),
        image: images.main.clone(),
        images: images.named.clone(),
        ..Reading::of(settings, shown)
    };
    // The reader knows no secrets: what holds values is not shown, as `check` does not.
    let discreet = |findings| quickserve_check::definition::discreet(text, findings);
    let mut definition = TaskDefinition::read(text, &reading)
        .map_err(|problems| Failure::findings(Outcome::UsageError, discreet(problems.into_findings())))?;
    definition.notes = discreet(definition.notes);
    if definition.images.len() < definition.workload.containers.len() {
        return Err(images.missing());
    }
    let is_local = settings.ecs.is_none();
    if is_local && definition.workload.endpoint.is_some() && settings.public.port.is_none() {
        let environment = settings.key.environment();
        let hint = format!("add public_port = 8080 to [environments.{environment}]");
        return Err(Failure::usage("`public_port` is missing: the service takes requests", hint));
    }
    Ok(definition)
}
