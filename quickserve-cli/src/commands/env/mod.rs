//! `env`: the contract of variables. Names, places and kinds; never a value.

mod diff;
mod given;
mod scan;
mod show;
mod template;

use quickserve_check::Subject;
use quickserve_core::{Error, ErrorKind};

use super::check;
use crate::cli::{Draft, Env};
use crate::failure::Failure;
use crate::project::Project;
use crate::render::Reporter;
use crate::settings::Context;
use crate::target::Target;

pub(super) async fn run(context: &Context, command: Env, _: &Reporter) -> Result<(), Failure> {
    match command {
        Env::Show => show::run(context).await,
        Env::Diff { one, other } => diff::run(context, &one, &other),
        Env::Scan => scan::run(context).await,
        Env::Template { output } => template::run(context, output.as_deref()).await,
    }
}

/// What quickserve.toml describes, or the folder where there is none.
fn subject(context: &Context) -> Result<Subject, Failure> {
    if Project::is_there(context) {
        let (target, project) = Target::read(context)?;
        Ok(check::subject(context, &target, &project, &Draft::default()))
    } else {
        Project::refuse_choice(context, context.choosing.first().copied())?;
        Ok(check::folder(context))
    }
}

/// What the code of a subject reads, found away from the thread that waits for answers.
async fn code(subject: Subject) -> Result<quickserve_check::code::Code, Failure> {
    let scanned = tokio::task::spawn_blocking(move || quickserve_check::code::scan(&subject)).await;
    let scanned =
        scanned.map_err(|error| Error::new(ErrorKind::Unexpected, "read the code").with_source(error));
    Ok(scanned?.0)
}
