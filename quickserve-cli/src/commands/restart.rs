//! `restart`: fresh tasks of what serves.

use super::Acting;
use crate::render::{Act, Reporter};
use crate::settings::Context;

pub(super) async fn run(context: &Context, reporter: Reporter) -> u8 {
    let acting = match Acting::begin(context, &reporter).await {
        Ok(acting) => acting,
        Err(failure) => return reporter.fail_at(Act::Restart, failure),
    };
    let work = async |acting: &Acting| Ok(acting.stage.deployer.restart(&acting.control).await?);
    acting.act(Act::Restart, reporter, work).await
}
