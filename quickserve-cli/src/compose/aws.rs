//! AWS as an environment reaches it. Nothing of it is loaded before something needs it.

use quickserve_aws::{Clients, chain};
use quickserve_core::Result;
use quickserve_core::config::Aws;

/// Its clients. No call is made.
pub(crate) async fn clients(settings: &Aws) -> Result<Clients> {
    let Aws { region, assume_role } = settings.clone();
    let settings = chain::Settings { region, assume_role, ..chain::Settings::default() };
    // Apart, since a command that needs no AWS should not have the room that this takes.
    Ok(Clients::new(Box::pin(chain::load(&settings)).await?))
}
