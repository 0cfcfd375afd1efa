//! `down`: removes all that QuickServe made for the service.

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
    let work = async {
        let drain = acting.target.settings.deploy.drain_timeout;
        let finished = acting.stage.deployer.take_down(drain, &acting.control).await?;
        let swept = match finished.outcome {
            Outcome::Done | Outcome::Unchanged => Some(acting.stage.sweep(arguments.volumes).await?),
            _ => None,
        };
        Ok::<_, Failure>((finished, swept))
    };
    match signals::obeying(&reporter, &acting.control, work).await {
        Ok((finished, swept)) => {
            let swept = swept.as_ref().and_then(words_of);
            reporter.end(Ending {
                act: Act::Down,
                finished,
                url: None,
                undo: false,
                draft: String::new(),
                swept,
            })
        }
        Err(failure) => reporter.fail_at(Act::Down, failure),
    }
}

/// What went beside the tasks. Its tags are those that kept images; the images stay while others use them.
fn words_of(swept: &Swept) -> Option<String> {
    let volumes = (!swept.volumes.is_empty()).then(|| words::count(swept.volumes.len() as u64, "volume"));
    let images = (!swept.tags.is_empty()).then(|| words::count(swept.tags.len() as u64, "kept image"));
    let network = swept.network.then(|| "the network".to_owned());
    let parts: Vec<String> = volumes.into_iter().chain(images).chain(network).collect();
    (!parts.is_empty()).then(|| format!("with {}", parts.join(", ")))
}
