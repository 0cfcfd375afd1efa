//! `scale`: another number of tasks of what serves.

use super::Acting;
use crate::cli::Scale;
use crate::render::{Act, Reporter};
use crate::settings::Context;

pub(super) async fn run(context: &Context, arguments: &Scale, reporter: Reporter) -> u8 {
    let acting = match Acting::begin(context, &reporter).await {
        Ok(acting) => acting,
        Err(failure) => return reporter.fail_at(Act::Scale, failure),
    };
    let work =
        async |acting: &Acting| Ok(acting.stage.deployer.scale(arguments.tasks, &acting.control).await?);
    acting.act(Act::Scale, reporter, work).await
}
