//! The commands: each resolves its settings, calls the library, and tells how it ended.

mod abort;
mod amiss;
mod aws;
mod check;
mod completions;
mod deploy;
mod detach;
mod disk;
mod doctor;
mod down;
mod env;
mod exec;
pub(crate) mod explain;
mod history;
mod in_flight;
mod lock;
mod logs;
mod pause;
mod plan;
mod promote;
mod restart;
mod resume;
mod rollback;
mod router;
mod run;
mod scale;
mod status;
mod table;
mod why;

use quickserve_core::engine::Control;
use quickserve_core::event::Finished;
use quickserve_core::journal::Journal;
use quickserve_core::outcome::Outcome;
use quickserve_docker::router::ListenSpec;

use crate::asked::{self, Difference};
use crate::cli::{Command, Router};
use crate::compose::{Reach, Stage, url};
use crate::failure::Failure;
use crate::output;
use crate::render::{Act, Ending, Line, Reporter, Style};
use crate::session::Ended;
use crate::settings::Context;
use crate::signals;
use crate::target::Target;

/// Runs a command and answers its exit code.
pub(crate) async fn run(command: Command, context: &Context) -> u8 {
    let reporter = match command {
        // The terminal is theirs: nothing is drawn between what they write.
        Command::Run(_) | Command::Exec(_) | Command::Logs(_) => Reporter::start_still(context),
        _ => Reporter::start(context),
    };
    match command {
        Command::Deploy(arguments) => deploy::run(context, &arguments, reporter).await,
        Command::Rollback(arguments) => rollback::run(context, &arguments, reporter).await,
        Command::Resume => resume::run(context, reporter).await,
        Command::Abort => abort::run(context, reporter).await,
        Command::Pause => pause::run(context, reporter).await,
        Command::Promote => promote::run(context, reporter).await,
        Command::Lock(arguments) => lock::lock(context, &arguments, reporter).await,
        Command::Unlock => lock::unlock(context, reporter).await,
        Command::Run(arguments) => run::run(context, &arguments, reporter).await,
        Command::Exec(arguments) => exec::run(context, &arguments, reporter).await,
        Command::Restart => restart::run(context, reporter).await,
        Command::Scale(arguments) => scale::run(context, &arguments, reporter).await,
        Command::Down(arguments) => down::run(context, &arguments, reporter).await,
        Command::Check(arguments) => match check::run(context, &arguments, &reporter).await {
            Ok(code) => code,
            Err(failure) => reporter.fail(failure),
        },
        Command::Doctor(arguments) => match doctor::run(context, &arguments, &reporter).await {
            Ok(code) => code,
            Err(failure) => reporter.fail(failure),
        },
        Command::Env(command) => {
            let shown = env::run(context, command, &reporter).await;
            looked(shown, reporter)
        }
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
        Command::Router(command) => router_command(command, context).await,
        Command::Aws(command) => {
            let shown = aws::run(context, command, &reporter).await;
            looked(shown, reporter)
        }
        Command::Completions { shell } => {
            completions::run(shell);
            0
        }
        Command::Explain { code } => looked(explain::run(context, code.as_deref()), reporter),
    }
}

/// Runs a command of the router's own, among them its processes, which stay: until there is something to tell, nothing is
/// there to tell it.
pub(crate) async fn router_command(command: Router, context: &Context) -> u8 {
    match Box::pin(router::run(context, command)).await {
        Ok(()) => 0,
        Err(failure) => Reporter::start_still(context).fail(failure),
    }
}

/// A command that only shows something ends well without a word.
fn looked(shown: Result<(), Failure>, reporter: Reporter) -> u8 {
    match shown {
        Ok(()) => 0,
        Err(failure) => reporter.fail(failure),
    }
}

/// Shows lines of data, folded to the terminal's width.
fn show(context: &Context, lines: &[Line]) {
    let style = Style::data(&context.terminal);
    for line in lines {
        output::data_line(&style.show(line));
    }
}

/// What an acting command works with.
pub(crate) struct Acting {
    target: Target,
    pub(crate) stage: Stage,
    pub(crate) control: Control,
    /// How the service was reached when it began.
    before: Option<ListenSpec>,
}

impl Acting {
    async fn begin(context: &Context, reporter: &Reporter) -> Result<Self, Failure> {
        let target = Target::find(context, reporter)?;
        Self::begin_with(target, context, reporter).await
    }

    /// For an act that closes the public port: it is not opened first, since a stranger may hold it.
    async fn begin_closing(context: &Context, reporter: &Reporter) -> Result<Self, Failure> {
        let mut target = Target::find(context, reporter)?;
        target.reach = Reach::default();
        Self::begin_with(target, context, reporter).await
    }

    async fn begin_with(target: Target, context: &Context, reporter: &Reporter) -> Result<Self, Failure> {
        let stage = target.stage(context, reporter).await?;
        // Whether it runs at all is found out when it is needed.
        let status = stage.router_status().await.ok().flatten();
        if let Some(text) = status.as_ref().and_then(|status| router::outdated(&status.version)) {
            reporter.caution(text);
        }
        let before = status.and_then(|status| asked::in_effect(&status, &target.key));
        let journal = stage.deployer.journal().await?;
        reporter.know(journal.state());
        if let (Some(open), Some(local)) = (&journal.state().open, stage.local()) {
            local.router.succeed(open.opened.act, open.opened.goal.release());
        }
        Ok(Self { target, stage, control: Control::default(), before })
    }

    /// Whatever is done from now on takes requests back: no port is worth to keep them where they are.
    fn go_back(&self) {
        if let Some(local) = self.stage.local() {
            local.router.go_back();
        }
    }

    /// Does the act, obeying signals, and tells how it ended.
    async fn act(
        self,
        act: Act,
        reporter: Reporter,
        work: impl AsyncFnOnce(&Self) -> Result<Finished, Failure>,
    ) -> u8 {
        let done = signals::obeying(&reporter, &self, work(&self)).await;
        match done {
            Ok(finished) => self.end(act, String::new(), finished, true, reporter).await,
            Err(failure) => reporter.fail_at(act, failure),
        }
    }

    /// Tells how it ended; `undo` is whether to say how that is undone.
    async fn end(&self, act: Act, draft: String, finished: Finished, undo: bool, reporter: Reporter) -> u8 {
        let now = self.target.in_effect(&self.stage).await;
        if let Some(amiss) = self.stage.local().and_then(|local| local.router.amiss()) {
            reporter.caution(amiss);
        } else {
            self.reached(act, &finished, now.as_ref()).into_iter().for_each(|text| reporter.caution(text));
        }
        // Only for the message: without the journal there is no hint.
        let journal = self.stage.deployer.journal().await.ok();
        let state = journal.as_ref().map(Journal::state);
        let undo = undo && state.is_some_and(|state| state.rollback_target().is_some());
        let open = state.and_then(|state| state.open.as_ref()).filter(|_| act == Act::Pause);
        let detail = open.and_then(|open| {
            let parked = open.parked.as_ref()?;
            Some(format!("{}, {parked}; nobody judges it meanwhile", open.opened.deployment))
        });
        let url = now.as_ref().map(url).or_else(|| self.target.url());
        reporter.end(Ending { url, undo, draft, detail, looked: true, ..Ending::of(act, finished) })
    }

    /// What to say of how the service is reached now: that it moved, though nobody asked this command for it, or that
    /// what quickserve.toml asks for is not in effect.
    fn reached(&self, act: Act, finished: &Finished, now: Option<&ListenSpec>) -> Option<String> {
        let now = now?;
        let moved = self.before.as_ref().map(|before| Difference::between(before, now));
        // `deploy` has told of it as its change.
        if let Some(moved) = moved.filter(|moved| act != Act::Deploy && !moved.is_none()) {
            return Some(format!(
                "it is reached otherwise now, as quickserve.toml asks: {}",
                moved.sentence()
            ));
        }
        let acted = matches!(act, Act::Rollback | Act::Resume | Act::Abort | Act::Scale | Act::Restart)
            && matches!(finished.outcome, Outcome::Done | Outcome::Unchanged);
        self.target.pending(now).filter(|_| acted)
    }
}

/// Notes in the journal that a command has ended. That it cannot be noted changes nothing about how it ended.
async fn note_end(
    stage: &Stage,
    began: u64,
    ended: Result<Ended, Failure>,
    reporter: &Reporter,
) -> Result<Ended, Failure> {
    let code = ended.as_ref().ok().and_then(Ended::code);
    if let Err(error) = stage.deployer.end_command(began, code).await {
        reporter.caution(format!("the journal does not say how it ended: {}", error.causes().join(": ")));
    }
    ended
}
