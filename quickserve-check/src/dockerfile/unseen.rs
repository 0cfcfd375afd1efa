//! What the build may put into an image without a name that the Dockerfile has.

use std::path::Path;

use super::instruction::{Body, Instruction, Word};
use super::stages::Dockerfile;

/// Whether the final image may have programs that its Dockerfile does not name: a script installs them, a list names
/// them, or a folder of them is copied.
pub(crate) fn unseen(dockerfile: &Dockerfile) -> bool {
    let chain = dockerfile.chain();
    chain.iter().flat_map(|stage| &stage.instructions).any(|instruction| match &instruction.body {
        Body::Run { command, documents } => {
            !documents.is_empty() || command.simple().iter().any(|words| hides(words))
        }
        Body::Copy { sources, destination } => {
            let folder = destination.text.trim_end_matches('/');
            let may_be_folder = |source: &Word| Path::new(&source.text).extension().is_none();
            (folder.is_empty() || folder.ends_with("bin"))
                && (sources.is_empty() || sources.iter().any(may_be_folder))
        }
        _ => false,
    })
}

/// Whether a command runs what is not written here, or installs what a file or a variable names.
fn hides(words: &[Word]) -> bool {
    let Some(program) = words.first().map(|word| &*word.text) else { return false };
    let name = program.rsplit('/').next().unwrap_or(program);
    let runs_another = matches!(
        name,
        "xargs" | "sh" | "bash" | "ash" | "source" | "." | "make" | "ansible-playbook" | "eval"
    );
    let is_script = program.contains('/') && !program.starts_with("/usr/") && !program.starts_with("/bin/");
    let manager = matches!(name, "apt" | "apt-get" | "apk" | "yum" | "dnf" | "microdnf");
    let by_list = words.iter().any(|word| word.text.contains(['$', '`', '<']));
    runs_another
        || is_script
        || Path::new(name).extension().is_some_and(|extension| extension == "sh")
        || (manager && by_list)
}

/// What the final image may have got beside its base: the text of all that runs or copies.
pub(crate) fn installs(dockerfile: &Dockerfile) -> String {
    let brings = |instruction: &&Instruction| {
        matches!(instruction.body, Body::Run { .. } | Body::Copy { .. } | Body::Shell(_) | Body::OnBuild(_))
    };
    let texts = dockerfile.instructions().filter(brings);
    let text = |instruction: &Instruction| dockerfile.file.text.get(instruction.span.clone());
    texts.filter_map(text).collect::<Vec<_>>().join("\n")
}
