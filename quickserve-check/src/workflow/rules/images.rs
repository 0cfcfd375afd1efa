//! QS802, QS803, QS808, and QS302 in scripts: whether the image that is built is the one that is deployed.

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding};

use crate::Text;
use crate::workflow::Pipelines;
use crate::workflow::actions::Step;
use crate::workflow::pipelines::{Scope, Unit};
use crate::workflow::programs::{DEPLOY_ACTIONS, RENDER_ACTION};
use crate::workflow::pushed::{self, Pushed};
use crate::workflow::scripts::Script;
use crate::workflow::shell::{Assignment, BlockKind, Command, Connector, Reference, Word};
use crate::workflow::template::{self, Template};

/// QS802: ECS is told to deploy what it has, after an image was pushed that nothing names.
pub(super) fn not_deployed(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for scope in pipelines.scopes() {
        let pushed: Vec<Pushed> =
            pushed::of(&scope).into_iter().filter(|image| image.tag.is_some()).collect();
        if pushed.iter().any(|image| !image.is_fixed()) && !names_revision(&scope) {
            for unit in &scope.units {
                let commands = unit.shell.commands.iter().filter(|command| deploys_what_is_there(command));
                findings.extend(commands.map(|command| not_the_built(pipelines, *unit, command, &pushed)));
            }
        }
    }
    findings
}

/// Whether a command makes ECS start new tasks of the definition that the service has.
fn deploys_what_is_there(command: &Command) -> bool {
    command.is("aws ecs update-service")
        && command.flag("--force-new-deployment").is_some()
        && command.flag("--task-definition").is_none()
        && command.flag("--cli-input-json").is_none()
        && command.flag("--cli-input-yaml").is_none()
}

/// Whether something else of the scope may give the service another definition.
fn names_revision(scope: &Scope<'_>) -> bool {
    let commands = scope.units.iter().flat_map(|unit| &unit.shell.commands);
    let other = |command: &Command| {
        command.deploys()
            && !(command.is("aws ecs update-service") && command.flag("--task-definition").is_none())
    };
    let acts = |step: &Step| DEPLOY_ACTIONS.iter().any(|action| step.is_action(action));
    commands.into_iter().any(other) || scope.steps.iter().any(|placed| acts(placed.step))
}

fn not_the_built(pipelines: &Pipelines, unit: Unit<'_>, command: &Command, pushed: &[Pushed]) -> Finding {
    let head = command.span.start..command.program().get(2).map_or(command.span.end, |word| word.span.end);
    // A definition that names a tag which is pushed again each time does get the new image.
    let moving = pushed.iter().filter(|image| image.is_fixed()).filter_map(|image| image.tag.as_deref());
    let moving: Vec<&str> = moving.collect();
    let own = pipelines.definition.as_ref().and_then(|path| pipelines.templates.get(path));
    let known: Vec<&Template> = own.map_or_else(|| pipelines.templates.values().collect(), |own| vec![own]);
    let names_moving = |template: &&Template| {
        template.images.iter().any(|image| moving.contains(&pushed::tag(image).unwrap_or("latest")))
    };
    let certain = moving.is_empty() || (!known.is_empty() && !known.iter().any(names_moving));
    let built = pushed.iter().find(|image| !image.is_fixed()).map_or("", |image| image.reference.as_str());
    let message =
        format!("{built} is built and not deployed: ECS starts what the current task definition names");
    let finding = if certain {
        unit.file.error(Code::NOT_DEPLOYED, &head, message)
    } else {
        unit.file.warning(Code::NOT_DEPLOYED, &head, message)
    };
    finding.with_hint("register a task definition with that image, and pass it as `--task-definition`")
}

/// QS802: a script that is told which version to deploy, prints it, and deploys something else.
pub(super) fn unused_tag(pipelines: &Pipelines) -> Vec<Finding> {
    let of_script = |script: &Script| -> Vec<Finding> {
        let commands = &script.commands.commands;
        let hands_on = |command: &Command| {
            // What is exported, or read by a sourced file, can be used where we do not see it.
            matches!(command.name(), "export" | "source" | "." | "set" | "eval" | "declare")
                && (command.name() != "set" || command.words.iter().any(|word| exports_all(&word.text)))
        };
        if !commands.iter().any(Command::deploys) || commands.iter().any(hands_on) {
            return Vec::new();
        }
        let unused = kept(script).filter(|set| is_version(set) && is_only_shown(script, set));
        unused.map(|set| unused_version(script, set)).collect()
    };
    pipelines.scripts.iter().flat_map(of_script).collect()
}

/// What a script sets for itself. Before a command it is in the environment of that command, which may use it.
fn kept(script: &Script) -> impl Iterator<Item = &Assignment> {
    let is_kept = |command: &&Command| {
        command.words.is_empty() || matches!(command.name(), "local" | "readonly" | "typeset")
    };
    script.commands.commands.iter().filter(is_kept).flat_map(|command| &command.assignments)
}

/// Whether an option of `set` hands every variable on.
fn exports_all(option: &str) -> bool {
    option == "allexport" || option.strip_prefix('-').is_some_and(|letters| letters.contains('a'))
}

/// Whether a variable holds the version that the caller asks for.
fn is_version(set: &Assignment) -> bool {
    let name = set.name.to_ascii_uppercase();
    let named = ["TAG", "IMAGE", "VERSION", "SHA", "DIGEST"].iter().any(|part| name.contains(part));
    let is_argument = |reference: &Reference| reference.name.bytes().all(|byte| byte.is_ascii_digit());
    named && set.value.references.iter().any(is_argument)
}

/// Whether nothing but messages and conditions names a variable.
fn is_only_shown(script: &Script, set: &Assignment) -> bool {
    let shell = &script.commands;
    let names = |reference: &Reference| reference.name == set.name;
    let uses = |command: &Command| {
        let to_a_file = command.redirects.iter().any(|redirect| !redirect.operator.contains('&'));
        let prints = command.prints() && !to_a_file && command.next != Connector::Pipe;
        let shows = prints || matches!(command.name(), "[" | "[[" | "test");
        let inside = shell.around(command.block).any(|block| block.kind == BlockKind::Substitution);
        let named = command.all_words().any(|word| word.references.iter().any(names));
        named && (inside || !shows)
    };
    !shell.in_documents.iter().any(names)
        && !shell.commands.iter().any(uses)
        && shell.assignments().filter(|other| other.name == set.name).count() == 1
}

fn unused_version(script: &Script, set: &Assignment) -> Finding {
    let message =
        format!("{} is never used: the version that is asked for is not the one that is deployed", set.name);
    let finding = script.file.error(Code::NOT_DEPLOYED, &set.span, message);
    finding.with_hint(format!(
        "write ${} into the image of the task definition before it is registered",
        set.name
    ))
}

/// QS803: `latest` is pushed.
pub(super) fn latest_pushed(pipelines: &Pipelines) -> Vec<Finding> {
    let scopes = pipelines.scopes();
    let pushed = scopes.iter().flat_map(pushed::of);
    let latest = pushed.filter(|image| image.tag.as_deref() == Some("latest"));
    let finding = |image: Pushed<'_>| {
        let message = format!("{} is pushed, and nobody can tell which version it is", image.reference);
        let finding = image.file.warning(Code::LATEST_PUSHED, &image.span, message);
        finding.with_hint("push the commit's tag only, and deploy by digest")
    };
    latest.map(finding).collect()
}

/// QS302: a script that deploys `latest` where it is not told what to deploy.
pub(super) fn default_tag(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for unit in pipelines.units() {
        if !unit.shell.commands.iter().any(|command| command.deploys() || pushed::handles_images(command)) {
            continue;
        }
        let is_latest = |reference: &&Reference| {
            let default = reference.operator.trim_start_matches(':').strip_prefix(['-', '=']);
            default.is_some_and(|default| default.trim_matches(['"', '\'']) == "latest")
        };
        for reference in unit.shell.references().filter(is_latest) {
            let what = if reference.name.bytes().all(|byte| byte.is_ascii_digit()) {
                format!("argument {}", reference.name)
            } else {
                reference.name.clone()
            };
            let message = format!("without {what} this deploys `latest`, which can be any version");
            let finding = unit.file.warning(Code::MUTABLE_TAG, &reference.span, message);
            let hint = format!("refuse to go on without it: `${{{}:?which version}}`", reference.name);
            findings.push(finding.with_hint(hint));
        }
    }
    findings
}

/// QS808: a template is registered, and nothing fills in its placeholders.
pub(super) fn literal_template(pipelines: &Pipelines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, unit, command) in template::registered(pipelines) {
        let Some(template) = pipelines.templates.get(&path) else { continue };
        let Some((placeholder, span)) = template.placeholders.first() else { continue };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if is_filled(pipelines, &name) {
            continue;
        }
        let flag =
            command.flag("--cli-input-json").map_or_else(|| command.span.clone(), |word| word.span.clone());
        findings.push(registered(unit.file, &flag, template, placeholder, span));
    }
    for workflow in &pipelines.workflows {
        for step in workflow.jobs.iter().flat_map(|job| &job.steps) {
            let definition = step.input("task-definition").filter(|_| step.is_action(DEPLOY_ACTIONS[0]));
            let path = definition.and_then(|input| crate::workflow::scripts::normal(input.value.as_ref()));
            let template = path.as_ref().and_then(|path| pipelines.templates.get(path));
            if let (Some(definition), Some(path), Some(template)) = (definition, &path, template)
                && let Some((placeholder, span)) = template.placeholders.first()
                && !is_filled(pipelines, &path.file_name().unwrap_or_default().to_string_lossy())
            {
                findings.push(registered(&workflow.file, &definition.span, template, placeholder, span));
            }
        }
    }
    findings
}

fn registered(file: &Text, at: &Span, template: &Template, placeholder: &str, span: &Span) -> Finding {
    let line = template.file.source().place(span.start).line;
    let message = format!(
        "{} is registered with {placeholder} in it (line {line}), which nothing fills in",
        template.file.file
    );
    let hint = "fill it in first, such as with `envsubst < template.json > filled.json`, and register that";
    file.error(Code::LITERAL_TEMPLATE, at, message).with_hint(hint)
}

/// Whether anything but registering names a file, or edits files that a pattern names.
pub(super) fn is_filled(pipelines: &Pipelines, name: &str) -> bool {
    let fills = |command: &Command| {
        let edits = matches!(
            command.name(),
            "envsubst"
                | "sed"
                | "perl"
                | "jq"
                | "yq"
                | "python"
                | "python3"
                | "node"
                | "ruby"
                | "make"
                | "just"
                | "task"
        );
        let names = command.all_words().any(|word| word.text.contains(name)) && changes(command, name);
        let pattern = edits && command.words.iter().any(|word| word.text.contains('*'));
        let runs_what_we_cannot_see = matches!(command.name(), "make" | "just" | "task");
        (names && !command.is("aws ecs register-task-definition") && !command.prints())
            || pattern
            || runs_what_we_cannot_see
    };
    let by_action =
        pipelines.workflows.iter().flat_map(|workflow| &workflow.jobs).flat_map(|job| &job.steps).any(
            |step| {
                // Rendering makes another file.
                let leaves_it = step.is_action(DEPLOY_ACTIONS[0]) || step.is_action(RENDER_ACTION);
                !leaves_it && step.with.iter().any(|input| input.value.contains(name))
            },
        );
    // A command in a substitution is in the words of the one around it as well.
    let in_words = |unit: Unit<'_>| {
        unit.shell
            .commands
            .iter()
            .any(|command| !command.words.is_empty() && fills(command) && !holds_register(command))
    };
    by_action || pipelines.units().any(in_words)
}

/// Whether a command that names a file may change it, and does more than read it into another.
pub(super) fn changes(command: &Command, name: &str) -> bool {
    let is_in_place = |word: &Word| {
        word.text == "--in-place"
            || (word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains('i'))
    };
    let edits_in_place = command.words.iter().skip(1).any(is_in_place);
    let reads = match command.name() {
        "cat" | "envsubst" | "jq" | "head" | "tail" | "grep" | "diff" | "test" | "[" | "[[" | "ls" => true,
        "sed" | "yq" => !edits_in_place,
        // The last of its files is the one that is written.
        "cp" => command.words.last().is_some_and(|word| !word.text.contains(name)),
        _ => false,
    };
    let writes = command
        .redirects
        .iter()
        .any(|redirect| redirect.operator.contains('>') && redirect.target.text.contains(name));
    // A program in a substitution may be any.
    let holds_more = command.all_words().any(|word| word.text.contains("$(") || word.text.contains('`'));
    !reads || writes || holds_more
}

/// Whether the words of a command hold the registering as a substitution.
fn holds_register(command: &Command) -> bool {
    command.all_words().any(|word| word.text.contains("register-task-definition"))
}
