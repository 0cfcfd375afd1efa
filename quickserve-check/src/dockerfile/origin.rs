//! Where a file of the image comes from: which path of the context, or what else.

use super::context::{Context, State};
use super::ignore::clean;
use super::instruction::{Body, Instruction, Word};
use super::stages::{Dockerfile, Values, expand, join};
use crate::Text;

/// Where a file of the image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The context has it at that path, and it is copied.
    Context(String),
    /// It would be copied from that path of the context, and stays out of the context.
    Ignored(String),
    /// It would be copied from that path, where nothing is.
    Missing(String),
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

/// Where that path of the final image comes from.
pub(crate) fn of(dockerfile: &Dockerfile, context: &Context, path: &str) -> Origin {
    let mut origin = Origin::Elsewhere;
    let mut folder = String::from("/");
    dockerfile.walk(|instruction, known| match &instruction.body {
        Body::Workdir(word) => {
            folder = join(&folder, &expand(&word.text, known).unwrap_or_else(|| word.text.clone()));
        }
        Body::Copy { sources, destination } => {
            let found = copied(context, (instruction, sources, destination), &folder, known, path);
            if let Some(found) = found {
                let is_there = |origin: &Origin| matches!(origin, Origin::Context(_) | Origin::Elsewhere);
                // What was copied before stays, unless this brings another.
                if is_there(&found) || origin == Origin::Elsewhere || !is_there(&origin) {
                    origin = found;
                }
            }
        }
        // What is run may make it, or move it there.
        Body::Run { command, documents } => {
            let is_absent = matches!(origin, Origin::Missing(_) | Origin::Ignored(_));
            let name = path.rsplit('/').next().unwrap_or(path);
            let by = |words: &[Word]| builds(words) || makes(words, name);
            let mut inside = documents.iter().flat_map(|document| super::shell::commands(&document.body));
            if is_absent && (command.simple().iter().any(|words| by(words)) || inside.any(|words| by(&words)))
            {
                origin = Origin::Elsewhere;
            }
        }
        _ => {}
    });
    origin
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

/// Where `COPY` brings that path from; nothing where it does not.
fn copied(
    context: &Context,
    (instruction, sources, destination): (&Instruction, &[Word], &Word),
    folder: &str,
    known: &Values,
    path: &str,
) -> Option<Origin> {
    let written = expand(&destination.text, known)?;
    let target = join(folder, &written);
    let below = |target: &str| match path.strip_prefix(target.trim_end_matches('/')) {
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix('/'),
        None => None,
    };
    let rest = below(&target)?;
    // From another stage or image, or from a here-document: what is in it nobody knows here.
    if instruction.flag("from").is_some() || instruction.flag("parents").is_some() || sources.is_empty() {
        return Some(Origin::Elsewhere);
    }
    let is_folder = written.ends_with(['/', '.']) || sources.len() > 1 || target == folder;
    let mut best = None;
    for source in sources {
        let Some(source) = expand(&source.text, known) else { return Some(Origin::Elsewhere) };
        if source.contains("://") || source.starts_with("git@") {
            return Some(Origin::Elsewhere);
        }
        let is_pattern = source.contains(['*', '?', '[']);
        let paths = if is_pattern {
            context.matching(&source).into_iter().map(str::to_owned).collect()
        } else {
            vec![clean(&source)]
        };
        for from in paths {
            let name = from.rsplit('/').next().unwrap_or(&from);
            let candidate = if from == "." || context.is_folder(&from) {
                (!rest.is_empty()).then(|| clean(&format!("{from}/{rest}")))
            } else {
                (rest == name && is_folder || rest.is_empty()).then(|| from.clone())
            };
            let Some(candidate) = candidate else { continue };
            match context.state(&candidate) {
                State::Sent => return Some(Origin::Context(candidate)),
                State::Ignored => best = Some(Origin::Ignored(candidate)),
                State::Missing => best = best.or(Some(Origin::Missing(candidate))),
            }
        }
    }
    best
}

/// The path of a script that a command runs, as it is written: of an interpreter's argument, or of its own.
pub(crate) fn script_of(words: &[Word]) -> Option<&Word> {
    let words = match words.first() {
        Some(first) if first.text == "exec" => &words[1..],
        _ => words,
    };
    let words = without_init(words);
    let first = words.first()?;
    let program = first.text.rsplit('/').next().unwrap_or(&first.text);
    let ends = match program {
        "node" | "nodejs" | "bun" | "tsx" | "ts-node" => &[".js", ".mjs", ".cjs", ".ts"][..],
        "python" | "python3" => &[".py"][..],
        "ruby" => &[".rb"][..],
        "php" => &[".php"][..],
        "sh" | "bash" | "ash" | "dash" => &[".sh", ""][..],
        _ => {
            let is_script = [".sh", ".py"].iter().any(|end| first.text.ends_with(end));
            return (is_script && first.text.contains('/')).then_some(first);
        }
    };
    // Options of an interpreter may take a value of their own: only plain ones are passed over.
    let argument = words[1..].iter().find(|word| !word.text.starts_with("--"))?;
    let is_plain = !argument.text.starts_with('-') && !argument.text.contains('$');
    (is_plain && ends.iter().any(|end| argument.text.ends_with(end))).then_some(argument)
}

/// A command without the init that starts it: `tini --`, `dumb-init`.
pub(crate) fn without_init(words: &[Word]) -> &[Word] {
    let Some(first) = words.first() else { return words };
    let name = first.text.rsplit('/').next().unwrap_or_default();
    if !matches!(name, "tini" | "dumb-init" | "tini-static" | "catatonit") {
        return words;
    }
    let options = words[1..].iter().take_while(|word| word.text.starts_with('-')).count();
    &words[1 + options..]
}

/// The shell script of the context that the image starts.
pub(crate) fn script(dockerfile: &Dockerfile, context: &Context) -> Option<Text> {
    let command = dockerfile.entrypoint().or_else(|| dockerfile.cmd())?;
    let words = command.simple().into_iter().next_back()?;
    let plain = without_init(&words);
    let word = script_of(plain).or_else(|| plain.first().filter(|word| !word.text.contains('$')))?;
    // A program without a folder is looked for along PATH.
    let folders = if word.text.contains('/') || Some(word) != plain.first() {
        vec![dockerfile.workdir()]
    } else {
        ["/usr/local/bin", "/usr/bin", "/bin"].map(str::to_owned).to_vec()
    };
    let path =
        folders.iter().find_map(|folder| match of(dockerfile, context, &join(folder, &word.text)) {
            Origin::Context(path) => Some(path),
            Origin::Ignored(_) | Origin::Missing(_) | Origin::Elsewhere => None,
        })?;
    let text = context.text(&path)?;
    let first = text.text.lines().next().unwrap_or_default();
    let is_shell = path.rsplit('.').next() == Some("sh") || first.starts_with("#!") && first.contains("sh");
    is_shell.then(|| Text::new(context.name(&path), text.text))
}
