//! Where journals are kept.

use std::sync::Arc;

use object_store::ObjectStore;
use quickserve_aws::Clients;
use quickserve_core::config::{JournalLocation, Settings};
use quickserve_core::finding::{Code, Finding};
use quickserve_core::journal::{self, Journal};
use quickserve_core::preflight::Report;

use super::{aws, clock, owner};
use crate::failure::Failure;
use crate::settings::Context;
use crate::target::Target;

/// What journals are opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// To look only: not even the state folder is made.
    Read,
    Write,
}

/// The store that has the service's journal; on S3, with these clients where somebody has made them already.
pub(super) async fn store(
    context: &Context,
    target: &Target,
    access: Access,
    clients: Option<&Clients>,
) -> Result<Arc<dyn ObjectStore>, Failure> {
    match &target.settings.journal {
        JournalLocation::Local => {
            let folder = context.state_dir.join("journal");
            Ok(match access {
                Access::Read => journal::local_to_read(&folder)?,
                Access::Write => journal::local(&folder)?,
            })
        }
        JournalLocation::Url(url) => {
            let place = url.parse()?;
            let clients = match clients {
                Some(clients) => clients.clone(),
                None => aws::clients(&target.settings.aws).await?,
            };
            Ok(quickserve_aws::journal::store(&clients, &place, clock())?)
        }
    }
}

/// What is wrong with the bucket that the journal is in, with these clients where somebody has made them already. That it
/// cannot be asked is a finding: without its journal nothing is deployed.
pub(super) async fn inspect(settings: &Settings, clients: Option<&Clients>) -> Report {
    let JournalLocation::Url(url) = &settings.journal else { return Report::default() };
    let inspected = async {
        let place = url.parse()?;
        let clients = match clients {
            Some(clients) => clients.clone(),
            None => aws::clients(&settings.aws).await?,
        };
        quickserve_aws::bootstrap::inspect(&clients, &place, clock()).await
    };
    match inspected.await {
        Ok(findings) => Report::of(findings),
        Err(error) => {
            let message = format!("the journal cannot be reached: {}", error.causes().join(": "));
            let mut finding = Finding::error(Code::JOURNAL_UNSEEN, message).on(&**url);
            finding.hint = error.hint().map(str::to_owned);
            Report::of(vec![finding])
        }
    }
}

/// The service's journal, without its platform.
pub(crate) async fn journal(context: &Context, target: &Target, access: Access) -> Result<Journal, Failure> {
    let store = store(context, target, access, None).await?;
    Ok(Journal::read(store, &target.key, clock(), owner::nonce()?).await?)
}
