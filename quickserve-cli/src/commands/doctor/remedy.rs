//! Commands that mend a service.

use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_docker::PortHolder;
use serde_json::{Value, json};

use super::examination::Examination;
use crate::commands::status::Seen;
use crate::render::{Line, Tone};

/// A command, and what it mends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remedy {
    /// One of ours that only brings about what was decided before: it may be run unasked.
    Safe { arguments: &'static [&'static str], mends: String },
    /// One of ours that decides something.
    Ours { command: &'static str, mends: String },
    /// Somebody else's.
    Foreign { command: String, mends: String },
}

impl Remedy {
    pub(super) fn is_safe(&self) -> bool {
        matches!(self, Self::Safe { .. })
    }

    /// As one would type it; `again` are the flags that choose the same service.
    pub(super) fn command(&self, again: &str) -> String {
        match self {
            Self::Safe { arguments, .. } => format!("quickserve {}{again}", arguments.join(" ")),
            Self::Ours { command, .. } => format!("quickserve {command}{again}"),
            Self::Foreign { command, .. } => command.clone(),
        }
    }

    fn mends(&self) -> &str {
        match self {
            Self::Safe { mends, .. } | Self::Ours { mends, .. } | Self::Foreign { mends, .. } => mends,
        }
    }

    pub(super) fn line(&self, again: &str) -> Line {
        let safe = if self.is_safe() { "; doctor --fix runs it" } else { "" };
        Line::toned("mend", format!("{}   {}{safe}", self.command(again), self.mends()), Tone::Good)
    }

    pub(super) fn json(&self, again: &str) -> Value {
        json!({ "command": self.command(again), "mends": self.mends(), "safe": self.is_safe() })
    }
}

/// What mends what was found, in the order in which it helps.
pub(super) fn remedies(seen: &Seen, examination: &Examination, findings: &[Finding]) -> Vec<Remedy> {
    let found = |code: Code| findings.iter().any(|finding| finding.code == code);
    let mut remedies = Vec::new();
    if seen.is_unsupervised() {
        let mends = "lets the router be supervised again".to_owned();
        remedies.push(Remedy::Safe { arguments: &["router", "upgrade"], mends });
    }
    remedies.extend(examination.holder.as_ref().and_then(free));
    remedies.extend(examination.containers.iter().filter(|container| container.is_paused).map(|container| {
        let mends = "lets a task go on that somebody has paused".to_owned();
        Remedy::Foreign { command: format!("docker unpause {}", container.container), mends }
    }));
    let is_unwell =
        |finding: &Finding| finding.code == Code::UNWELL_TASK && finding.severity == Severity::Error;
    if seen.needs_resuming() || findings.iter().any(is_unwell) {
        remedies.extend(resume(seen, examination, found(Code::RESTART_LOOP)));
    }
    if found(Code::RESTART_LOOP) {
        remedies.push(Remedy::Ours {
            command: "logs",
            mends: "shows what the tasks say before they end".to_owned(),
        });
        if seen.has_rollback_target() {
            let mends = "goes back to the release before".to_owned();
            remedies.push(Remedy::Ours { command: "rollback", mends });
        }
    }
    if found(Code::MISSING_VARIABLE) {
        remedies.push(Remedy::Ours { command: "deploy", mends: "once the variables have values".to_owned() });
    }
    if found(Code::HOST_RESOURCES) {
        let mends = "removes images that nothing uses; look first with docker system df".to_owned();
        remedies.push(Remedy::Foreign { command: "docker image prune".to_owned(), mends });
    }
    remedies
}

/// What frees the public port.
fn free(holder: &PortHolder) -> Option<Remedy> {
    let command = match holder {
        PortHolder::Container { name, .. } => format!("docker stop {name}"),
        PortHolder::Process { pid, .. } => format!("kill {pid}"),
        PortHolder::Unknown => return None,
    };
    Some(Remedy::Foreign { command, mends: "frees the public port, which the router then takes".to_owned() })
}

/// What brings about what was decided. It is not for a machine to run where it would decide something, or would fail.
fn resume(seen: &Seen, examination: &Examination, is_looping: bool) -> Vec<Remedy> {
    if let Some(release) = seen.undecided() {
        let mends = format!("finishes what was left: {release:#} is promoted, if it proves to be good");
        let mut remedies = vec![Remedy::Ours { command: "resume", mends }];
        if let Some(promoted) = seen.promoted() {
            let mends = format!("takes it back: {promoted:#} alone serves again");
            remedies.push(Remedy::Ours { command: "abort", mends });
        }
        return remedies;
    }
    let mends = "brings about what was decided: the promoted release, alone".to_owned();
    vec![if examination.holder.is_some() {
        Remedy::Ours { command: "resume", mends: format!("once the port is free, {mends}") }
    } else if is_looping {
        Remedy::Ours { command: "resume", mends: format!("once they stay up, {mends}") }
    } else {
        Remedy::Safe { arguments: &["resume"], mends }
    }]
}
