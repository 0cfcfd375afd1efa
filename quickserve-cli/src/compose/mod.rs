//! What a deployer is made of, on the platform that an environment names.

mod aws;
mod command;
mod docker;
mod ecs;
mod journals;
mod owner;
mod stage;

use std::sync::Arc;

use quickserve_core::Result;
use quickserve_core::clock::{Clock, SystemClock};
use quickserve_core::journal::{Liveness, Owner, Process};

use crate::settings::Context;

pub(crate) use aws::clients as aws_clients;
pub(crate) use docker::{
    Local, Reach, for_rule, launch, router, router_arguments, router_run, url, worker_arguments,
};
pub(crate) use journals::{Access, journal};
pub(crate) use stage::Stage;

/// Who calls, as journals name them.
pub(crate) fn who(context: &Context) -> Result<String> {
    Ok(owner::this_process(&context.user)?.who)
}

/// The process that calls, where this host tells processes apart.
pub(crate) fn caller(context: &Context) -> Result<Option<Process>> {
    Ok(owner::this_process(&context.user)?.process)
}

/// This process as an owner.
fn owner(context: &Context) -> Result<Owner> {
    let owner = owner::this_process(&context.user)?;
    Ok(match &context.nonce {
        Some(nonce) => Owner { nonce: nonce.clone(), ..owner },
        None => owner,
    })
}

/// A name for an owner that nobody else has.
pub(crate) fn nonce() -> Result<String> {
    owner::nonce()
}

/// Whether other owners' processes live.
pub(crate) fn liveness() -> Arc<dyn Liveness> {
    Arc::new(owner::Processes)
}

/// The machine's clock.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}
