//! The commands: each resolves its settings, calls the library, and tells how it ended.

mod abort;
mod completions;
mod deploy;
mod down;
mod explain;
mod history;
mod logs;
mod plan;
mod resume;
mod rollback;
mod router;
mod status;

use quickserve_core::engine::Control;
use quickserve_core::event::Finished;

use crate::cli::Command;
use crate::compose::{Reach, Stage};
use crate::failure::Failure;
use crate::render::{Act, Ending, Reporter};
use crate::settings::Context;
use crate::signals;
use crate::target::Target;

/// Runs a command and answers its exit code.
pub(crate) async fn run(command: Command, context: &Context) -> u8 {
    let reporter = Reporter::start(context);
    match command {
        Command::Deploy(arguments) => deploy::run(context, &arguments, reporter).await,
        Command::Rollback(arguments) => rollback::run(context, &arguments, reporter).await,
        Command::Resume => resume::run(context, reporter).await,
        Command::Abort => abort::run(context, reporter).await,
        Command::Down(arguments) => down::run(context, &arguments, reporter).await,
        Command::Plan(arguments) => {
            let shown = plan::run(context, &arguments, &reporter).await;
            looked(shown, reporter)
        }
        Command::Status(arguments) => {
            let shown = status::run(context, &arguments, &reporter).await;
            looked(shown, reporter)
        }
        Command::History(arguments) => {
            let shown = history::run(context, &arguments, &reporter).await;
            looked(shown, reporter)
        }
        Command::Logs(arguments) => {
            let shown = logs::run(context, &arguments, &reporter).await;
            looked(shown, reporter)
        }
        Command::Router(command) => {
            let shown = router::run(context, command).await;
            looked(shown, reporter)
        }
        Command::Completions { shell } => {
            completions::run(shell);
            0
        }
        Command::Explain { code } => looked(explain::run(&code), reporter),
    }
}

/// A command that only shows something ends well without a word.
fn looked(shown: Result<(), Failure>, reporter: Reporter) -> u8 {
    match shown {
        Ok(()) => 0,
        Err(failure) => reporter.fail(failure),
    }
}

/// What an acting command works with.
struct Acting {
    target: Target,
    stage: Stage,
    control: Control,
}

impl Acting {
    async fn begin(context: &Context, reporter: &Reporter) -> Result<Self, Failure> {
        let (target, _) = Target::read(context)?;
        Self::begin_with(target, context, reporter).await
    }

    /// For an act that closes the public port: it is not opened first, since a stranger may hold it.
    async fn begin_closing(context: &Context, reporter: &Reporter) -> Result<Self, Failure> {
        let (mut target, _) = Target::read(context)?;
        target.reach = Reach::default();
        Self::begin_with(target, context, reporter).await
    }

    async fn begin_with(target: Target, context: &Context, reporter: &Reporter) -> Result<Self, Failure> {
        let stage = target.stage(context, reporter).await?;
        reporter.know(stage.deployer.journal().await?.state());
        Ok(Self { target, stage, control: Control::default() })
    }

    /// Does the act, obeying signals, and tells how it ended.
    async fn act(
        self,
        act: Act,
        reporter: Reporter,
        work: impl AsyncFnOnce(&Self) -> Result<Finished, Failure>,
    ) -> u8 {
        let done = signals::obeying(&reporter, &self.control, work(&self)).await;
        match done {
            Ok(finished) => self.end(act, String::new(), finished, reporter).await,
            Err(failure) => reporter.fail_at(act, failure),
        }
    }

    async fn end(&self, act: Act, draft: String, finished: Finished, reporter: Reporter) -> u8 {
        // Only for the message: without the journal there is no hint.
        let journal = self.stage.deployer.journal().await.ok();
        let undo = journal.is_some_and(|journal| journal.state().rollback_target().is_some());
        reporter.end(Ending { act, finished, url: self.target.url(), undo, draft, swept: None })
    }
}
