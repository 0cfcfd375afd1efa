//! What surely leaves a file of the image alone: commands that do something else, and bases that never had it.

use super::image::Image;
use super::instruction::{Body, Instruction, Word};
use super::stages::Base;

/// Programs that install, make users, folders and notes: of the project's own files they change those that they name.
const QUIET: [&str; 32] = [
    "addgroup",
    "adduser",
    "apk",
    "apt",
    "apt-get",
    "cat",
    "cd",
    "chgrp",
    "chown",
    "corepack",
    "curl",
    "dnf",
    "echo",
    "export",
    "false",
    "groupadd",
    "ldconfig",
    "ln",
    "ls",
    "microdnf",
    "mkdir",
    "printf",
    "set",
    "test",
    "touch",
    "true",
    "update-ca-certificates",
    "useradd",
    "usermod",
    "wget",
    "yum",
    "[",
];

/// Package managers of languages, which do anything that the project names, and what is plainly an installation.
const MANAGERS: [&str; 10] =
    ["bundle", "composer", "gem", "go", "npm", "pip", "pip3", "pnpm", "poetry", "yarn"];
const INSTALLS: [&str; 10] =
    ["add", "cache", "ci", "clean", "config", "download", "i", "install", "mod", "set"];

/// Options that say where an installation goes.
const TARGETS: [&str; 6] = ["--prefix", "--target", "-t", "--root", "--install-dir", "--path"];

/// Whether what is run may change, make or remove a file of that name, or its mode.
pub(crate) fn may_touch(instruction: &Instruction, name: &str) -> bool {
    let Body::Run { command, documents } = &instruction.body else { return false };
    let inside = documents.iter().flat_map(|document| super::shell::commands(&document.body));
    command.simple().into_iter().chain(inside).any(|words| touches(&words, name))
}

/// Whether what is run may remove a file of that name.
pub(crate) fn may_remove(instruction: &Instruction, name: &str) -> bool {
    let Body::Run { command, documents } = &instruction.body else { return false };
    let inside = documents.iter().flat_map(|document| super::shell::commands(&document.body));
    command.simple().into_iter().chain(inside).any(|words| {
        let removes =
            words.first().is_some_and(|first| matches!(&*first.text, "rm" | "mv" | "find" | "xargs"));
        removes && touches(&words, name)
    })
}

fn touches(words: &[Word], name: &str) -> bool {
    let Some(first) = words.first() else { return false };
    let program = first.text.rsplit('/').next().unwrap_or_default();
    let names = |word: &Word| word.text.contains(name) && !name.is_empty();
    let is_any = |word: &Word| word.text.contains(['*', '$', '`']);
    let is_deep = words.iter().any(|word| matches!(&*word.text, "-R" | "--recursive" | "-r" | "-rf" | "-fr"));
    let verb = words.iter().skip(1).find(|word| !word.text.starts_with('-'));
    match program {
        "chown" | "chgrp" | "ls" | "test" | "[" => false,
        "chmod" | "rm" => words.iter().any(|word| names(word) || is_any(word)) || is_deep,
        "yarn" if verb.is_none() => false,
        _ if MANAGERS.contains(&program) => {
            let is_go = program == "go" && verb.is_some_and(|verb| verb.text == "install");
            let is_moved =
                words.iter().any(|word| TARGETS.iter().any(|option| word.text.starts_with(option)));
            let installs = verb.is_some_and(|verb| INSTALLS.contains(&&*verb.text));
            !installs || is_go || is_moved || words.iter().any(names)
        }
        _ => !QUIET.contains(&program) || words.iter().any(names),
    }
}

/// Whether a command is an installation by one that runs scripts of the project with it: `postinstall` and its kin.
pub(crate) fn installs_modules(instruction: &Instruction) -> bool {
    let Body::Run { command, .. } = &instruction.body else { return false };
    let is_npm = |words: &Vec<Word>| {
        words.first().is_some_and(|word| matches!(&*word.text, "npm" | "yarn" | "pnpm" | "composer"))
    };
    command.simple().iter().any(is_npm)
}

/// Scripts of `package.json` and `composer.json` that an installation runs.
pub(crate) const HOOKS: [&str; 7] = [
    "\"preinstall\"",
    "\"install\":",
    "\"postinstall\"",
    "\"prepare\"",
    "\"prepublish\"",
    "\"post-install-cmd\"",
    "\"post-autoload-dump\"",
];

/// Official images whose content is known well enough to say that a file of a project is not in it.
const KNOWN: [&str; 16] = [
    "alpine",
    "amazoncorretto",
    "amazonlinux",
    "buildpack-deps",
    "busybox",
    "debian",
    "eclipse-temurin",
    "golang",
    "node",
    "openjdk",
    "oven/bun",
    "perl",
    "python",
    "ruby",
    "rust",
    "ubuntu",
];

/// Folders in which such images have files of their own.
const THEIRS: [&str; 21] = [
    "/usr/",
    "/bin/",
    "/sbin/",
    "/lib",
    "/etc/",
    "/proc/",
    "/sys/",
    "/dev/",
    "/run/",
    "/tmp/",
    "/var/",
    "/docker-",
    "/opt/",
    "/root/.",
    "/mnt/",
    "/media/",
    "/busybox/",
    "/nodejs/",
    "/go/bin/",
    "/rustup/",
    "/__cacert_entrypoint.sh",
];

/// Folders that an installation fills.
const INSTALLED: [&str; 5] = ["node_modules", "vendor", "site-packages", ".venv", "venv"];

/// Whether a base surely has no file at that path.
pub(crate) fn lacks(base: &Base, path: &str) -> bool {
    if path.split('/').any(|part| INSTALLED.contains(&part)) {
        return false;
    }
    let name = match base {
        Base::Scratch => return true,
        Base::Image(name) => name,
        Base::Unknown | Base::Stage(_) => return false,
    };
    let image = Image::new(name);
    // Such a tag copies the context by itself.
    let is_odd =
        ["onbuild", "windows", "nanoserver"].iter().any(|word| image.tag.unwrap_or_default().contains(word));
    let is_known = KNOWN.contains(&image.short()) || image.short().starts_with("gcr.io/distroless/");
    let is_theirs = THEIRS.iter().any(|folder| path.starts_with(folder)) && !path.starts_with("/usr/src/");
    let is_shared_script = path.starts_with("/usr/local/bin/")
        && [".sh", ".py"].iter().any(|end| path.ends_with(end))
        && !path.contains("docker-");
    is_known && !is_odd && (!is_theirs || is_shared_script)
}
