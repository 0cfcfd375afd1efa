//! `run`: a command in a container of its own, made as those of the release that serves.

use std::sync::Arc;

use quickserve_core::journal::CommandPlace;
use quickserve_docker::OneOff;

use super::{Acting, note_end};
use crate::attended::Running;
use crate::cli;
use crate::compose;
use crate::failure::Failure;
use crate::render::{Act, Reporter};
use crate::session::{Ended, Session};
use crate::settings::Context;

pub(super) async fn run(context: &Context, arguments: &cli::Run, reporter: Reporter) -> u8 {
    match one_off(context, arguments, &reporter).await {
        Ok(ended) => ended.tell(reporter),
        Err(failure) => reporter.fail_at(Act::Command, failure),
    }
}

async fn one_off(context: &Context, arguments: &cli::Run, reporter: &Reporter) -> Result<Ended, Failure> {
    if arguments.command.is_empty() && arguments.entry_point.is_none() {
        let hint = "write it after two dashes: quickserve run -- migrate --all";
        return Err(Failure::usage("there is no command to run", hint));
    }
    let Acting { stage, .. } = Acting::begin(context, reporter).await?;
    let release = stage.deployer.serving_release().await?;
    let session = Session::new(context);
    let one_off = OneOff {
        container: arguments.container.clone(),
        command: arguments.command.clone(),
        entry_point: arguments.entry_point.clone(),
        terminal: session.terminal(),
        input: true,
        caller: compose::caller(context)?,
    };
    stage.check_one_off(&one_off)?;
    if let Err(error) = stage.remove_left_commands().await {
        reporter.caution(format!("what earlier commands left stays: {}", error.causes().join(": ")));
    }
    let container = &one_off.container_in(&release)?.name;
    let words: Vec<String> = one_off.entry_point.iter().chain(&one_off.command).cloned().collect();
    let began = stage.deployer.begin_command(CommandPlace::OneOff, &release.id, container, &words).await?;
    let ended = match stage.run(&release, &one_off, compose::who(context)?).await {
        Ok(attended) => {
            let handle = Arc::clone(&attended.handle);
            let ended = session.attend(Running::Attended(attended), reporter).await;
            // Also after a failure nothing of it stays.
            if let Err(error) = handle.remove().await {
                let why = error.causes().join(": ");
                reporter.caution(format!("what the command ran in may still be there: {why}"));
            }
            ended
        }
        Err(error) => Err(error.into()),
    };
    note_end(&stage, began, ended, reporter).await
}
