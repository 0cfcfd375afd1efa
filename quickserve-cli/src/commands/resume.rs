//! `resume`: converges what an interrupted deployment left; follows one whose owner lives to its end.

use super::Acting;
use crate::render::{Act, Reporter};
use crate::settings::Context;

pub(super) async fn run(context: &Context, reporter: Reporter) -> u8 {
    let acting = match Acting::begin(context, &reporter).await {
        Ok(acting) => acting,
        Err(failure) => return reporter.fail_at(Act::Resume, failure),
    };
    let work = async |acting: &Acting| Ok(acting.stage.deployer.resume(&acting.control).await?);
    acting.act(Act::Resume, reporter, work).await
}
