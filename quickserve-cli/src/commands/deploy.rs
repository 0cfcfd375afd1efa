//! `deploy`: checks everything, then puts the release behind the service's port.

use std::collections::BTreeMap;

use quickserve_core::config::Strategy;
use quickserve_core::engine::{Control, Request, serving};
use quickserve_core::event::Finished;
use quickserve_core::journal::State;
use quickserve_core::outcome::Outcome;
use quickserve_core::preflight::{self, Report};
use quickserve_core::registry::ResolvedImage;

use super::{Acting, check, detach};
use crate::asked::Difference;
use crate::assemble::{self, Draft};
use crate::change::{Change, Sized};
use crate::cli;
use crate::compose::Stage;
use crate::failure::Failure;
use crate::limits::{self, Chosen};
use crate::project::Project;
use crate::render::{Act, Note, Reporter, words};
use crate::settings::Context;
use crate::target::Target;

pub(super) async fn run(context: &Context, arguments: &cli::Deploy, reporter: Reporter) -> u8 {
    if arguments.detach {
        return detach::run(context, arguments, reporter).await;
    }
    if arguments.background.is_some() {
        detach::leave_terminal();
    }
    let draft = again(&arguments.draft);
    let (acting, prepared) = match begin(context, &arguments.draft, &reporter).await {
        Ok(begun) => begun,
        Err(failure) => return reporter.fail_draft(Act::Deploy, draft, failure),
    };
    // Signals are obeyed from here on; before, nothing has been done that could be taken back.
    let waiting = &reporter;
    let replaces = prepared.state.current() != Some(&prepared.request.release.id);
    let work = async |acting: &Acting| deploy(acting, prepared, arguments, waiting).await;
    let done = crate::signals::obeying(&reporter, &acting, work(&acting)).await;
    match done {
        // What serves as before is not undone by going back to another release.
        Ok(finished) => acting.end(Act::Deploy, draft, finished, replaces, reporter).await,
        Err(failure) => reporter.fail_draft(Act::Deploy, draft, failure),
    }
}

/// The flags that describe the same release again.
fn again(arguments: &cli::Draft) -> String {
    let images = arguments.image.iter().map(|image| ("--image", image));
    let reports: Vec<String> = arguments.scan_report.iter().map(|path| path.display().to_string()).collect();
    let reports = reports.iter().map(|report| ("--scan-report", report));
    let strategy = arguments.strategy.iter().map(|strategy| ("--strategy", strategy));
    let flags = images
        .chain(reports)
        .chain(strategy)
        .map(|(flag, value)| format!(" {flag} {}", words::quoted(value)));
    flags.collect::<Vec<_>>().concat()
}

async fn begin(
    context: &Context,
    arguments: &cli::Draft,
    reporter: &Reporter,
) -> Result<(Acting, Prepared), Failure> {
    let (target, project) = Target::read(context)?;
    let draft = drafted(context, &target, &project, arguments)?;
    let stage = target.stage(context, reporter).await?;
    let prepared = prepare(context, &target, &project, &stage, draft, arguments, reporter).await?;
    let before = target.in_effect(&stage).await;
    Ok((Acting { target, stage, control: Control::default(), before }, prepared))
}

/// What files and arguments say, where this version can do it.
pub(super) fn drafted(
    context: &Context,
    target: &Target,
    project: &Project,
    arguments: &cli::Draft,
) -> Result<Draft, Failure> {
    // What cannot be done at all is said before what is missing for it.
    limits::check(&project.config, &target.settings, chosen(context, arguments)?)?;
    assemble::draft(context, project, &target.settings, &arguments.image)
}

/// The strategy that flag or variable name.
fn chosen(context: &Context, arguments: &cli::Draft) -> Result<Option<Chosen>, Failure> {
    let (word, by) = match (&arguments.strategy, &context.strategy) {
        (Some(word), _) => (word, "--strategy"),
        (None, Some(word)) => (word, "QUICKSERVE_STRATEGY"),
        (None, None) => return Ok(None),
    };
    let found = Strategy::ALL.iter().find(|(name, _)| name == word);
    found.map(|(_, strategy)| Some(Chosen { strategy: *strategy, by })).ok_or_else(|| {
        let built = Strategy::ALL.iter().filter(|(_, strategy)| limits::is_built(*strategy));
        let names: Vec<&str> = built.map(|(name, _)| *name).collect();
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
    project: &Project,
    stage: &Stage,
    draft: Draft,
    arguments: &cli::Draft,
    reporter: &Reporter,
) -> Result<Prepared, Failure> {
    let mut subject = check::subject(context, target, project, arguments);
    subject.deploying = true;
    // What only it knows is no reason to wait.
    subject.hadolint = None;
    let mut settings = target.settings.clone();
    if let Some(Chosen { strategy, .. }) = chosen(context, arguments)? {
        settings.deploy.strategy = Some(strategy);
    }
    let registry = stage.registry(&draft.workload)?;
    let history = async {
        let journal = stage.deployer.journal().await?;
        let state = Some(journal.state());
        let account = stage.check_account(&settings, &draft.workload, &draft.references, state).await;
        Ok::<_, Failure>((journal, account))
    };
    let (resolved, entrance, history, files, commit) = tokio::join!(
        preflight::resolve(registry.as_ref(), &draft.references),
        stage.check_entrance(target),
        history,
        check::read(subject.clone()),
        assemble::commit(&project.folder),
    );
    let (resolved, report): (BTreeMap<String, ResolvedImage>, Report) = resolved?;
    let (journal, account) = history?;
    let state = journal.state().clone();
    reporter.know(&state);
    if let Some(remark) = target.contract_beside(context) {
        reporter.remark(remark);
    }
    let notes = Report { passed: 0, findings: draft.notes.clone() };
    let scanned = check::scanned(subject, check::on_engine(&resolved)).await?;
    let (images, values) = tokio::try_join!(
        stage.check_images(&target.settings, &draft.workload, &resolved),
        draft.check(stage.secrets.as_ref(), &resolved),
    )?;
    let report = notes.and(values).and(report).and(entrance?);
    let mut report = report
        .and(scanned)
        .and(images)
        .and(account)
        .and(files?)
        .accepting(&target.settings.accepted_findings);
    quickserve_check::sort(&mut report.findings);
    if report.refuses() {
        // For the message only: empty when the platform does not answer.
        let serving = stage.platform.observe().await.map(|seen| serving(&seen)).unwrap_or_default();
        return Err(Failure::findings(Outcome::Refused, report.findings).with_serving(serving));
    }
    let mut config = settings.deployment(&draft.workload)?;
    if let Some(why) = stage.unasked(&config) {
        config.smoke.clear();
        reporter.caution(why);
    }
    let release = draft.release(stage.secrets.as_ref(), resolved, commit).await?;
    let before = state.current().and_then(|release| state.releases.get(release));
    let tasks = stage.tasks(&target.settings, &state).await?;
    let before = before.map(|release| Sized { release, tasks: state.tasks });
    let mut change = Change::between(before, Sized { release: &release, tasks });
    if let (Some(now), Some(wanted)) = (target.in_effect(stage).await, target.reach.listen()) {
        change.asked = Difference::between(&now, &wanted);
    }
    let last_look = Some(stage.last_look(target, &release));
    let request = Request { release, tasks, config, retry: false, last_look };
    Ok(Prepared { request, change, report, state })
}

async fn deploy(
    acting: &Acting,
    prepared: Prepared,
    arguments: &cli::Deploy,
    reporter: &Reporter,
) -> Result<Finished, Failure> {
    let Prepared { mut request, change, report, .. } = prepared;
    request.retry = arguments.retry;
    reporter.note(Note::Deploying {
        target: acting.target.arrow(),
        release: Box::new(request.release.clone()),
        change: change.sentence(),
    });
    reporter.note(Note::Checked { passed: report.passed, findings: report.findings });
    if let Some(local) = acting.stage.local() {
        local.router.move_with(&request.release.id);
    }
    let patience = arguments.patience(&acting.target.settings.deploy);
    let deployer = acting.stage.deployer.clone().with_patience(patience);
    Ok(deployer.deploy(&request, &acting.control).await?)
}
