//! Where journals are kept.

use std::sync::Arc;

use object_store::ObjectStore;
use quickserve_aws::Clients;
use quickserve_core::config::JournalLocation;
use quickserve_core::journal::{self, Journal};

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

/// The service's journal, without its platform.
pub(crate) async fn journal(context: &Context, target: &Target, access: Access) -> Result<Journal, Failure> {
    let store = store(context, target, access, None).await?;
    Ok(Journal::read(store, &target.key, clock(), owner::nonce()?).await?)
}
