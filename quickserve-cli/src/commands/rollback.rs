//! `rollback`: to the last good release, or a named one.

use quickserve_core::ErrorKind;
use quickserve_core::outcome::Outcome;

use super::Acting;
use crate::cli::Rollback;
use crate::failure::Failure;
use crate::render::{Act, Reporter};
use crate::settings::Context;
use crate::target::named_to_return;

pub(super) async fn run(context: &Context, arguments: &Rollback, reporter: Reporter) -> u8 {
    let acting = match Acting::begin(context, &reporter).await {
        Ok(acting) => acting,
        Err(failure) => return reporter.fail_at(Act::Rollback, failure),
    };
    // A journal that cannot be read is told of by the act itself.
    if let Ok(journal) = acting.stage.deployer.journal().await
        && let Some(lock) = journal.state().lock()
    {
        reporter.caution(format!("{lock}; a rollback is not held up"));
    }
    acting.go_back();
    let work = async |acting: &Acting| {
        let to = match &arguments.to {
            Some(word) => Some(named_to_return(acting.stage.deployer.journal().await?.state(), word)?),
            None => None,
        };
        let done = acting.stage.deployer.roll_back(to, &acting.control).await;
        done.map_err(|error| match error.kind() {
            // Nothing is wrong with what was asked: there is just nothing to go back to.
            ErrorKind::NotFound => Failure::from(error).with_outcome(Outcome::Refused),
            _ => Failure::from(error),
        })
    };
    acting.act(Act::Rollback, reporter, work).await
}
