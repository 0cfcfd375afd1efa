//! What the image starts, and which script of the context that is.

use super::context::Context;
use super::instruction::{Command, Word};
use super::origin::{Origin, of};
use super::stages::{Dockerfile, join};
use crate::Text;

/// The path of a script that a command runs, as it is written: of an interpreter's argument, or of its own.
pub(crate) fn script_of(words: &[Word]) -> Option<&Word> {
    let words = without_exec(words);
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

/// The program that a command runs, where it is named with its folder.
pub(crate) fn program_of(words: &[Word]) -> Option<&Word> {
    let first = without_exec(words).first()?;
    (first.text.contains('/') && !first.text.contains(['$', '`', '*'])).then_some(first)
}

/// A command without `exec` and without the init that starts it.
pub(crate) fn without_exec(words: &[Word]) -> &[Word] {
    let words = match words.first() {
        Some(first) if first.text == "exec" => &words[1..],
        _ => words,
    };
    without_init(words)
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

/// The words of the command that the image starts last: of `ENTRYPOINT`, or of `CMD` where that is all that an init starts.
pub(crate) fn words(dockerfile: &Dockerfile) -> Option<Vec<Word>> {
    let last = |command: &Command| command.simple().into_iter().next_back();
    let (entrypoint, cmd) = (dockerfile.entrypoint().and_then(last), dockerfile.cmd().and_then(last));
    entrypoint.filter(|words| !without_init(words).is_empty()).or(cmd)
}

/// The shell script of the context that the image starts.
pub(crate) fn script(dockerfile: &Dockerfile, context: &Context) -> Option<Text> {
    let words = words(dockerfile)?;
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
            Origin::Ignored(_) | Origin::Missing(_) | Origin::Absent | Origin::Elsewhere => None,
        })?;
    let text = context.text(&path)?;
    let first = text.text.lines().next().unwrap_or_default();
    let is_shell = path.rsplit('.').next() == Some("sh") || first.starts_with("#!") && first.contains("sh");
    is_shell.then(|| Text::new(context.name(&path), text.text))
}
