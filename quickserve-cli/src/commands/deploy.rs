//! `deploy`: checks everything, then puts the release behind the service's port.

use std::collections::BTreeMap;
use std::time::Duration;

use quickserve_core::clock::{Clock as _, SystemClock, after};
use quickserve_core::config::Strategy;
use quickserve_core::engine::{Control, Request, serving};
use quickserve_core::event::Finished;
use quickserve_core::finding::{Code, Severity};
use quickserve_core::journal::{Cause, State};
use quickserve_core::orchestrator::Orchestrator as _;
use quickserve_core::outcome::Outcome;
use quickserve_core::preflight::{self, Report};
use quickserve_core::registry::{Registry as _, ResolvedImage};
use quickserve_core::release::Release;
use quickserve_core::{ErrorKind, Result as CoreResult};
use quickserve_docker::ImageStore;

use super::Acting;
use crate::assemble::{self, Draft};
use crate::change::Change;
use crate::cli;
use crate::compose::{Stage, ports};
use crate::failure::Failure;
use crate::limits;
use crate::project::Project;
use crate::render::{Act, Note, Reporter};
use crate::settings::Context;
use crate::target::Target;

/// How often one looks whether another deployment has ended.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) async fn run(context: &Context, arguments: &cli::Deploy, reporter: Reporter) -> u8 {
    let draft = again(&arguments.draft);
    let (acting, prepared) = match begin(context, &arguments.draft, &reporter).await {
        Ok(begun) => begun,
        Err(failure) => return reporter.fail_draft(Act::Deploy, draft, failure),
    };
    // Signals are obeyed from here on; before, nothing has been done that could be taken back.
    let waiting = &reporter;
    let work = async |acting: &Acting| deploy(acting, prepared, arguments, waiting).await;
    let done = crate::signals::obeying(&reporter, &acting.control, work(&acting)).await;
    match done {
        Ok(finished) => acting.end(Act::Deploy, draft, finished, reporter).await,
        Err(failure) => reporter.fail_draft(Act::Deploy, draft, failure),
    }
}

/// The flags that describe the same release again.
fn again(arguments: &cli::Draft) -> String {
    let images = arguments.image.iter().map(|image| format!(" --image {image}"));
    let strategy = arguments.strategy.iter().map(|strategy| format!(" --strategy {strategy}"));
    images.chain(strategy).collect()
}

async fn begin(
    context: &Context,
    arguments: &cli::Draft,
    reporter: &Reporter,
) -> Result<(Acting, Prepared), Failure> {
    let (target, project) = Target::read(context)?;
    let draft = drafted(context, &target, &project, arguments)?;
    let (stage, commit) = tokio::join!(target.stage(context, reporter), assemble::commit(&project.folder));
    let stage = stage?;
    let prepared = prepare(context, &target, &stage, draft, commit, arguments, reporter).await?;
    Ok((Acting { target, stage, control: Control::default() }, prepared))
}

/// What files and arguments say, where this version can do it.
pub(super) fn drafted(
    context: &Context,
    target: &Target,
    project: &Project,
    arguments: &cli::Draft,
) -> Result<Draft, Failure> {
    // What cannot be done at all is said before what is missing for it.
    limits::check(&target.settings, chosen(context, arguments)?.or(target.settings.deploy.strategy))?;
    assemble::draft(context, project, &target.settings, &arguments.image)
}

/// The strategy that flag or variable name.
fn chosen(context: &Context, arguments: &cli::Draft) -> Result<Option<Strategy>, Failure> {
    let Some(word) = arguments.strategy.as_ref().or(context.strategy.as_ref()) else { return Ok(None) };
    let found = Strategy::ALL.iter().find(|(name, _)| name == word);
    found.map(|(_, strategy)| Some(*strategy)).ok_or_else(|| {
        let names: Vec<&str> = Strategy::ALL.iter().map(|(name, _)| *name).collect();
        let message = format!("there is no strategy {word}");
        Failure::usage(message, format!("choose one of {}", names.join(", ")))
    })
}

/// A release that passed its checks, and what is known of the service.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) request: Request,
    pub(super) change: Change,
    pub(super) report: Report,
    pub(super) state: State,
}

/// Makes every check, all at once, and names the release. Changes nothing on the platform.
pub(super) async fn prepare(
    context: &Context,
    target: &Target,
    stage: &Stage,
    draft: Draft,
    commit: Option<quickserve_core::release::Commit>,
    arguments: &cli::Draft,
    reporter: &Reporter,
) -> Result<Prepared, Failure> {
    let images = ImageStore::new(stage.engine.clone(), target.key.clone());
    let (resolved, ports, journal) = tokio::join!(
        preflight::resolve(&images, &draft.references),
        ports::check(stage, target),
        stage.deployer.journal(),
    );
    let (resolved, report): (BTreeMap<String, ResolvedImage>, Report) = resolved?;
    let state = journal?.state().clone();
    reporter.know(&state);
    let notes = Report { passed: 0, findings: draft.notes.clone() };
    let report = notes.and(draft.check(stage.secrets.as_ref(), &resolved).await?).and(report).and(ports?);
    let report = accepted(report, &target.settings.accepted_findings);
    if report.refuses() {
        // For the message only: empty when the platform does not answer.
        let serving = stage.platform.observe().await.map(|seen| serving(&seen)).unwrap_or_default();
        return Err(Failure::findings(Outcome::Refused, report.findings).with_serving(serving));
    }
    let strategy = chosen(context, arguments)?.or(target.settings.deploy.strategy);
    let mut settings = target.settings.deploy.clone();
    settings.strategy = strategy;
    let config = limits::deployment(&target.settings, settings.strategy_for(&draft.workload));
    let release = draft.release(stage.secrets.as_ref(), resolved, commit).await?;
    let before = state.current().and_then(|release| state.releases.get(release));
    let change = Change::between(before, &release);
    let tasks = target.settings.deploy.tasks.unwrap_or(1);
    let request = Request { release, tasks, config, retry: false };
    Ok(Prepared { request, change, report, state })
}

/// Findings that quickserve.toml accepts, each with its reason, refuse nothing.
fn accepted(mut report: Report, reasons: &BTreeMap<Code, String>) -> Report {
    for finding in &mut report.findings {
        if let Some(reason) = reasons.get(&finding.code)
            && finding.severity > Severity::Info
        {
            finding.severity = Severity::Info;
            finding.message = format!("{} (accepted: {reason})", finding.message);
        }
    }
    report
}

async fn deploy(
    acting: &Acting,
    prepared: Prepared,
    arguments: &cli::Deploy,
    reporter: &Reporter,
) -> Result<Finished, Failure> {
    let Prepared { mut request, change, report, state } = prepared;
    request.retry = arguments.retry;
    reporter.note(Note::Deploying {
        target: acting.target.arrow(),
        release: Box::new(request.release.clone()),
        change: change.sentence(),
    });
    reporter.note(Note::Checked { passed: report.passed, findings: report.findings });
    // One that will be refused needs nothing kept.
    if request.retry || !state.condemned.contains_key(&request.release.id) {
        pin(acting, &request.release).await?;
    }
    let until = after(SystemClock.now(), acting.target.settings.deploy.timeout);
    let mut told = false;
    loop {
        let error = match acting.stage.deployer.deploy(&request, &acting.control).await {
            Ok(finished) => return Ok(finished),
            Err(error) if error.kind() == ErrorKind::Busy && arguments.wait => error,
            Err(error) => return Err(error.into()),
        };
        if !std::mem::replace(&mut told, true) {
            reporter.note(Note::Waiting(error.to_string()));
        }
        if acting.control.requested().is_some() {
            return Err(error.into());
        }
        if SystemClock.now() >= until {
            let cause = Cause::new("gave up waiting for the other deployment").because([error.to_string()]);
            return Err(Failure::new(Outcome::TimedOut, cause));
        }
        SystemClock.sleep(PATIENCE).await;
    }
}

/// Keeps the images: they are found by their digests when every tag has moved on.
async fn pin(acting: &Acting, release: &Release) -> CoreResult<()> {
    let images = ImageStore::new(acting.stage.engine.clone(), acting.target.key.clone());
    let pins = release.images.iter().map(|(container, image)| images.pin(&release.id, container, image));
    futures_util::future::try_join_all(pins).await.map(drop)
}
