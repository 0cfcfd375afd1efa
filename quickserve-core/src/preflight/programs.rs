//! QS412: the health check of a container runs a program that its image has.

use std::collections::BTreeSet;

use super::Report;
use crate::error::Error;
use crate::finding::{Code, Finding, Severity};
use crate::workload::{Container, ContainerHealthCheck};

/// The shell that runs a health check which is one text. ECS documentation, "`HealthCheck`": `CMD-SHELL`.
const SHELL: &str = "/bin/sh";

/// The programs that the health check of a container needs in its image.
pub fn health_check_programs(container: &Container) -> BTreeSet<String> {
    container.health_check.as_ref().map(programs).unwrap_or_default()
}

fn programs(check: &ContainerHealthCheck) -> BTreeSet<String> {
    let [kind, rest @ ..] = check.command.as_slice() else { return BTreeSet::new() };
    let own = match kind.as_str() {
        "CMD" => rest.first().filter(|program| is_plain(program)).cloned(),
        "CMD-SHELL" => rest.first().and_then(|text| first_program(text)),
        _ => return BTreeSet::new(),
    };
    let shell = (kind == "CMD-SHELL").then(|| SHELL.to_owned());
    shell.into_iter().chain(own).collect()
}

/// What a shell starts first, where that can be told without being a shell.
fn first_program(text: &str) -> Option<String> {
    let mut words = text.split_whitespace().skip_while(|word| is_assignment(word) || *word == "exec");
    let word = words.next()?.trim_end_matches(';');
    (is_plain(word) && !BUILTINS.contains(&word)).then(|| word.to_owned())
}

/// What the shell does itself, and words of its language. POSIX, "Shell Command Language".
const BUILTINS: [&str; 22] = [
    "test", "[", "true", "false", "echo", "printf", "cd", "exit", "if", "while", "for", "case", "until", "{",
    "(", "!", "read", "kill", "command", "type", "set", ":",
];

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| crate::workload::substitute::is_name(name))
}

fn is_plain(word: &str) -> bool {
    let plain = |char: char| char.is_ascii_alphanumeric() || "/._-+[".contains(char);
    !word.is_empty() && word.chars().all(plain) && (!word.contains('/') || word.starts_with('/'))
}

/// The finding of each program that an image does not have; `lacks` says which are surely not there.
pub fn health_check(container: &Container, reference: &str, lacks: impl Fn(&str) -> bool) -> Report {
    let needed = health_check_programs(container);
    let findings = needed.iter().filter(|program| lacks(program)).map(|program| {
        let message = format!("health check runs {program}, absent from image {reference}");
        let hint = if program == SHELL {
            "the image has no shell: write the command as [\"CMD\", program, argument]"
        } else {
            "run a program that the image has, or add this one to it"
        };
        Finding::error(Code::HEALTH_CHECK_PROGRAM, message)
            .on(format!("container {}", container.name))
            .with_hint(hint)
    });
    Report::of(findings.collect())
}

/// The finding of an image that could not be looked into: it refuses nothing, since the check may still work.
pub fn unseen(container: &Container, reference: &str, error: &Error) -> Report {
    let causes = error.causes();
    let cause = causes.last().map_or("", String::as_str);
    let message = format!("could not look into image {reference} for what its health check runs: {cause}");
    let finding = Finding::new(Code::IMAGE_UNSEEN, Severity::Warning, message);
    let hint = "run the command of the health check in a container of the image yourself";
    Report::of(vec![finding.on(format!("container {}", container.name)).with_hint(hint)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::time::Duration;

    fn container(command: &[&str]) -> Container {
        let mut container = Container::new("app");
        container.health_check = Some(ContainerHealthCheck {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            retries: 3,
            start_period: Duration::ZERO,
        });
        container
    }

    #[test]
    fn the_program_is_what_the_platform_or_its_shell_starts() {
        let table: [(&[&str], &[&str]); 8] = [
            (&["CMD", "node", "healthcheck.js"], &["node"]),
            (&["CMD-SHELL", "curl -f http://localhost/ || exit 1"], &["/bin/sh", "curl"]),
            (&["CMD-SHELL", "PORT=1 exec /usr/bin/wget -q x"], &["/bin/sh", "/usr/bin/wget"]),
            (&["CMD-SHELL", "test -f /tmp/ready"], &["/bin/sh"]),
            (&["CMD-SHELL", "$CHECK --now"], &["/bin/sh"]),
            (&["CMD", "./check"], &[]),
            (&["NONE"], &[]),
            (&[], &[]),
        ];
        for (command, expected) in table {
            let found = health_check_programs(&container(command));
            assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{command:?}");
        }
    }

    #[test]
    fn an_image_that_could_not_be_looked_into_refuses_nothing() {
        let error = Error::new(ErrorKind::Unavailable, "look into image sha256:1")
            .with_source(std::io::Error::other("the engine did not hand it out within 60 s"));
        let report = unseen(&container(&["CMD", "curl"]), "shop:1", &error);
        assert!(!report.refuses());
        insta::assert_snapshot!(report.findings[0], @r"
        QS425 could not look into image shop:1 for what its health check runs: the engine did not hand it out within 60 s
          --> container app
          hint: run the command of the health check in a container of the image yourself
        ");
    }

    #[test]
    fn a_program_that_the_image_lacks_is_named() {
        let container = container(&["CMD-SHELL", "curl -f http://localhost/"]);
        insta::assert_snapshot!(health_check(&container, "shop:1", |program| program == "curl").findings[0], @r"
        QS412 health check runs curl, absent from image shop:1
          --> container app
          hint: run a program that the image has, or add this one to it
        ");
        assert_eq!(health_check(&container, "shop:1", |_| false).passed, 1);
    }
}
