//! Where a file of the image comes from: which path of the context, or what else.

use std::cell::Cell;

use super::context::{Context, State};
use super::ignore::clean;
use super::instruction::{Body, Instruction, Word};
use super::quiet::{HOOKS, installs_modules, lacks, may_remove, may_touch};
use super::stages::{Dockerfile, Values, expand, join};

/// Where a file of the image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The context has it at that path, and it is copied.
    Context(String),
    /// It would be copied from that path of the context, and stays out of the context.
    Ignored(String),
    /// It would be copied from that path, where nothing is.
    Missing(String),
    /// The base does not have it, and nothing brings it.
    Absent,
    /// A base, another stage, or something that is run may bring it.
    Elsewhere,
}

/// Folders and suffixes of what a build makes: absent now says nothing.
pub(crate) fn is_made_by_a_build(path: &str) -> bool {
    const FOLDERS: [&str; 15] = [
        "dist",
        "build",
        "target",
        "out",
        "output",
        "bin",
        "publish",
        "release",
        "_build",
        "artifacts",
        "coverage",
        "public",
        ".output",
        ".next",
        "vendor",
    ];
    const ENDS: [&str; 5] = [".jar", ".war", ".whl", ".tar.gz", ".tgz"];
    path.split('/').any(|part| FOLDERS.contains(&part)) || ENDS.iter().any(|end| path.ends_with(end))
}

/// A file of the image, followed to where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traced {
    pub(crate) origin: Origin,
    /// Whether its mode and its text are still those of the context.
    pub(crate) is_untouched: bool,
}

impl Traced {
    fn new(origin: Origin) -> Self {
        Self { origin, is_untouched: true }
    }
}

/// How many steps are followed at most: each `COPY --from` can double them.
const STEPS: usize = 200;

/// How many manifests of a repository are read at most.
const MANIFESTS: usize = 50;

/// Where that path of the final image comes from.
pub(crate) fn of(dockerfile: &Dockerfile, context: &Context, path: &str) -> Origin {
    trace(dockerfile, context, path).origin
}

/// The same of a path of a stage.
pub(crate) fn of_stage(dockerfile: &Dockerfile, context: &Context, stage: usize, path: &str) -> Origin {
    Way { dockerfile, context, steps: Cell::new(STEPS) }.trace(stage, path).origin
}

/// Where that path of the final image comes from, and whether something may have changed it on its way.
pub(crate) fn trace(dockerfile: &Dockerfile, context: &Context, path: &str) -> Traced {
    let Some(last) = dockerfile.stages.len().checked_sub(1) else { return Traced::new(Origin::Elsewhere) };
    Way { dockerfile, context, steps: Cell::new(STEPS) }.trace(last, path)
}

/// The last earlier stage that `COPY --from=name` in a stage means.
pub(crate) fn stage_named(dockerfile: &Dockerfile, before: usize, name: &str) -> Option<usize> {
    let earlier = dockerfile.stages.iter().enumerate().take(before);
    earlier.rev().find(|(index, stage)| stage.is_called(*index, name)).map(|(index, _)| index)
}

/// The way of a file through the stages.
struct Way<'a> {
    dockerfile: &'a Dockerfile,
    context: &'a Context,
    steps: Cell<usize>,
}

impl Way<'_> {
    /// Whether an installation of dependencies runs scripts of the project.
    fn has_hooks(&self) -> bool {
        let manifests = self
            .context
            .entries
            .iter()
            .filter(|entry| matches!(entry.rsplit('/').next(), Some("package.json" | "composer.json")));
        let texts = manifests.take(MANIFESTS).filter_map(|entry| self.context.text(entry));
        texts.into_iter().any(|text| HOOKS.iter().any(|hook| text.text.contains(hook)))
    }

    fn trace(&self, stage: usize, path: &str) -> Traced {
        let unknown = Traced::new(Origin::Elsewhere);
        let Some(left) = self.steps.get().checked_sub(1) else { return unknown };
        self.steps.set(left);
        let is_final = stage + 1 == self.dockerfile.stages.len();
        let chain = self.dockerfile.ancestors(stage);
        let root = chain.last().and_then(|root| self.dockerfile.stages.get(*root));
        let mut traced = match root {
            Some(root) if lacks(&root.base, path) => Traced::new(Origin::Absent),
            _ => unknown,
        };
        let name = path.rsplit('/').next().unwrap_or(path);
        let mut folder = String::from("/");
        self.dockerfile.walk_to(stage, |at, instruction, known| match &instruction.body {
            Body::Workdir(word) => {
                folder = join(&folder, &expand(&word.text, known).unwrap_or_else(|| word.text.clone()));
            }
            Body::Copy { sources, destination } => {
                let copy = Copy { stage: at, instruction, sources, destination };
                if let Some(found) = self.copied(&copy, &folder, known, path) {
                    traced.take(found);
                }
            }
            // What is run may make it, or move it there.
            Body::Run { command, documents } => {
                let may_touch = may_touch(instruction, name);
                traced.is_untouched &= !may_touch;
                // What is removed is not there, or another one is put in its place.
                if may_remove(instruction, name) {
                    traced.origin = Origin::Elsewhere;
                }
                let by = |words: &[Word]| builds(words) || makes(words, name);
                let mut inside = documents.iter().flat_map(|document| super::shell::commands(&document.body));
                let hooked = || installs_modules(instruction) && self.has_hooks();
                let makes = match &traced.origin {
                    Origin::Absent => may_touch || hooked(),
                    // What is never in the context has to be made, and a stage that is not the image is there for that.
                    Origin::Missing(from) if self.context.excludes(from) => may_touch || hooked(),
                    Origin::Missing(_) | Origin::Ignored(_) if !is_final => may_touch || hooked(),
                    Origin::Missing(_) | Origin::Ignored(_) => {
                        command.simple().iter().any(|words| by(words)) || inside.any(|words| by(&words))
                    }
                    Origin::Context(_) | Origin::Elsewhere => false,
                };
                if makes {
                    traced.origin = Origin::Elsewhere;
                }
            }
            _ => {}
        });
        traced
    }
}

impl Traced {
    /// What was copied before stays, unless this brings another.
    fn take(&mut self, found: Self) {
        let is_there = |origin: &Origin| matches!(origin, Origin::Context(_) | Origin::Elsewhere);
        let replaces = match found.origin {
            Origin::Context(_) | Origin::Elsewhere => true,
            Origin::Missing(_) | Origin::Ignored(_) => {
                self.origin == Origin::Elsewhere || !is_there(&self.origin)
            }
            // A base that nobody knows may have it.
            Origin::Absent => false,
        };
        if replaces {
            *self = found;
        }
    }
}

/// Whether a command may make a file of that name: it names it, and does more than change its mode.
fn makes(words: &[Word], name: &str) -> bool {
    let changes_mode =
        words.first().is_some_and(|word| matches!(&*word.text, "chmod" | "chown" | "test" | "ls" | "["));
    !changes_mode && words.iter().any(|word| word.text.contains(name))
}

/// Whether a command may make files of any name.
fn builds(words: &[Word]) -> bool {
    let makes = [
        "build",
        "compile",
        "tsc",
        "webpack",
        "generate",
        "make",
        "bundle",
        "collectstatic",
        "publish",
        "git",
        "curl",
        "wget",
        "unzip",
        "tar",
        "cp",
        "mv",
        "export",
        "install",
    ];
    // Installing dependencies makes none of the project's own files.
    let installs = words.first().is_some_and(|program| {
        matches!(
            &*program.text,
            "npm" | "yarn" | "pnpm" | "pip" | "pip3" | "apk" | "apt-get" | "apt" | "bundle"
        )
    }) && words.iter().any(|word| matches!(&*word.text, "ci" | "install" | "add" | "i"));
    !installs
        && words
            .iter()
            .any(|word| makes.iter().any(|make| word.text == *make || word.text.starts_with("build:")))
}

/// `COPY` or `ADD`, and the stage that it is in.
struct Copy<'a> {
    stage: usize,
    instruction: &'a Instruction,
    sources: &'a [Word],
    destination: &'a Word,
}

impl Way<'_> {
    /// Where `COPY` brings that path from; nothing where it does not.
    fn copied(&self, copy: &Copy<'_>, folder: &str, known: &Values, path: &str) -> Option<Traced> {
        let elsewhere = Some(Traced::new(Origin::Elsewhere));
        let Some(written) = expand(&copy.destination.text, known) else { return elsewhere };
        let target = join(folder, &written);
        let rest = below(path, &target)?;
        let is_whole = copy.instruction.flag("parents").is_some() || copy.sources.is_empty();
        // An archive is taken apart.
        let is_archive = |word: &Word| copy.instruction.name == "ADD" && word.text.contains(".t");
        if is_whole || copy.sources.iter().any(is_archive) {
            return elsewhere;
        }
        let mut sources = Vec::new();
        for source in copy.sources {
            match expand(&source.text, known) {
                Some(source) if !source.contains("://") && !source.starts_with("git@") => {
                    sources.push(source);
                }
                _ => return elsewhere,
            }
        }
        let place =
            Place { rest, is_folder: written.ends_with(['/', '.']) || sources.len() > 1 || target == folder };
        let mut found = match copy.instruction.flag("from") {
            None => self.by_context(&sources, place).map(Traced::new),
            // From an image, or another context: what is in it nobody knows here.
            Some(name) => match stage_named(self.dockerfile, copy.stage, name) {
                Some(stage) => self.by_stage(stage, &sources, place),
                None => elsewhere,
            },
        }?;
        found.is_untouched &= copy.instruction.flag("chmod").is_none();
        Some(found)
    }

    fn by_context(&self, sources: &[String], place: Place<'_>) -> Option<Origin> {
        let context = self.context;
        let mut best = None;
        for source in sources {
            let is_pattern = source.contains(['*', '?', '[']);
            let paths = if is_pattern {
                context.matching(source).into_iter().map(str::to_owned).collect()
            } else {
                vec![clean(source)]
            };
            for from in paths {
                let Some(candidate) = place.within(&from, from == "." || context.is_folder(&from)) else {
                    continue;
                };
                match context.state(&candidate) {
                    State::Sent => return Some(Origin::Context(candidate)),
                    State::Ignored => best = Some(Origin::Ignored(candidate)),
                    State::Missing => best = best.or(Some(Origin::Missing(candidate))),
                }
            }
        }
        best
    }

    /// From another stage, whose folders are known by what is in them alone.
    fn by_stage(&self, stage: usize, sources: &[String], place: Place<'_>) -> Option<Traced> {
        let mut best: Option<Traced> = None;
        for source in sources {
            if source.contains(['*', '?', '[']) {
                return Some(Traced::new(Origin::Elsewhere));
            }
            let from = join("/", source);
            let name = from.rsplit('/').next().unwrap_or_default();
            let as_file = place.within(&from, false).map(|candidate| self.trace(stage, &candidate));
            let is_file = |traced: &Traced| match &traced.origin {
                Origin::Context(path) => !self.context.is_folder(path),
                Origin::Ignored(_) | Origin::Missing(_) | Origin::Absent | Origin::Elsewhere => false,
            };
            let found = match as_file {
                Some(traced) if is_file(&traced) || place.rest.is_empty() => traced,
                // A file, or a folder with a file of the same name in it.
                Some(_) if place.rest == name => Traced::new(Origin::Elsewhere),
                _ => match place.within(&from, true) {
                    Some(candidate) => self.trace(stage, &candidate),
                    None => continue,
                },
            };
            match found.origin {
                Origin::Context(_) | Origin::Elsewhere => return Some(found),
                Origin::Ignored(_) | Origin::Missing(_) | Origin::Absent => best = best.or(Some(found)),
            }
        }
        best
    }
}

/// Where below the destination of a `COPY` a path is.
#[derive(Clone, Copy)]
struct Place<'a> {
    rest: &'a str,
    /// Whether the destination is a folder.
    is_folder: bool,
}

impl Place<'_> {
    /// Which path a source must bring; nothing where it does not bring that one.
    fn within(self, from: &str, is_folder: bool) -> Option<String> {
        let name = from.rsplit('/').next().unwrap_or(from);
        if is_folder {
            let joined = format!("{from}/{}", self.rest);
            let path = if from.starts_with('/') { join("/", &joined) } else { clean(&joined) };
            return (!self.rest.is_empty()).then_some(path);
        }
        (self.rest == name && self.is_folder || self.rest.is_empty()).then(|| from.to_owned())
    }
}

/// What is left of a path below a folder, or where it is that itself.
pub(crate) fn below<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    match path.strip_prefix(folder.trim_end_matches('/')) {
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix('/'),
        None => None,
    }
}
