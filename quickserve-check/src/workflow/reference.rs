//! References of images as pipelines write them: in one way of writing, and with what is written out elsewhere filled in.

use crate::workflow::actions::{Input, Step};
use crate::workflow::pipelines::{Placed, Unit};
use crate::workflow::pushed;
use crate::workflow::shell::Command;

/// How often what was filled in may name something else again.
const DEPTH: usize = 5;

/// Names of GitHub whose value is one in all of a run.
const OF_RUN: [&str; 6] = [
    "GITHUB_SHA",
    "GITHUB_REF_NAME",
    "GITHUB_REPOSITORY",
    "GITHUB_RUN_NUMBER",
    "GITHUB_RUN_ID",
    "GITHUB_RUN_ATTEMPT",
];

/// A text of a step with all filled in that is written out: variables of `env`, outputs that a step echoes, and what jobs
/// hand on. What nobody can tell stays as it is written.
pub(crate) fn resolved(placed: Placed<'_>, text: &str) -> String {
    written_one_way(&filled(placed, None, text, DEPTH))
}

/// The same of a word of a command, whose text may set variables too.
pub(crate) fn resolved_word(unit: Unit<'_>, placed: Option<Placed<'_>>, text: &str) -> String {
    match placed {
        Some(placed) => written_one_way(&filled(placed, Some(unit), text, DEPTH)),
        None => written_one_way(&of_variables(text, &|name| assigned(unit, name), DEPTH)),
    }
}

/// Whether a text is the same in all of a run, and everything in it can be told.
pub(crate) fn is_known(text: &str) -> bool {
    let names = text.split('$').skip(1);
    let known = |rest: &str| {
        let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        OF_RUN.contains(&&rest[..length])
    };
    names.into_iter().all(known) && !text.contains(['`', '('])
}

fn filled(placed: Placed<'_>, unit: Option<Unit<'_>>, text: &str, depth: usize) -> String {
    let written = written_one_way_as_is(text);
    let lookup = |name: &str| {
        let Placed { workflow, job, step } = placed;
        let own = unit.and_then(|unit| assigned(unit, name));
        let is_set = unit.is_some_and(|unit| unit.shell.assignments().any(|set| set.name == name));
        let env = step.env.iter().chain(&job.env).chain(&workflow.env).find(|input| input.key == name);
        own.or_else(|| env.filter(|_| !is_set).map(|input| input.value.clone()))
    };
    let mut text = of_variables(&written, &lookup, depth);
    if depth > 0 {
        for expression in expressions(&text) {
            if let Some(value) = output(placed, &expression, depth - 1) {
                text = text.replace(&expression, &value);
            }
        }
    }
    written_one_way_as_is(&text)
}

/// The only value that a text of commands gives to a variable.
fn assigned(unit: Unit<'_>, name: &str) -> Option<String> {
    let mut assigned = unit.shell.assignments().filter(|set| set.name == name);
    match (assigned.next(), assigned.next()) {
        (Some(set), None) => Some(set.value.text.clone()).filter(|text| !text.contains(['`', '('])),
        _ => None,
    }
}

/// Fills in `$NAME`, as [`written_one_way`] leaves them.
fn of_variables(text: &str, lookup: &dyn Fn(&str) -> Option<String>, depth: usize) -> String {
    let mut filled = written_one_way_as_is(text);
    for _ in 0..depth {
        let mut next = String::with_capacity(filled.len());
        let mut rest = filled.as_str();
        let mut changed = false;
        while let Some(at) = rest.find('$') {
            next.push_str(&rest[..at]);
            let inside = &rest[at + 1..];
            let length =
                inside.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
            let name = &inside[..length];
            // What names itself would be filled in again and again.
            let is_whole = |value: &String| value.len() < 1000 && !value.contains(&format!("${name}"));
            match lookup(name).filter(|value| length > 0 && is_whole(value)) {
                Some(value) => {
                    next.push_str(&written_one_way_as_is(&value));
                    changed = true;
                }
                None => next.push_str(&rest[at..=at + length]),
            }
            rest = &inside[length..];
        }
        next.push_str(rest);
        filled = next;
        if !changed || filled.len() > 10_000 {
            break;
        }
    }
    filled
}

/// Each `${{ … }}` of a text, as it is written.
fn expressions(text: &str) -> Vec<String> {
    let starts = text.match_indices("${{");
    starts.filter_map(|(at, _)| Some(text[at..at + text[at..].find("}}")? + 2].to_owned())).collect()
}

/// What an expression stands for that names an output.
fn output(placed: Placed<'_>, expression: &str, depth: usize) -> Option<String> {
    let inner = expression.trim_start_matches("${{").trim_end_matches("}}").trim();
    let parts: Vec<&str> = inner.split('.').collect();
    let [context, name, "outputs", output] = parts.as_slice() else { return None };
    match *context {
        "steps" => {
            let step = placed.job.steps.iter().find(|step| step.id.as_deref() == Some(*name))?;
            echoed(Placed { step, ..placed }, output, depth)
        }
        "needs" => {
            let job = placed.workflow.job(name)?;
            let input = job.outputs.iter().find(|input: &&Input| input.key == *output)?;
            let step: &Step = job.steps.last()?;
            Some(filled(Placed { job, step, ..placed }, None, &input.value, depth))
        }
        _ => None,
    }
}

/// The value that a step echoes for an output, where it does so once and by its name.
fn echoed(placed: Placed<'_>, output: &str, depth: usize) -> Option<String> {
    let unit = placed.unit()?;
    let is_written = |command: &&Command| {
        command.prints()
            && command.redirects.iter().any(|redirect| redirect.target.text.contains("GITHUB_OUTPUT"))
    };
    let of_command = |command: &Command| {
        let word = command.words.get(1).filter(|_| command.words.len() == 2)?;
        let value = word.text.strip_prefix(output)?.strip_prefix('=')?;
        Some(filled(placed, Some(unit), value, depth))
    };
    let mut values = unit.shell.commands.iter().filter(is_written).filter_map(of_command);
    values.next().filter(|_| values.next().is_none())
}

/// `${{ env.A }}`, `${A}` and `$A` are the same, and so are the names that GitHub has for the commit; without a tag it is
/// `latest`.
pub(crate) fn written_one_way(reference: &str) -> String {
    let mut plain = written_one_way_as_is(reference);
    if pushed::tag(&plain).is_none() && !plain.contains('@') {
        plain.push_str(":latest");
    }
    plain
}

fn written_one_way_as_is(reference: &str) -> String {
    let compact: String = reference.chars().filter(|char| !char.is_whitespace()).collect();
    let mut written = compact;
    for (expression, name) in [
        ("${{github.sha}}", "$GITHUB_SHA"),
        ("${{github.ref_name}}", "$GITHUB_REF_NAME"),
        ("${{github.repository}}", "$GITHUB_REPOSITORY"),
        ("${{github.run_number}}", "$GITHUB_RUN_NUMBER"),
        ("${{github.run_id}}", "$GITHUB_RUN_ID"),
        ("${{github.run_attempt}}", "$GITHUB_RUN_ATTEMPT"),
    ] {
        written = written.replace(expression, name);
    }
    let mut plain = String::with_capacity(written.len());
    let mut rest = written.as_str();
    while let Some(at) = rest.find("${") {
        plain.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let (inside, close) = match inside.strip_prefix("{env.") {
            Some(name) => (name, "}}"),
            None => (inside, "}"),
        };
        let name = inside.split(close).next().unwrap_or_default();
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_name && inside.len() > name.len() {
            plain.push('$');
            plain.push_str(name);
            rest = &inside[name.len() + close.len()..];
        } else {
            plain.push_str("${");
            rest = &rest[at + 2..];
        }
    }
    plain.push_str(rest);
    plain
}

/// A reference without its tag.
pub(crate) fn repository(reference: &str) -> &str {
    let tag = pushed::tag(reference).map_or(0, |tag| tag.len() + 1);
    &reference[..reference.len() - tag]
}

/// The last part of a repository's name.
pub(crate) fn last(reference: &str) -> &str {
    let repository = repository(reference);
    repository.rsplit('/').next().unwrap_or(repository)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::actions::Workflow;

    #[test]
    fn a_reference_is_written_in_one_way() {
        for (written, plain) in [
            ("a:${{ github.sha }}", "a:$GITHUB_SHA"),
            ("${R}/a:${{ env.TAG }}", "$R/a:$TAG"),
            ("$R/a:${TAG:-x}", "$R/a:${TAG:-x}"),
            ("a", "a:latest"),
            ("a:${", "a:${"),
            ("a:${{ env.", "a:${{env."),
            ("localhost:5000/a@sha256:1", "localhost:5000/a@sha256:1"),
        ] {
            assert_eq!(written_one_way(written), plain, "{written}");
        }
    }

    #[test]
    fn a_reference_is_filled_in_from_where_it_is_written_out() {
        let text = "on: push\nenv: { R: registry.example/acme }\njobs:\n  a:\n    outputs: { image: '${{ steps.b.outputs.image }}' }\n    \
                    steps:\n      - id: b\n        env: { TAG: '${{ github.sha }}' }\n        run: |\n          N=app\n          \
                    echo \"image=$R/$N:$TAG\" >> \"$GITHUB_OUTPUT\"\n      - uses: x@v1\n  d:\n    needs: a\n    steps:\n      - uses: x@v1\n";
        let (workflow, _) = Workflow::read(crate::Text::new("a.yml", text));
        let workflow = workflow.expect("a workflow");
        let of = |job: usize, step: usize, text: &str| {
            let job = &workflow.jobs[job];
            resolved(Placed { workflow: &workflow, job, step: &job.steps[step] }, text)
        };
        let whole = "registry.example/acme/app:$GITHUB_SHA";
        assert_eq!(of(0, 1, "${{ steps.b.outputs.image }}"), whole);
        assert_eq!(of(1, 0, "${{ needs.a.outputs.image }}"), whole);
        assert_eq!(of(0, 1, "${{ env.R }}/x:$UNKNOWN"), "registry.example/acme/x:$UNKNOWN");
        assert!(is_known("a:$GITHUB_SHA-1") && !is_known("a:$UNKNOWN") && !is_known("a:${{ inputs.tag }}"));
    }
}
