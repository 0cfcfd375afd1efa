//! `exec`: a command in a task of the release that serves.

use quickserve_core::journal::CommandPlace;
use quickserve_docker::Exec;

use super::{Acting, note_end};
use crate::cli;
use crate::failure::Failure;
use crate::render::{Act, Reporter};
use crate::session::{Ended, Session};
use crate::settings::Context;

pub(super) async fn run(context: &Context, arguments: &cli::Exec, reporter: Reporter) -> u8 {
    match exec(context, arguments, &reporter).await {
        Ok(ended) => ended.tell(reporter),
        Err(failure) => reporter.fail_at(Act::Command, failure),
    }
}

async fn exec(context: &Context, arguments: &cli::Exec, reporter: &Reporter) -> Result<Ended, Failure> {
    let Acting { stage, .. } = Acting::begin(context, reporter).await?;
    let release = stage.deployer.serving_release().await?;
    let session = Session::new(context);
    let exec = Exec {
        task: arguments.task.clone(),
        container: arguments.container.clone(),
        command: arguments.command.clone(),
        terminal: session.terminal(),
        input: true,
    };
    let place = stage.find_task(&release, &exec).await?;
    let noted = CommandPlace::Task { task: place.task().clone() };
    let began = stage.deployer.begin_command(noted, &release.id, place.container(), &exec.command).await?;
    let ended = match stage.exec(&place, &exec).await {
        Ok(running) => session.attend(running, reporter).await,
        Err(error) => Err(error.into()),
    };
    let ended = note_end(&stage, began, ended, reporter).await?;
    if matches!(ended, Ended::Interrupted(_)) {
        let task = place.task();
        reporter.caution(format!("the command may still run in task {task}: nothing here can stop it"));
    }
    Ok(ended)
}
