//! QS203: the ports that a Dockerfile names disagree.

use quickserve_core::document::Span;
use quickserve_core::finding::{Code, Finding};

use super::Judge;
use crate::dockerfile::instruction::Word;

pub(super) fn mismatch(judge: &Judge<'_>) -> Vec<Finding> {
    let dockerfile = judge.dockerfile;
    let exposed = dockerfile.exposed();
    if exposed.is_empty() {
        return Vec::new();
    }
    let listed = exposed.iter().map(|(port, _)| port.to_string()).collect::<Vec<_>>().join(", ");
    let mut findings = Vec::new();
    let mut differs = |port: u16, span: &Span, what: &str| {
        if !exposed.iter().any(|(known, _)| *known == port) {
            let message = format!("{what} {port}, and EXPOSE says {listed}");
            let hint = "let both name the port that the service listens on";
            findings.push(judge.file().warning(Code::PORT_MISMATCH, span, message).with_hint(hint));
        }
    };
    for variable in dockerfile.variables() {
        if variable.name == "PORT"
            && let Ok(port) = variable.value.parse()
        {
            differs(port, variable.span, "PORT is");
        }
    }
    let commands = [dockerfile.entrypoint(), dockerfile.cmd()];
    for words in commands.into_iter().flatten().flat_map(super::super::instruction::Command::simple) {
        if let Some((port, span)) = option(&words) {
            differs(port, &span, "the command listens on");
        }
    }
    findings
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
