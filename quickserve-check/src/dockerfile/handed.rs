//! Files of the context that a stage hands on to the final image.

use super::context::Context;
use super::ignore::clean;
use super::instruction::{Body, Instruction, Word};
use super::origin::{Origin, below, of_stage, stage_named};
use super::stages::{Dockerfile, expand, join};

/// How many stages are followed back, and how many places of a file are kept in each.
const DEPTH: usize = 8;
const PLACES: usize = 8;

/// The `COPY --from` of the final image that brings a file of the context. `takes` says whether a `COPY` of the context takes
/// it along. What a stage removes before is not handed on; what the image removes afterwards is in it all the same.
pub(crate) fn on<'d>(
    dockerfile: &'d Dockerfile,
    context: &Context,
    path: &str,
    takes: &dyn Fn(&Instruction, &[Word]) -> bool,
) -> Option<&'d Instruction> {
    let mut found = None;
    let last = dockerfile.stages.len().checked_sub(1)?;
    dockerfile.walk_to(last, |at, instruction, known| {
        let (Body::Copy { sources, .. }, Some(name)) = (&instruction.body, instruction.flag("from")) else {
            return;
        };
        let Some(stage) = stage_named(dockerfile, at, name).filter(|_| found.is_none()) else { return };
        let sources: Vec<String> = sources
            .iter()
            .filter_map(|source| Some(join("/", &clean(&expand(&source.text, known)?))))
            .collect();
        let is_taken = |place: &str| sources.iter().any(|source| below(place, source).is_some());
        let is_there =
            |place: &str| of_stage(dockerfile, context, stage, place) == Origin::Context(path.to_owned());
        if places(dockerfile, stage, path, takes, DEPTH)
            .iter()
            .any(|place| is_taken(place) && is_there(place))
        {
            found = Some(instruction);
        }
    });
    found
}

/// Where in a stage a file of the context may be.
fn places(
    dockerfile: &Dockerfile,
    stage: usize,
    path: &str,
    takes: &dyn Fn(&Instruction, &[Word]) -> bool,
    depth: usize,
) -> Vec<String> {
    let mut places = Vec::new();
    let Some(depth) = depth.checked_sub(1) else { return places };
    let mut folder = String::from("/");
    dockerfile.walk_to(stage, |at, instruction, known| match &instruction.body {
        Body::Workdir(word) => {
            folder = join(&folder, &expand(&word.text, known).unwrap_or_else(|| word.text.clone()));
        }
        Body::Copy { sources, destination } if places.len() < PLACES => {
            let Some(written) = expand(&destination.text, known) else { return };
            let target = join(&folder, &written);
            let is_folder = written.ends_with(['/', '.']) || sources.len() > 1 || target == folder;
            let from = match instruction.flag("from") {
                None if takes(instruction, sources) => vec![format!("/{path}")],
                None => return,
                Some(name) => match stage_named(dockerfile, at, name) {
                    Some(stage) => self::places(dockerfile, stage, path, takes, depth),
                    None => return,
                },
            };
            for source in sources.iter().filter_map(|source| expand(&source.text, known)) {
                let source = join("/", &clean(&source));
                let inside = from.iter().filter_map(|place| Some((place, below(place, &source)?)));
                places.extend(inside.map(|(place, rest)| {
                    let name = place.rsplit('/').next().unwrap_or_default();
                    match rest {
                        "" if is_folder => join(&target, name),
                        "" => target.clone(),
                        rest => join(&target, rest),
                    }
                }));
            }
        }
        _ => {}
    });
    places
}
