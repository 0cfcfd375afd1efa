//! The end of a deployment that is refused under the lock, before anything has changed.

use std::time::Duration;

use super::end::serving;
use super::policy::Ending;
use super::run::Run;
use crate::clock::after;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Finished;
use crate::finding::{Finding, Severity};
use crate::journal::{Act, Cause, Event};
use crate::preflight::{LastLook, Report};

/// How long a last look may take: shorter than the lease, which is not renewed meanwhile.
const LIMIT: Duration = Duration::from_secs(20);

impl Run {
    /// Takes a last look, and ends the deployment where that refuses it.
    pub(super) async fn refuse(&mut self, look: &dyn LastLook) -> Option<Finished> {
        let (findings, cause) = match self.look(look).await {
            Ok(report) if !report.refuses() => return None,
            Ok(report) => (report.findings, None),
            Err(error) => (Vec::new(), Some(Cause::from(&error))),
        };
        Some(self.refused(findings, cause).await)
    }

    /// Whether the deployment has neither a plan nor, therefore, changed anything.
    pub(super) fn is_untouched(&self) -> bool {
        let open = self.journal.state().open.as_ref();
        open.is_some_and(|open| open.opened.act == Act::Deploy && open.plan.is_none())
    }

    /// Ends the deployment as refused.
    pub(super) async fn refused(&mut self, findings: Vec<Finding>, cause: Option<Cause>) -> Finished {
        let outcome = self.policy.outcome(Ending::Refused);
        // Only for the message: when the platform does not answer, nothing is claimed to serve.
        self.may_be_aborted(false);
        self.deadline = after(self.clock.now(), LIMIT);
        let serving = self.observe().await.map(|observed| serving(&observed)).unwrap_or_default();
        let refusing = findings.iter().filter(|finding| finding.severity == Severity::Error);
        let found = || Cause::new("refused under the lock").because(refusing.map(|one| one.message.clone()));
        let ended = Event::Ended {
            outcome,
            serving: serving.iter().map(|serving| serving.release.clone()).collect(),
            cause: Some(cause.clone().unwrap_or_else(found)),
        };
        if let Err(stop) = self.record(ended).await {
            return self.lost_from(stop).await;
        }
        Finished { findings, ..self.finished(outcome, serving, cause) }
    }

    async fn look(&self, look: &dyn LastLook) -> Result<Report> {
        tokio::select! {
            biased;
            report = look.look() => report,
            () = self.clock.sleep(LIMIT) => {
                let message = format!("the last look took longer than {} s", LIMIT.as_secs());
                Err(Error::new(ErrorKind::TimedOut, message))
            }
        }
    }
}
