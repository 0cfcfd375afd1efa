//! `down`: removes all that QuickServe made for the service.

use quickserve_core::Error;
use quickserve_core::event::Finished;
use quickserve_core::journal::Cause;
use quickserve_core::outcome::Outcome;
use quickserve_docker::Swept;

use super::Acting;
use crate::cli::Down;
use crate::failure::Failure;
use crate::render::{Act, Ending, Reporter, words};
use crate::settings::Context;
use crate::signals;

pub(super) async fn run(context: &Context, arguments: &Down, reporter: Reporter) -> u8 {
    let acting = match Acting::begin_closing(context, &reporter).await {
        Ok(acting) => acting,
        Err(failure) => return reporter.fail_at(Act::Down, failure),
    };
    let local = acting.stage.need_local("down", |ecs| {
        format!("aws ecs delete-service --cluster {} --service {} --force", ecs.cluster(), ecs.service())
    });
    let local = match local {
        Ok(local) => local,
        Err(failure) => return reporter.fail_at(Act::Down, failure),
    };
    let work = async {
        let drain = acting.target.settings.deploy.drain_timeout;
        let finished = acting.stage.deployer.take_down(drain, &acting.control).await?;
        if !matches!(finished.outcome, Outcome::Done | Outcome::Unchanged) {
            return Ok::<_, Failure>((finished, None));
        }
        Ok(match local.sweep(&acting.stage.deployer, arguments.volumes).await {
            Ok(swept) => (finished, Some(swept)),
            Err(error) => (left_over(finished, &error), None),
        })
    };
    match signals::obeying(&reporter, &acting, work).await {
        Ok((finished, swept)) => reporter.end(Ending {
            draft: if arguments.volumes { " --volumes".to_owned() } else { String::new() },
            detail: swept.as_ref().and_then(words_of),
            kept: swept.as_ref().and_then(kept),
            looked: true,
            ..Ending::of(Act::Down, finished)
        }),
        Err(failure) => reporter.fail_at(Act::Down, failure),
    }
}

/// The end of a removal whose tasks are gone, and that left something.
fn left_over(finished: Finished, error: &Error) -> Finished {
    let whole = Cause::from(error);
    let why = std::iter::once(whole.message).chain(whole.causes).collect();
    let message = "no task is left, but not everything else went".to_owned();
    let cause = Cause { message, causes: why, hint: whole.hint };
    Finished { cause: Some(cause), deployment: finished.deployment, ..Finished::new(Outcome::Stuck) }
}

/// What went beside the tasks. Its tags are those that kept images; the images stay while others use them.
fn words_of(swept: &Swept) -> Option<String> {
    let volumes = (!swept.volumes.is_empty()).then(|| words::count(swept.volumes.len() as u64, "volume"));
    let images = (!swept.tags.is_empty()).then(|| words::count(swept.tags.len() as u64, "kept image"));
    let network = swept.network.then(|| "the network".to_owned());
    let parts: Vec<String> = volumes.into_iter().chain(images).chain(network).collect();
    (!parts.is_empty()).then(|| format!("with {}", parts.join(", ")))
}

/// What stays on purpose.
fn kept(swept: &Swept) -> Option<String> {
    let names = &swept.kept_volumes;
    let count = words::count(names.len() as u64, "volume");
    (!names.is_empty()).then(|| format!("{count} ({})", names.join(", ")))
}
