//! A deployment that has not ended, and whether its owner is at work.

use quickserve_core::journal::{Journal, OpenDeployment, OwnerStatus, OwnerWatch};
use quickserve_core::release::ReleaseId;
use serde_json::{Value, json};

use crate::compose;
use crate::failure::Failure;
use crate::render::words;

/// A deployment that has not ended.
#[derive(Debug)]
pub(super) struct InFlight {
    open: OpenDeployment,
    owner: OwnerStatus,
}

impl InFlight {
    /// The one of a journal, if there is one.
    pub(super) async fn of(journal: &Journal) -> Result<Option<Self>, Failure> {
        let Some(open) = journal.state().open.clone() else { return Ok(None) };
        let owner = OwnerWatch::new(compose::liveness(), compose::clock()).observe(journal).await?;
        Ok(Some(Self { open, owner }))
    }

    /// Whether its owner is known to be gone.
    pub(super) fn is_left(&self) -> bool {
        !self.is_paused() && matches!(self.owner, OwnerStatus::Gone { .. })
    }

    /// Whether it waits for an answer.
    pub(super) fn is_paused(&self) -> bool {
        self.open.parked.is_some()
    }

    /// The release that it would promote beside the one that is, should somebody finish it: one that goes back, or whose
    /// release is decided to be good, promotes nothing new.
    pub(super) fn undecided(&self, promoted: Option<&ReleaseId>) -> Option<&ReleaseId> {
        let open = &self.open;
        let goes_on = !open.promoted && open.failed.is_none() && open.abort.is_none();
        open.opened.goal.release().filter(|goal| goes_on && Some(*goal) != promoted)
    }

    /// How far it is, for a person.
    pub(super) fn sentence(&self) -> String {
        if let Some(parked) = &self.open.parked {
            return format!("{}, {parked}; nobody judges it meanwhile", self.open.opened.deployment);
        }
        let step = self.open.step.as_ref();
        let step = step.map_or_else(|| "planning".to_owned(), |(_, step, _)| step.to_string());
        let (who, deployment) = (&self.open.owner, &self.open.opened.deployment);
        match &self.owner {
            OwnerStatus::Gone { because } => format!("{deployment} of {who} was left at: {step}; {because}"),
            OwnerStatus::Alive => {
                let since = words::moment(self.open.started);
                format!("{deployment} by {who} since {since}, now at: {step}")
            }
            OwnerStatus::Unknown => {
                let since = words::moment(self.open.started);
                format!(
                    "{deployment} by {who} since {since}, last at: {step}; one look does not show whether its \
                     owner lives, quickserve resume finds out"
                )
            }
        }
    }

    /// What is known of its owner, in a word; nothing while it is paused, when it has none.
    fn owner(&self) -> Option<&'static str> {
        (!self.is_paused()).then_some(match self.owner {
            OwnerStatus::Alive => "alive",
            OwnerStatus::Unknown => "unknown",
            OwnerStatus::Gone { .. } => "gone",
        })
    }

    pub(super) fn json(&self) -> Value {
        let open = &self.open;
        json!({
            "deployment": open.opened.deployment,
            "act": open.opened.act,
            "release": open.opened.goal.release(),
            "by": open.owner.who,
            "pid": open.owner.process.as_ref().map(|process| process.pid),
            "since": open.started,
            "step": open.step.as_ref().map(|(_, step, _)| step.name()),
            "interrupted": self.is_left(),
            "owner": self.owner(),
            "paused": open.parked.as_ref().map(|parked| json!({
                "by": parked.by, "since": parked.at, "before": parked.before.name(), "until": parked.until,
            })),
        })
    }
}
