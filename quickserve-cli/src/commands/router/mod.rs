//! `router`: the local router's own commands.

mod logs;
mod run;
mod service_manager;
mod status;
mod upgrade;

use crate::cli::Router;
use crate::failure::Failure;
use crate::settings::Context;

pub(super) use service_manager::missing as no_service_manager;
pub(super) use upgrade::outdated;

pub(super) async fn run(context: &Context, command: Router) -> Result<(), Failure> {
    match command {
        Router::Run { docker_host } => run::supervise(context, docker_host).await,
        Router::Worker => run::work().await,
        Router::Status => status::show(context).await,
        Router::Stop { force } => run::stop(context, force).await,
        Router::Upgrade { drain } => upgrade::run(context, &drain).await,
        Router::Logs { follow, lines, access } => logs::run(context, follow, lines, access).await,
        Router::Install { print } => service_manager::install(context, print).await,
        Router::Uninstall => service_manager::uninstall(context),
    }
}
