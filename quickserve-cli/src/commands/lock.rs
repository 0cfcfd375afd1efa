//! `lock` and `unlock`: nobody deploys meanwhile. They need the journal alone, no engine.

use quickserve_core::event::Finished;
use quickserve_core::journal::Lock;
use quickserve_core::outcome::Outcome;

use crate::cli;
use crate::compose::{self, Access};
use crate::failure::Failure;
use crate::render::{Act, Ending, Reporter, words};
use crate::settings::Context;
use crate::target::Target;

pub(super) async fn lock(context: &Context, arguments: &cli::Lock, reporter: Reporter) -> u8 {
    let locked = async {
        let target = Target::find(context, &reporter)?;
        let mut journal = compose::journal(context, &target, Access::Write).await?;
        let (lock, new) = journal.lock(&compose::who(context)?, &arguments.reason.0).await?;
        let open = journal.state().open.as_ref();
        let goes_on = open.map(|open| format!("{} is in flight and goes on", open.opened.deployment));
        Ok::<_, Failure>((target, lock, new, goes_on))
    };
    match locked.await {
        Ok((target, lock, new, goes_on)) => {
            if let Some(goes_on) = goes_on {
                reporter.caution(goes_on);
            }
            let text = format!("{}: nobody deploys; {}", target.arrow(), lock.reason);
            end(reporter, Act::Lock, new, Some(text))
        }
        Err(failure) => reporter.fail_at(Act::Lock, failure),
    }
}

pub(super) async fn unlock(context: &Context, reporter: Reporter) -> u8 {
    let unlocked = async {
        let target = Target::find(context, &reporter)?;
        let mut journal = compose::journal(context, &target, Access::Write).await?;
        let lock = journal.unlock(&compose::who(context)?).await?;
        Ok::<_, Failure>((target, lock))
    };
    match unlocked.await {
        Ok((target, lock)) => {
            let text = lock.as_ref().map(|lock| format!("{}: {}", target.arrow(), was(lock)));
            end(reporter, Act::Unlock, lock.is_some(), text)
        }
        Err(failure) => reporter.fail_at(Act::Unlock, failure),
    }
}

fn was(lock: &Lock) -> String {
    format!("was locked by {} since {}: {}", lock.by, words::moment(lock.since), lock.reason)
}

fn end(reporter: Reporter, act: Act, new: bool, detail: Option<String>) -> u8 {
    let outcome = if new { Outcome::Done } else { Outcome::Unchanged };
    reporter.end(Ending { detail, ..Ending::of(act, Finished::new(outcome)) })
}
