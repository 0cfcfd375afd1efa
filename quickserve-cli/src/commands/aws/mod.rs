//! `aws`: what AWS has to have and to allow before anything is deployed there.

mod bootstrap;
mod policy;

use crate::cli::Aws;
use crate::failure::Failure;
use crate::render::Reporter;
use crate::settings::Context;

pub(super) async fn run(context: &Context, command: Aws, reporter: &Reporter) -> Result<(), Failure> {
    match command {
        Aws::Bootstrap(arguments) => bootstrap::run(context, &arguments, reporter).await,
        Aws::Policy(arguments) => policy::run(context, &arguments, reporter).await,
    }
}
