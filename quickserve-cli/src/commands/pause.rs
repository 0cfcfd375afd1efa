//! `pause`: stops a deployment in flight before it changes traffic again.

use super::Acting;
use crate::render::{Act, Reporter};
use crate::settings::Context;

pub(super) async fn run(context: &Context, reporter: Reporter) -> u8 {
    let acting = match Acting::begin(context, &reporter).await {
        Ok(acting) => acting,
        Err(failure) => return reporter.fail_at(Act::Pause, failure),
    };
    let work = async |acting: &Acting| {
        // Its owner may be in the middle of a step that takes as long as a deployment may.
        let patience = acting.target.settings.deploy.timeout;
        Ok(acting.stage.deployer.pause(&acting.control, patience).await?)
    };
    acting.act(Act::Pause, reporter, work).await
}
