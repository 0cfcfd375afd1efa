//! QS511: `USER` names somebody whom nobody creates.
//!
//! Docker documentation, "Dockerfile reference", USER: a name is looked up in `/etc/passwd` of the image when something is
//! run. So it is known here only of bases whose users are known, and where no command may have created one.

use quickserve_core::finding::{Code, Finding};

use super::{Judge, program, run_commands, verb};
use crate::dockerfile::image::Image;
use crate::dockerfile::instruction::{Body, Instruction, Word};
use crate::dockerfile::stages::{Base, expand, join};

/// Users of Debian, Ubuntu, Alpine, Amazon Linux and the `distroless` images that are in some version of each.
const EVERYWHERE: [&str; 52] = [
    "_apt",
    "adm",
    "at",
    "backup",
    "bin",
    "cron",
    "cyrus",
    "daemon",
    "dbus",
    "ftp",
    "games",
    "gnats",
    "guest",
    "halt",
    "http",
    "irc",
    "klogd",
    "list",
    "lp",
    "mail",
    "man",
    "messagebus",
    "news",
    "nobody",
    "nonroot",
    "ntp",
    "operator",
    "polkitd",
    "postfix",
    "postmaster",
    "proxy",
    "root",
    "rpc",
    "shutdown",
    "smmsp",
    "squid",
    "sshd",
    "svn",
    "sync",
    "sys",
    "syslog",
    "systemd-coredump",
    "systemd-network",
    "systemd-resolve",
    "systemd-timesync",
    "tss",
    "ubuntu",
    "utmp",
    "uucp",
    "vpopmail",
    "www-data",
    "xfs",
];

/// Official images, with the user that each has beside those of its system.
const BASES: [(&str, &str); 17] = [
    ("alpine", ""),
    ("amazoncorretto", ""),
    ("buildpack-deps", ""),
    ("debian", ""),
    ("eclipse-temurin", ""),
    ("golang", ""),
    ("httpd", ""),
    ("nginx", "nginx"),
    ("node", "node"),
    ("openjdk", ""),
    ("perl", ""),
    ("php", ""),
    ("python", ""),
    ("ruby", ""),
    ("rust", ""),
    ("scratch", ""),
    ("ubuntu", ""),
];

/// Programs that create no user: those that install dependencies, build, and move files.
const HARMLESS: [&str; 45] = [
    "apk", "apt", "apt-get", "bundle", "bun", "cargo", "cat", "cd", "chgrp", "chmod", "chown", "composer",
    "corepack", "cp", "echo", "export", "false", "find", "gem", "go", "gradle", "grep", "gradlew", "install",
    "ldconfig", "ln", "ls", "mkdir", "mv", "mvn", "node", "npm", "npx", "pip", "pip3", "pnpm", "poetry",
    "printf", "rm", "set", "sleep", "test", "touch", "true", "yarn",
];

/// Programs that create the users among their words.
const CREATE: [&str; 2] = ["adduser", "useradd"];

/// What a command may do about the user in question.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Makes {
    Nothing,
    /// A package that is installed may.
    Perhaps,
    /// It does, or nobody knows what it does.
    Surely,
}

pub(super) fn missing(judge: &Judge<'_>) -> Vec<Finding> {
    nobody(judge).into_iter().collect()
}

fn nobody(judge: &Judge<'_>) -> Option<Finding> {
    let word = judge.dockerfile.last_user()?;
    let user = judge.dockerfile.known_user()?;
    let name = user.split(':').next().unwrap_or_default();
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    let base = &judge.dockerfile.root()?.base;
    if is_number || EVERYWHERE.contains(&name) || !is_known(base, name) {
        return None;
    }
    let most = judge.dockerfile.instructions().map(|instruction| of(instruction, name)).max();
    let copied = copies_users(judge);
    let makes = if copied { Makes::Surely } else { most.unwrap_or(Makes::Nothing) };
    let shown = judge.dockerfile.base();
    let message = match makes {
        Makes::Surely => return None,
        Makes::Perhaps => format!("neither {shown} nor a command here is known to create the user {name}"),
        Makes::Nothing => {
            format!("nobody creates the user {name}, whom {shown} does not have: no container starts")
        }
    };
    let hint = match base {
        Base::Scratch => "name it by its number, or copy /etc/passwd of the stage that creates it".to_owned(),
        Base::Image(base) if Image::new(base).short() == "node" => {
            format!("name the user that the image has, USER node, or create it: RUN adduser --system {name}")
        }
        _ => format!("create it before, such as RUN adduser --system {name}, or name it by a number"),
    };
    let file = judge.file();
    let finding = match makes {
        Makes::Nothing => file.error(Code::MISSING_SOURCE, &word.span, message),
        Makes::Perhaps | Makes::Surely => file.warning(Code::MISSING_SOURCE, &word.span, message),
    };
    Some(finding.with_hint(hint))
}

/// Whether the users of a base are known, and that one is not among them.
fn is_known(base: &Base, user: &str) -> bool {
    let name = match base {
        Base::Scratch => "scratch",
        Base::Image(name) => name,
        Base::Unknown | Base::Stage(_) => return false,
    };
    let image = Image::new(name);
    let is_windows =
        ["windows", "nanoserver"].iter().any(|system| image.tag.unwrap_or_default().contains(system));
    let known = BASES.iter().find(|(base, _)| *base == image.short());
    let is_distroless = image.short().starts_with("gcr.io/distroless/");
    !is_windows && (is_distroless || known.is_some_and(|(_, own)| *own != user))
}

/// What an instruction may do about a user.
fn of(instruction: &Instruction, user: &str) -> Makes {
    let Body::Run { .. } = &instruction.body else { return Makes::Nothing };
    run_commands(instruction).iter().map(|words| of_command(words, user)).max().unwrap_or(Makes::Surely)
}

fn of_command(words: &[Word], user: &str) -> Makes {
    let name = program(words);
    let is_variable = |word: &Word| word.text.contains(['$', '`']);
    if CREATE.contains(&name) {
        let may = words.iter().any(|word| is_variable(word) || word.text == user);
        return if may { Makes::Surely } else { Makes::Nothing };
    }
    if matches!(name, "addgroup" | "groupadd") {
        // In Alpine, `addgroup USER GROUP` adds a user that there is already.
        return Makes::Nothing;
    }
    let runs_a_file = words.first().is_some_and(|word| word.text.contains('/'));
    let is_list = |word: &Word| word.text.contains("passwd");
    let moves = matches!(name, "cp" | "mv" | "install" | "ln");
    let is_system = |word: &Word| word.text == "/" || word.text.starts_with("/etc");
    let writes = words.iter().any(is_list) || moves && words.iter().any(is_system);
    if !HARMLESS.contains(&name) || runs_a_file || writes {
        return Makes::Surely;
    }
    let installs =
        matches!(name, "apk" | "apt" | "apt-get") && matches!(verb(words), "add" | "install" | "upgrade");
    // A package mostly calls its user as itself: `redis`, `apache2` for `apache`.
    let is_called_so = |word: &Word| is_variable(word) || word.text.contains(user);
    match installs {
        true if words.iter().any(is_called_so) => Makes::Surely,
        true => Makes::Perhaps,
        false => Makes::Nothing,
    }
}

/// Whether something is copied that may be, or may hold, a list of users.
fn copies_users(judge: &Judge<'_>) -> bool {
    let mut folder = String::from("/");
    let mut copies = false;
    judge.dockerfile.walk(|instruction, known| match &instruction.body {
        Body::Workdir(word) => match expand(&word.text, known) {
            Some(path) => folder = join(&folder, &path),
            None => copies = true,
        },
        Body::Copy { sources, destination } => {
            let target = expand(&destination.text, known).map(|path| join(&folder, &path));
            let is_archive =
                instruction.name == "ADD" && sources.iter().any(|source| source.text.contains(".t"));
            copies |= is_archive || target.is_none_or(|path| path == "/" || path.starts_with("/etc"));
        }
        _ => {}
    });
    copies
}
