//! Why a deployment did not end well, on one line.

use quickserve_core::journal::{Cause, DeploymentSummary};

use crate::render::words;

/// `bake: r-7c41e9 did not stay healthy while it baked; web exited 137 (out of memory)`.
pub(super) fn why(summary: &DeploymentSummary) -> Option<String> {
    let Cause { message, causes, .. } = summary.cause.as_ref()?;
    let at = summary.failed_at.as_ref().map(|step| format!("{}: ", words::step(step))).unwrap_or_default();
    let all: Vec<&str> = std::iter::once(message).chain(causes).map(String::as_str).collect();
    Some(format!("{at}{}", all.join("; ")))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use quickserve_core::journal::{Act, DeploymentId};
    use quickserve_core::plan::Step;

    use super::*;

    #[test]
    fn what_failed_comes_before_why() {
        let release = "r-9ae4aa000000".parse().expect("a name");
        let mut summary = DeploymentSummary {
            deployment: DeploymentId("d-1".into()),
            seq: 1,
            act: Act::Deploy,
            release: None,
            outcome: None,
            started: Timestamp::UNIX_EPOCH,
            finished: None,
            by: "ada@host".into(),
            cause: None,
            failed_at: Some(Step::SmokeStaged { release }),
        };
        assert_eq!(why(&summary), None);
        summary.cause = Some(Cause::new("GET /health answered 503").because(["expected 200".to_owned()]));
        assert_eq!(why(&summary).as_deref(), Some("smoke: GET /health answered 503; expected 200"));
        summary.failed_at = None;
        assert_eq!(why(&summary).as_deref(), Some("GET /health answered 503; expected 200"));
    }
}
