//! QS206: a server that listens on the machine itself only, which in a container is the container alone.

use std::ops::Range;
use std::path::Path;

use quickserve_core::finding::{Code, Finding, Severity};

use super::listening::{files, is_run, npm_start, started};
use crate::code::loopback::{self, Loopback, is_loopback};
use crate::code::{Language, listening};
use crate::definition::{Container, Definition, Network};
use crate::dockerfile::{Command, Dockerfile};
use crate::{Facts, Subject, Text, inside};

/// Why it matters, as it stands behind the address.
const UNREACHED: &str = "where nothing outside of the container reaches it";

pub(super) fn check(
    subject: &Subject,
    facts: &Facts,
    described: Option<(&Definition, Container<'_>)>,
) -> Vec<Finding> {
    let dockerfile = facts.build.dockerfile.as_ref();
    if dockerfile.is_none() && described.is_none() {
        return Vec::new();
    }
    // Another container of the task may be in front, and shares the address; so does the host in its own network.
    if described.is_some_and(|(definition, _)| {
        definition.containers().len() > 1 || definition.network() == Network::Host
    }) {
        return Vec::new();
    }
    let main = described.map(|(_, main)| main);
    by_command(subject, facts, described).or_else(|| by_code(subject, facts, main)).into_iter().collect()
}

/// The words of what is started, with their places in a file.
struct Line {
    file: Text,
    words: Vec<(String, Range<usize>)>,
}

fn line(subject: &Subject, facts: &Facts, described: Option<(&Definition, Container<'_>)>) -> Option<Line> {
    let of_definition = described.and_then(|(definition, main)| {
        let items = main.items("entryPoint").iter().chain(main.items("command"));
        let words: Vec<_> =
            items.filter_map(|item| Some((item.as_str()?.to_owned(), item.span.clone()))).collect();
        (!words.is_empty()).then(|| Line { file: definition.file.clone(), words })
    });
    let line = of_definition.or_else(|| of_image(facts.build.dockerfile.as_ref()?))?;
    let said = line.words.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>().join(" ");
    if npm_start(&said) { of_manifest(subject) } else { Some(line) }
}

fn of_image(dockerfile: &Dockerfile) -> Option<Line> {
    let last = |command: &Command| command.simple().into_iter().next_back().unwrap_or_default();
    let entrypoint = dockerfile.entrypoint();
    // CMD are arguments where ENTRYPOINT is a list.
    let cmd = dockerfile.cmd().filter(|_| entrypoint.is_none_or(Command::is_exec));
    let words = entrypoint.map(last).into_iter().chain(cmd.map(last)).flatten();
    let words: Vec<_> = words.map(|word| (word.text, word.span)).collect();
    (!words.is_empty()).then(|| Line { file: dockerfile.file.clone(), words })
}

/// What `npm start` runs.
fn of_manifest(subject: &Subject) -> Option<Line> {
    let file = inside::read(subject, Path::new("package.json")).ok()?;
    let manifest: serde_json::Value = serde_json::from_str(&file.text).ok()?;
    let script = manifest.get("scripts")?.get("start")?.as_str()?;
    let at = file.text.find(script)?;
    let words = script.split_whitespace().map(|word| (word.to_owned(), at..at + script.len())).collect();
    Some(Line { file, words })
}

/// A server, the options that say where it listens, and whether it listens on the machine itself without them.
struct Server {
    name: &'static str,
    /// The words that must follow, such as `run` of `flask run`.
    verbs: &'static [&'static str],
    options: &'static [&'static str],
    /// Variables and files that say it as well.
    also: &'static [&'static str],
    is_local: bool,
}

/// The documentation of each: "Settings" of Uvicorn and Gunicorn, "Configuring" of Hypercorn, "Command Line Interface" of
/// Flask and of `FastAPI`, "django-admin", "Server Options" of Vite, "artisan serve" of Laravel, `rails server --help`.
const SERVERS: [Server; 12] = [
    Server {
        name: "uvicorn",
        verbs: &[],
        options: &["--host"],
        also: &["UVICORN_HOST", "--uds", "--fd"],
        is_local: true,
    },
    Server {
        name: "gunicorn",
        verbs: &[],
        options: &["--bind", "-b"],
        also: &["PORT", "GUNICORN_CMD_ARGS", "-c", "--config", "gunicorn.conf.py"],
        is_local: true,
    },
    Server {
        name: "hypercorn",
        verbs: &[],
        options: &["--bind", "-b"],
        also: &["-c", "--config"],
        is_local: true,
    },
    Server {
        name: "flask",
        verbs: &["run"],
        options: &["--host", "-h"],
        also: &["FLASK_RUN_HOST"],
        is_local: true,
    },
    Server { name: "fastapi", verbs: &["dev"], options: &["--host"], also: &[], is_local: true },
    Server { name: "fastapi", verbs: &["run"], options: &["--host"], also: &[], is_local: false },
    Server {
        name: "vite",
        verbs: &[],
        options: &["--host"],
        also: &["build", "vite.config.js", "vite.config.ts", "vite.config.mjs", "vite.config.mts"],
        is_local: true,
    },
    Server {
        name: "artisan",
        verbs: &["serve"],
        options: &["--host"],
        also: &["SERVER_HOST"],
        is_local: true,
    },
    Server { name: "rails", verbs: &["server"], options: &["--binding", "-b"], also: &[], is_local: false },
    Server { name: "next", verbs: &["start"], options: &["--hostname", "-H"], also: &[], is_local: false },
    Server { name: "puma", verbs: &[], options: &["--bind", "-b"], also: &[], is_local: false },
    Server { name: "http-server", verbs: &[], options: &["-a"], also: &[], is_local: false },
];

/// What a command says, or leaves to the server that it starts.
fn by_command(
    subject: &Subject,
    facts: &Facts,
    described: Option<(&Definition, Container<'_>)>,
) -> Option<Finding> {
    let Line { file, words } = line(subject, facts, described)?;
    let name = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let is_server = |server: &&Server| {
        let at = words.iter().position(|(word, _)| name(word) == server.name)?;
        // A program is named first, or behind what starts it.
        let is_started = at < 3 || words.iter().any(|(word, _)| word == "-m" || word == "run");
        let has_verb = |verb: &&str| words[at + 1..].iter().any(|(word, _)| word == verb);
        (is_started && (server.verbs.is_empty() || server.verbs.iter().any(has_verb))).then_some(at)
    };
    let (server, at) = SERVERS.iter().find_map(|server| Some((server, is_server(&server)?)))?;
    let finding = |span: &Range<usize>, message: String, hint: String| {
        Some(file.error(Code::LOOPBACK_ONLY, span, message).with_hint(hint))
    };
    for (index, (word, span)) in words.iter().enumerate().skip(at + 1) {
        let (option, value) =
            word.split_once('=').map_or((word.as_str(), None), |(option, value)| (option, Some(value)));
        if !server.options.contains(&option) {
            continue;
        }
        // `vite --host` alone means all addresses.
        let value =
            value.or_else(|| words.get(index + 1).map(|(value, _)| value.as_str())).unwrap_or_default();
        let host = value.rsplit("://").next().unwrap_or(value);
        let host =
            if is_loopback(host) { host } else { host.rsplit_once(':').map_or(host, |(host, _)| host) };
        if !is_loopback(host) {
            return None;
        }
        let message = format!("{} listens on {host}, {UNREACHED}", server.name);
        return finding(span, message, "listen on 0.0.0.0".to_owned());
    }
    let is_there = |word: &&str| {
        words.iter().any(|(said, _)| said == word || said.starts_with(&format!("{word}=")))
            || is_set(subject, facts, described.map(|(_, main)| main), word)
            || facts.code.files.iter().any(|path| path.file_name().is_some_and(|name| name == *word))
    };
    if !server.is_local || server.also.iter().any(is_there) {
        return None;
    }
    let option = server.options.first()?;
    let (_, span) = words.get(at)?;
    let value = if *option == "--bind" { "0.0.0.0:8000" } else { "0.0.0.0" };
    let message = format!("{} without {option} listens on 127.0.0.1, {UNREACHED}", server.name);
    finding(span, message, format!("add {option} {value}"))
}

/// Whether the image, the task or the settings give a variable.
fn is_set(subject: &Subject, facts: &Facts, main: Option<Container<'_>>, name: &str) -> bool {
    let by_image =
        facts.build.dockerfile.iter().flat_map(Dockerfile::environment).any(|(set, ..)| set == name);
    let by_task = main.is_some_and(|main| {
        main.environment().iter().any(|(set, ..)| *set == name) || !main.items("environmentFiles").is_empty()
    });
    let by_file = facts.contracts.values.iter().any(|values| values.get(name).is_some());
    // Whoever deploys with these settings gives the port to the service.
    let by_settings = subject.variables.contains_key(name) || name == "PORT" && subject.port.is_some();
    by_image || by_task || by_file || by_settings
}

/// What the code says, where the only call of the project that listens is in what the container starts.
fn by_code(subject: &Subject, facts: &Facts, main: Option<Container<'_>>) -> Option<Finding> {
    let mut calls = 0;
    let mut only: Option<(Text, Language, std::path::PathBuf, Loopback)> = None;
    for (path, language) in files(facts)? {
        let Ok(file) = inside::read(subject, &path) else { continue };
        calls += listening::of(language, &file.text).calls;
        let found = loopback::of(language, &file.text);
        if let Some(first) = found.into_iter().next().filter(|_| only.is_none()) {
            only = Some((file, language, path, first));
        }
    }
    let (file, language, path, found) = only?;
    // Of several servers the one on the machine itself may be that for its metrics.
    if calls > 1 {
        return None;
    }
    let severity = match started(subject, main, facts.build.dockerfile.as_ref()) {
        Some(command) if language != Language::Go && !is_run(&command, &path) => return None,
        Some(_) => Severity::Error,
        None => Severity::Warning,
    };
    let message = match &found.address {
        Some(address) => format!("{} listens on {address}, {UNREACHED}", file.file),
        None => format!("{} names no host, and listens on the machine itself, {UNREACHED}", file.file),
    };
    let mut finding = file.error(Code::LOOPBACK_ONLY, &found.span, message);
    finding.severity = severity;
    let hint = match language {
        Language::Go => "listen on all addresses, as in \":8080\"",
        _ => "listen on 0.0.0.0, or let a variable such as HOST say where",
    };
    Some(finding.with_hint(hint))
}

#[cfg(test)]
mod tests {
    use crate::agreement::tests::{NONE, Project, task};

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        Project::new(files).coded("QS206")
    }

    fn image(cmd: &str) -> Vec<String> {
        found(&[("Dockerfile", &format!("FROM a\nCMD [{cmd}]\n"))])
    }

    #[test]
    fn a_server_that_its_command_keeps_to_itself_is_told() {
        let default = |name: &str, option: &str| {
            [format!(
                "Error Dockerfile:2:6 {name} without {option} listens on 127.0.0.1, where nothing outside of the container reaches it"
            )]
        };
        assert_eq!(image(r#""uvicorn", "app:app", "--port", "8000""#), default("uvicorn", "--host"));
        assert_eq!(image(r#""gunicorn", "app:app""#), default("gunicorn", "--bind"));
        assert_eq!(image(r#""flask", "run", "--port", "80""#), default("flask", "--host"));
        let said = |cmd: &str| image(cmd).len();
        for cmd in [
            r#""uvicorn", "app:app", "--host", "127.0.0.1""#,
            r#""gunicorn", "--bind=127.0.0.1:8000", "app:app""#,
            r#""python", "-m", "uvicorn", "app:app""#,
            r#""puma", "-b", "tcp://127.0.0.1:3000""#,
            r#""next", "start", "-H", "localhost""#,
        ] {
            assert_eq!(said(cmd), 1, "{cmd}");
        }
        let start = ("package.json", r#"{"scripts": {"start": "vite preview --port 80"}}"#);
        let told = found(&[("Dockerfile", "FROM node:24\nCMD [\"npm\", \"start\"]\n"), start]);
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("Error package.json:1:"), "{told:?}");
        let definition =
            task(r#", "portMappings": [{"containerPort": 8000}], "command": ["uvicorn", "app:app"]"#);
        assert_eq!(found(&[("deploy/task.json", &definition)]).len(), 1);
    }

    #[test]
    fn a_server_that_others_reach_is_not() {
        for cmd in [
            r#""uvicorn", "app:app", "--host", "0.0.0.0""#,
            r#""uvicorn", "app:app", "--uds", "/run/s""#,
            r#""gunicorn", "-b", "0.0.0.0:8000", "app:app""#,
            r#""gunicorn", "-b", ":8000", "app:app""#,
            r#""gunicorn", "-c", "conf.py", "app:app""#,
            r#""gunicorn", "-b", "unix:/run/s", "app:app""#,
            r#""vite", "preview", "--host", "--port", "80""#,
            r#""next", "start""#,
            r#""celery", "-A", "app", "worker""#,
        ] {
            assert_eq!(image(cmd), NONE, "{cmd}");
        }
        let command = "CMD [\"gunicorn\", \"app:app\"]\n";
        assert_eq!(found(&[("Dockerfile", &format!("FROM a\nENV PORT=80\n{command}"))]), NONE);
        assert_eq!(
            found(&[("Dockerfile", &format!("FROM a\n{command}")), ("gunicorn.conf.py", "bind = ':80'")]),
            NONE
        );
        let proxy = task(
            r#", "command": ["uvicorn", "app:app"]}, {"name": "proxy", "image": "r/nginx:1", "memory": 64"#,
        );
        assert_eq!(found(&[("deploy/task.json", &proxy)]), NONE);
        assert_eq!(found(&[("app.py", "uvicorn.run(app)")]), NONE, "no container");
    }

    #[test]
    fn code_that_keeps_to_the_machine_is_told_where_it_is_started() {
        let node = ("Dockerfile", "FROM node:24\nCMD [\"node\", \"server.js\"]\n");
        let server = ("server.js", "app.listen(3000, '127.0.0.1')\n");
        let message = "Error server.js:1:19 server.js listens on 127.0.0.1, where nothing outside of the container reaches it";
        assert_eq!(found(&[node, server]), [message]);
        assert_eq!(
            found(&[node, ("server.js", "listen(3000)"), ("dev.js", "app.listen(1, 'localhost')")]),
            NONE
        );
        assert_eq!(found(&[node, server, ("lib.js", "app.listen(80)")]), NONE, "another server");
        assert_eq!(found(&[node, ("tests/server.js", "app.listen(3000, '127.0.0.1')")]), NONE);
        let flask = ("app.py", "from flask import Flask\napp = Flask(__name__)\napp.run()\n");
        let python = ("Dockerfile", "FROM python:3\nCMD [\"python\", \"app.py\"]\n");
        let told = found(&[python, flask]);
        let message = "Error app.py:3:1 app.py names no host, and listens on the machine itself, where nothing outside of the container reaches it";
        assert_eq!(told, [message]);
        let gunicorn = ("Dockerfile", "FROM python:3\nCMD [\"gunicorn\", \"-b\", \":80\", \"app:app\"]\n");
        assert_eq!(found(&[gunicorn, flask]), NONE);
        let go = ("main.go", "package main\nfunc main() { http.ListenAndServe(\"localhost:80\", nil) }\n");
        assert_eq!(found(&[("Dockerfile", "FROM scratch\nCMD [\"/app\"]\n"), go]).len(), 1);
    }
}
