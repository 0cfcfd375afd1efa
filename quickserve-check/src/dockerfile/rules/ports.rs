//! QS203: the ports that a Dockerfile names disagree.

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding};

use super::Judge;
use crate::definition::local_url;
use crate::dockerfile::instruction::{Body, Command, Word};

pub(super) fn mismatch(judge: &Judge<'_>) -> Vec<Finding> {
    let dockerfile = judge.dockerfile;
    let exposed: Vec<u16> = dockerfile.exposed().into_iter().map(|(port, _)| port).collect();
    let mut findings = Vec::new();
    let mut differs = |port: u16, span: &Span, what: &str| {
        if !exposed.is_empty() && !exposed.contains(&port) {
            let message = format!("{what} {port}, and EXPOSE says {}", listed(&exposed));
            let hint = "let both name the port that the service listens on";
            findings.push(judge.file().warning(Code::PORT_MISMATCH, span, message).with_hint(hint));
        }
    };
    let mut listens = Vec::new();
    for variable in dockerfile.variables() {
        if variable.name == "PORT"
            && let Ok(port) = variable.value.parse()
        {
            differs(port, variable.span, "PORT is");
            listens.push((port, "PORT is"));
        }
    }
    let commands = [dockerfile.entrypoint(), dockerfile.cmd()];
    for words in commands.into_iter().flatten().flat_map(Command::simple) {
        if let Some((port, span)) = option(&words) {
            differs(port, &span, "the command listens on");
            listens.push((port, "the command listens on"));
        }
    }
    findings.extend(health(judge, &exposed, &listens));
    findings
}

fn listed(ports: &[u16]) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The port that HEALTHCHECK asks, where nothing else in the Dockerfile names it.
fn health(judge: &Judge<'_>, exposed: &[u16], listens: &[(u16, &str)]) -> Option<Finding> {
    let dockerfile = judge.dockerfile;
    let check = dockerfile.health_check()?;
    let commands = check.simple();
    let words = commands.iter().flatten();
    let mut asked = words.filter_map(|word| {
        let (port, _) = local_url(word.text.trim_matches(['"', '\'', ';', ')', '(']))?;
        Some((port, word.span.clone()))
    });
    let (port, span) = asked.next()?;
    // Of several URLs one may be that of the service.
    let is_named = exposed.contains(&port) || listens.iter().any(|(listened, _)| *listened == port);
    if asked.next().is_some() || is_named || names_elsewhere(judge, check, port) {
        return None;
    }
    let (other, what) = match (exposed, listens) {
        (_, [(listened, what), ..]) => (format!("{what} {listened}"), "the service listens on"),
        ([], []) => return None,
        (exposed, []) => (format!("EXPOSE says {}", listed(exposed)), "is exposed"),
    };
    let message = format!("HEALTHCHECK asks port {port}, and {other}");
    let finding = judge.file().warning(Code::PORT_MISMATCH, &span, message);
    Some(finding.with_hint(format!("ask the port that {what}, or the image is never healthy")))
}

/// Whether another instruction, or the script that is started, has the number: a server may have a port for its health.
fn names_elsewhere(judge: &Judge<'_>, check: &Command, port: u16) -> bool {
    let number = port.to_string();
    let has = |text: &str| text.split(|char: char| !char.is_ascii_digit()).any(|part| part == number);
    let span = check.span();
    let others = judge.dockerfile.instructions().filter(|instruction| {
        let is_itself = instruction.span.start <= span.start && span.end <= instruction.span.end;
        !is_itself && !matches!(instruction.body, Body::Healthcheck(_))
    });
    let mut texts = others.filter_map(|instruction| judge.file().text.get(instruction.span.clone()));
    texts.any(has) || judge.script.is_some_and(|script| has(&script.text))
}

/// The port among the options of well-known servers.
fn option(words: &[Word]) -> Option<(u16, Span)> {
    const SERVERS: [&str; 10] = [
        "uvicorn",
        "gunicorn",
        "hypercorn",
        "daphne",
        "flask",
        "puma",
        "rails",
        "waitress-serve",
        "streamlit",
        "serve",
    ];
    if !words.iter().any(|word| SERVERS.contains(&word.text.rsplit('/').next().unwrap_or_default())) {
        return None;
    }
    for (index, word) in words.iter().enumerate() {
        let (name, value) = match word.text.split_once('=') {
            Some((name, value)) => (name, value),
            None => (&*word.text, words.get(index + 1).map_or("", |next| &*next.text)),
        };
        let port = match name {
            "--port" | "-p" | "--server.port" => value,
            "--bind" | "-b" => value.rsplit_once(':').map_or("", |(_, port)| port),
            _ => continue,
        };
        if let Ok(port) = port.parse() {
            return Some((port, word.span.clone()));
        }
    }
    None
}
