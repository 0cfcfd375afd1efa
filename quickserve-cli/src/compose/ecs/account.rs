//! What AWS is asked for before a deployment.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use quickserve_aws::{Clients, preflight};
use quickserve_core::Result;
use quickserve_core::config::{JournalLocation, Settings};
use quickserve_core::preflight::{LastLook, Report};
use quickserve_core::workload::Workload;

use super::Cloud;

impl Cloud {
    /// What a service needs there, as its files and settings say.
    pub(crate) fn subject(
        &self,
        settings: &Settings,
        workload: &Workload,
        images: &BTreeMap<String, String>,
        has_good_release: bool,
    ) -> preflight::Subject {
        preflight::Subject {
            key: self.key.clone(),
            journal: match &settings.journal {
                // One that is no place is told where it is opened.
                JournalLocation::Url(url) => url.parse().ok(),
                JournalLocation::Local => None,
            },
            cluster: self.cluster.clone(),
            service: self.service.clone(),
            family: self.key.service().to_owned(),
            assume_role: settings.aws.assume_role.clone(),
            workload: workload.clone(),
            images: images.clone(),
            definition: self.definition.clone(),
            strategy: settings.strategy_for(workload),
            tasks: settings.deploy.tasks,
            minimum_healthy_percent: settings.deploy.minimum_healthy_percent,
            maximum_percent: settings.deploy.maximum_percent,
            drain_timeout: settings.deploy.drain_timeout,
            timeout: settings.deploy.timeout,
            alarms: settings.alarms.clone(),
            has_good_release,
        }
    }

    /// How AWS is called there.
    pub(crate) fn clients(&self) -> &Clients {
        &self.clients
    }
}

/// The account, looked at once more under the lock, beside what else is.
#[derive(Debug)]
pub(crate) struct StandingAccount {
    clients: Clients,
    subject: preflight::Subject,
    beside: Arc<dyn LastLook>,
}

impl StandingAccount {
    pub(crate) fn new(clients: &Clients, subject: preflight::Subject, beside: Arc<dyn LastLook>) -> Self {
        Self { clients: clients.clone(), subject, beside }
    }
}

#[async_trait]
impl LastLook for StandingAccount {
    async fn look(&self) -> Result<Report> {
        let (account, beside) =
            tokio::join!(preflight::again(&self.clients, &self.subject), self.beside.look());
        Ok(account.and(beside?))
    }
}
