//! `abort`: ends a deployment in flight and goes back to what served.

use super::Acting;
use crate::render::{Act, Reporter};
use crate::settings::Context;

pub(super) async fn run(context: &Context, reporter: Reporter) -> u8 {
    let acting = match Acting::begin(context, &reporter).await {
        Ok(acting) => acting,
        Err(failure) => return reporter.fail_at(Act::Abort, failure),
    };
    acting.go_back();
    let work = async |acting: &Acting| {
        // The owner gets as long for the way back as for the way there.
        let patience = acting.target.settings.deploy.timeout;
        Ok(acting.stage.deployer.abort(&acting.control, patience).await?)
    };
    acting.act(Act::Abort, reporter, work).await
}
