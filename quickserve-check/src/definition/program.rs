//! The program that a health check runs, and what well-known base images do not have.

use quickserve_core::finding::{Code, Finding};

use super::{Container, Definition, discretion};
use crate::Subject;

/// Repositories, words in their tags of which one must be there, and the programs that such an image surely lacks.
/// The first entry that matches counts.
///
/// Sources: the Dockerfiles of the Docker official images, of GoogleContainerTools/distroless and of .NET. An image
/// that is not here, or of which it is not sure, has everything.
const LACKS: &[(&[&str], &[&str], &[&str])] = &[
    (&["scratch"], &[], &["sh", "bash", "curl", "wget", "nc"]),
    (&["gcr.io/distroless/"], &["debug"], &["bash", "curl"]),
    (&["gcr.io/distroless/"], &[], &["sh", "bash", "curl", "wget", "nc"]),
    (
        &["cgr.dev/chainguard/static", "cgr.dev/chainguard/glibc-dynamic"],
        &[],
        &["sh", "bash", "curl", "wget", "nc"],
    ),
    (&["alpine", "busybox"], &[], &["bash", "curl"]),
    (&["node", "python", "ruby", "golang"], &["alpine"], &["bash", "curl"]),
    (&["node", "python", "ruby", "rust", "openjdk"], &["slim"], &["curl", "wget", "nc"]),
    (&["debian", "ubuntu"], &[], &["curl", "wget", "nc"]),
    (&["amazonlinux"], &[], &["wget", "nc"]),
    (
        &["mcr.microsoft.com/dotnet/aspnet", "mcr.microsoft.com/dotnet/runtime"],
        &["chiseled", "distroless"],
        &["sh", "bash", "curl", "wget", "nc"],
    ),
    (
        &["mcr.microsoft.com/dotnet/aspnet", "mcr.microsoft.com/dotnet/runtime"],
        &["alpine"],
        &["bash", "curl"],
    ),
    (&["mcr.microsoft.com/dotnet/aspnet", "mcr.microsoft.com/dotnet/runtime"], &[], &["curl", "wget", "nc"]),
];

/// Languages that no image of a bare system has.
const RUNTIMES: [&str; 10] =
    ["node", "npm", "npx", "yarn", "pnpm", "python", "python3", "java", "ruby", "php"];

/// Images of a bare system. Of Google's, all but those of a language.
const BARE: [&str; 9] = [
    "scratch",
    "alpine",
    "busybox",
    "debian",
    "ubuntu",
    "gcr.io/distroless/static",
    "gcr.io/distroless/base",
    "gcr.io/distroless/cc",
    "cgr.dev/chainguard/static",
];

/// Programs that start others, which each of these images has only where somebody installs them.
const INITS: [&str; 4] = ["tini", "dumb-init", "gosu", "su-exec"];
const WITHOUT_INIT: [&str; 9] =
    ["scratch", "alpine", "busybox", "debian", "ubuntu", "node", "python", "ruby", "golang"];

/// The program that the command of a health check runs first, if it is plainly one: of
/// `["CMD-SHELL", "curl -f http://localhost || exit 1"]` it is `curl`.
pub fn program<'c>(command: &[&'c str]) -> Option<&'c str> {
    match command {
        ["CMD", program, ..] => Some(basename(program)),
        ["CMD-SHELL", line, ..] => simple_command(line),
        _ => None,
    }
}

/// Whether an image of that base surely has no such program, or surely has it. `base` is as FROM names it.
pub fn absent(program: &str, base: &str) -> Option<bool> {
    let (repository, tag) = split(base);
    let tag = tag.unwrap_or_default();
    let is_distroless = repository.starts_with("gcr.io/distroless/");
    // `gcr.io/distroless/base-debian12` is one of its family.
    let family = |known: &&str| {
        let rest = repository.strip_prefix(known);
        rest.is_some_and(|rest| rest.is_empty() || is_distroless && rest.starts_with("-debian"))
    };
    let lacks_runtime = RUNTIMES.contains(&program) && BARE.iter().any(family);
    let lacks_init = INITS.contains(&program) && (is_distroless || WITHOUT_INIT.contains(&repository));
    if lacks_runtime || lacks_init {
        return Some(true);
    }
    let matches = |names: &[&str], words: &[&str]| {
        let named = names
            .iter()
            .any(|name| repository == *name || (name.ends_with('/') && repository.starts_with(name)));
        named
            && (words.is_empty()
                || words.iter().any(|word| tag.split(['-', '.']).any(|part| part.starts_with(word))))
    };
    let (_, _, lacks) = LACKS.iter().find(|(names, words, _)| matches(names, words))?;
    let shells = ["sh", "wget", "nc"];
    if lacks.contains(&program) {
        Some(true)
    } else {
        let has_shell = program == "sh"
            || (repository == "busybox" || tag.contains("alpine")) && shells.contains(&program);
        has_shell.then_some(false)
    }
}

/// The finding where a container's health check runs a program that its image does not have.
///
/// `base` is what the image is built from, `rest` the text of the final stage: a program that it mentions may have
/// been installed.
pub fn missing_program(
    definition: &Definition,
    container: Container<'_>,
    base: &str,
    rest: &str,
) -> Option<Finding> {
    let (command, span) = container.health_command()?;
    let own = container.runs().join("\n");
    let words = [rest, &own].into_iter().flat_map(|text| text.split(|char: char| !is_word(char)));
    let lacks = |program: &str| absent(program, base) == Some(true) && !mentions(words.clone(), program);
    let (file, name, code) = (&definition.file, container.name(), Code::HEALTH_CHECK_PROGRAM);
    if command.first() == Some(&"CMD-SHELL") && lacks("sh") {
        let message = format!("the health check of {name} runs in a shell, and {base} has none");
        let hint = "use CMD with a program that the image has, or a base with a shell";
        return discretion::keep_one(file, file.error(code, &span, message).with_hint(hint));
    }
    let program = program(&command).filter(|program| lacks(program))?;
    let message = format!("the health check of {name} runs {program}, which {base} does not have");
    discretion::keep_one(file, file.error(code, &span, message).with_hint(instead(program, base)))
}

/// Whether a text that installs or copies may bring that program.
pub(crate) fn is_brought(program: &str, text: &str) -> bool {
    mentions(text.split(|char: char| !is_word(char)), program)
}

/// Whether one of the words names a program, or a package that may have it.
fn mentions<'w>(mut words: impl Iterator<Item = &'w str>, program: &str) -> bool {
    let packages: &[&str] = match program {
        "java" => &["java", "jdk", "jre"],
        "npm" | "npx" | "yarn" | "pnpm" => &["node", "npm", "yarn", "pnpm", "corepack"],
        "python" | "python3" => &["python"],
        "node" | "ruby" | "php" => &[program],
        _ => return words.any(|word| basename(word) == program),
    };
    words.any(|word| packages.iter().any(|package| word.contains(package)))
}

/// What to run where a program is not there.
pub(crate) fn instead(program: &str, base: &str) -> String {
    let (repository, _) = split(base);
    match repository {
        "node" => "use [\"CMD\", \"node\", \"healthcheck.js\"]".to_owned(),
        "python" => "ask with Python itself: [\"CMD\", \"python\", \"healthcheck.py\"]".to_owned(),
        _ if program == "curl" && absent("wget", base) == Some(false) => {
            "use `wget -q --spider URL`, which the image has".to_owned()
        }
        _ => format!("install {program} in the image, or let the service's own program ask"),
    }
}

/// Containers whose image is itself a well-known one, such as a sidecar.
pub(super) fn of_known_images(definition: &Definition, subject: &Subject) -> Vec<Finding> {
    let given = subject.image.as_ref().and_then(|_| definition.main(subject)).map(|main| main.name());
    let containers = definition.containers().into_iter();
    let containers = containers.filter(|container| given != Some(container.name()));
    let found = containers.filter_map(|container| {
        let image = definition.filled(container.image()?)?;
        missing_program(definition, container, &image, "")
    });
    found.collect()
}

/// Repository and tag of a reference; Docker Hub's official images by their short names, wherever they are mirrored.
fn split(image: &str) -> (&str, Option<&str>) {
    let image = image.split('@').next().unwrap_or(image);
    let name = image.rfind('/').map_or(0, |slash| slash + 1);
    let (repository, tag) = match image[name..].find(':') {
        Some(colon) => (&image[..name + colon], Some(&image[name + colon + 1..])),
        None => (image, None),
    };
    let official = repository.rsplit_once("library/").map(|(_, name)| name);
    (official.or(repository.strip_prefix("docker.io/")).unwrap_or(repository), tag)
}

/// The program of the first command of a shell's line; none of what the shell does itself.
pub(crate) fn simple_command(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let word = words.find(|word| !is_assignment(word) && !matches!(*word, "exec" | "!" | "("))?;
    let word = word.trim_matches(['"', '\'']).trim_end_matches(';');
    let plain = !word.is_empty() && word.chars().all(|char| is_word(char) || char == '/');
    let builtin =
        ["test", "[", "[[", "exit", "true", "false", ":", "if", "for", "while", "set", "cd", "echo", "read"];
    (plain && !builtin.contains(&word)).then(|| basename(word))
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_'))
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-' | '/')
}

/// The last part of a path.
pub(super) fn basename(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_program_of_a_command_is_its_first_word() {
        let cases: [(&[&str], Option<&str>); 8] = [
            (&["CMD-SHELL", "curl -f http://localhost:3000/health || exit 1"], Some("curl")),
            (&["CMD", "/usr/bin/wget", "-q", "http://localhost"], Some("wget")),
            (&["CMD-SHELL", "A=1 exec /bin/nc -z localhost 80"], Some("nc")),
            (&["CMD", "node", "healthcheck.js"], Some("node")),
            (&["CMD-SHELL", "[ -f /tmp/ready ]"], None),
            (&["CMD-SHELL", "$(cat x)"], None),
            (&["NONE"], None),
            (&[], None),
        ];
        for (command, expected) in cases {
            assert_eq!(program(command), expected, "{command:?}");
        }
    }

    #[test]
    fn well_known_images_lack_what_they_lack() {
        for (program, base) in [
            ("curl", "node:18-alpine"),
            ("curl", "node:20.11-alpine3.19"),
            ("curl", "public.ecr.aws/docker/library/python:3.12-slim-bookworm"),
            ("wget", "docker.io/library/node:20-slim"),
            ("sh", "gcr.io/distroless/nodejs20-debian12"),
            ("sh", "scratch"),
            ("curl", "alpine:3.19@sha256:00"),
            ("bash", "alpine"),
            ("curl", "mcr.microsoft.com/dotnet/aspnet:8.0"),
            ("node", "scratch"),
            ("python", "gcr.io/distroless/base-debian12:nonroot"),
            ("java", "alpine:3.22"),
            ("tini", "node:24-alpine"),
            ("tini", "gcr.io/distroless/nodejs22-debian12"),
        ] {
            assert_eq!(absent(program, base), Some(true), "{program} in {base}");
        }
        assert_eq!(absent("wget", "node:18-alpine"), Some(false));
        for (program, base) in [
            ("curl", "node:18"),
            ("curl", "nginx:1.25-alpine"),
            ("curl", "php:8.3-fpm-alpine"),
            ("node", "node:18-alpine"),
            ("sh", "gcr.io/distroless/static:debug"),
            ("curl", "registry.example/node:18-alpine"),
            ("curl", ""),
            ("node", "gcr.io/distroless/nodejs22-debian12"),
            ("java", "gcr.io/distroless/java21-debian12"),
            ("python3", "gcr.io/distroless/python3-debian12"),
            ("tini", "jenkins/jenkins:lts"),
            ("perl", "debian"),
        ] {
            assert_ne!(absent(program, base), Some(true), "{program} in {base}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".*") {
            let _ = simple_command(&text);
            let _ = absent("curl", &text);
        }
    }
}
