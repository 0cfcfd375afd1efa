//! `status`: what serves now, where, and whether all who know of it agree.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use quickserve_core::ErrorKind;
use quickserve_core::config::Platform;
use quickserve_core::engine::serving;
use quickserve_core::event::Serving;
use quickserve_core::finding::{Code, Finding};
use quickserve_core::journal::State;
use quickserve_core::orchestrator::{Health, Observed, Standing, TaskId, TaskPhase, TaskState};
use quickserve_core::outcome::Outcome;
use quickserve_core::release::{Release, ReleaseId};
use quickserve_core::traffic::{Role, Rule};
use quickserve_docker::router::{ServiceStatus, Status as RouterStatus};
use serde_json::{Value, json};

use super::amiss::{self, Amiss, Kind};
use super::disk::Disk;
use super::in_flight::InFlight;
use super::show;
use super::why::why;
use crate::asked;
use crate::cli::{Format, Status};
use crate::compose::{self, Access, for_rule};
use crate::failure::Failure;
use crate::output;
use crate::project::Project;
use crate::render::{Line, Reporter, Tone, short_task, words};
use crate::settings::Context;
use crate::target::Target;

pub(super) async fn run(context: &Context, arguments: &Status, reporter: &Reporter) -> Result<(), Failure> {
    let targets = if arguments.all { all(context)? } else { vec![Target::find_to_look(context)?.0] };
    let mut seen = Vec::new();
    let mut unseen = None;
    for target in &targets {
        match look(context, target, reporter).await {
            Ok(one) => seen.push(one),
            // Without the engine the router and the journal know much; for machines its absence is the answer.
            Err(failure) if context.format != Format::Json => {
                match without_engine(context, target, &failure).await {
                    Some(one) => {
                        seen.push(one);
                        unseen = Some(failure);
                    }
                    // The others can be seen all the same.
                    None if arguments.all => {
                        let why = failure.finished.cause.as_ref().map(|cause| cause.message.as_str());
                        let why = why.unwrap_or("its configuration is wrong");
                        output::tell(&format!("{}: {why}", target.arrow()));
                        unseen = Some(failure);
                    }
                    None => return Err(failure),
                }
            }
            Err(failure) => return Err(failure),
        }
    }
    if context.format == Format::Json {
        let objects: Vec<Value> = seen.iter().map(Seen::json).collect();
        let data = match (arguments.all, objects.as_slice()) {
            (false, [only]) => only.to_string(),
            _ => json!(objects).to_string(),
        };
        output::data_line(&data);
        return Ok(());
    }
    for (index, seen) in seen.iter().enumerate() {
        if index > 0 {
            output::data_line("");
        }
        show(context, &seen.lines(&context.again));
    }
    unseen.map_or(Ok(()), Err)
}

/// Every service that quickserve.toml has, in each environment, and is not wrong about; those on local Docker first.
fn all(context: &Context) -> Result<Vec<Target>, Failure> {
    let project = Project::read_leniently(context)?;
    project.tell_mistakes(context);
    let right = project.config.all().filter(|settings| project.config.mistakes_of(&settings.key).is_none());
    let mut targets: Vec<Target> = right.map(|settings| Target::of(&project, settings.clone())).collect();
    targets.sort_by_key(|target| target.settings.platform != Platform::Docker);
    Ok(targets)
}

/// What was seen of a service.
pub(super) struct Seen {
    target: Target,
    state: State,
    observed: Observed,
    serving: Vec<Serving>,
    router: Option<RouterStatus>,
    in_flight: Option<InFlight>,
    disk: Option<Disk>,
    /// Who has looked, in words.
    witnesses: &'static str,
    /// Why the engine could not be looked at.
    blind: Option<String>,
    /// Whether the router runs and does not answer.
    silent: bool,
    /// Whether requests can come in at all.
    is_open: bool,
    /// What does not agree.
    amiss: Vec<Amiss>,
    /// Why no client reaches it, where the router runs and cannot open the port.
    closed: Option<String>,
    /// What may go wrong, though all agrees.
    cautions: Vec<String>,
    /// What could be better.
    notes: Vec<String>,
}

pub(super) async fn look(context: &Context, target: &Target, reporter: &Reporter) -> Result<Seen, Failure> {
    let stage = target.stage_to_look(context, reporter).await?;
    let (journal, observed, router) =
        tokio::join!(stage.deployer.journal(), stage.platform.observe(), stage.router_status());
    let (journal, observed, router) = (journal?, observed?, router?);
    let in_flight = InFlight::of(&journal).await?;
    let disk = match stage.local() {
        Some(local) => Some(Disk::of(local, &journal).await?),
        None => None,
    };
    let state = journal.state().clone();
    let service = router.as_ref().and_then(|router| of(router, target));
    // Where there is no router of ours, requests come in without it.
    let is_open = router.is_some() || stage.local().is_none();
    let amiss = match &in_flight {
        // What is on its way agrees once it is there.
        Some(in_flight) if !in_flight.is_left() => amiss::reach(&state, is_open),
        _ => amiss::all(&state, &observed, is_open),
    };
    let closed = amiss::closed(&state, service);
    // A deployment in flight may be the one that brings it.
    let now = service.filter(|_| in_flight.is_none() && state.current().is_some()).and_then(asked::listens);
    let pending = now.and_then(|now| target.pending(&now));
    let no_preview = service.and_then(amiss::no_preview);
    let cautions = router.as_ref().and_then(unsupervised).into_iter().chain(no_preview).chain(pending);
    let cautions = cautions.collect();
    let notes = router.as_ref().map(|router| notes(context, router)).unwrap_or_default();
    let (target, serving, witnesses) = (target.clone(), serving(&observed), stage.witnesses());
    let (blind, silent) = (None, false);
    Ok(Seen {
        target,
        state,
        observed,
        serving,
        router,
        in_flight,
        disk,
        witnesses,
        blind,
        silent,
        is_open,
        amiss,
        closed,
        cautions,
        notes,
    })
}

/// What router and journal know where the engine does not answer.
async fn without_engine(context: &Context, target: &Target, failure: &Failure) -> Option<Seen> {
    if failure.finished.outcome != Outcome::Refused || target.settings.platform != Platform::Docker {
        return None;
    }
    let journal = compose::journal(context, target, Access::Read).await.ok()?;
    let (router, silent) = match compose::router(context).status().await {
        Ok(status) => (Some(status), false),
        Err(error) => (None, error.kind() != ErrorKind::Unavailable),
    };
    let split = router.as_ref().and_then(|router| of(router, target)).map(|service| service.split.clone());
    let observed = Observed { split: split.unwrap_or_default(), ..Observed::default() };
    let mut serving = serving(&observed);
    for one in &mut serving {
        // Which of them live, only the engine knows.
        let routed = observed.split.route(&one.release).map_or(0, |route| route.upstreams.len());
        one.tasks = u32::try_from(routed).unwrap_or(u32::MAX);
    }
    Some(Seen {
        target: target.clone(),
        in_flight: InFlight::of(&journal).await.ok()?,
        state: journal.state().clone(),
        serving,
        observed,
        router,
        silent,
        is_open: true,
        disk: None,
        witnesses: "journal and router",
        closed: None,
        blind: failure.finished.cause.as_ref().map(|cause| cause.message.clone()),
        amiss: Vec::new(),
        cautions: Vec::new(),
        notes: Vec::new(),
    })
}

/// Of a router that would not come back if it died now.
fn unsupervised(router: &RouterStatus) -> Option<String> {
    let orphan = router.worker && router.supervision.is_none();
    orphan.then(|| "nobody supervises the router: quickserve router upgrade mends that".to_owned())
}

/// What could be better about a router that serves as it should.
fn notes(context: &Context, router: &RouterStatus) -> Vec<String> {
    let outdated = super::router::outdated(&router.version);
    [outdated, super::router::no_service_manager(context)].into_iter().flatten().collect()
}

fn of<'a>(router: &'a RouterStatus, target: &Target) -> Option<&'a ServiceStatus> {
    router.services.iter().find(|service| service.service == target.key)
}

impl Seen {
    pub(super) fn promoted(&self) -> Option<&ReleaseId> {
        self.state.current()
    }

    pub(super) fn release(&self, release: &ReleaseId) -> Option<&Release> {
        self.state.releases.get(release)
    }

    pub(super) fn serving(&self) -> &[Serving] {
        &self.serving
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|in_flight| !in_flight.is_left())
    }

    /// Whether our router listens for the service.
    pub(super) fn is_listening(&self) -> bool {
        self.service().is_some_and(|service| service.listening.is_some() && service.closed().is_none())
    }

    pub(super) fn is_unsupervised(&self) -> bool {
        self.router.as_ref().and_then(unsupervised).is_some()
    }

    pub(super) fn has_rollback_target(&self) -> bool {
        self.state.rollback_target().is_some()
    }

    /// Why no client reaches it, where the router runs and cannot open the port.
    pub(super) fn closed(&self) -> Option<&str> {
        self.closed.as_deref()
    }

    /// Whether requests can come in at all: there is a router of ours, or they come in without one.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// How many tasks were decided; on a platform that keeps a number by itself, that one.
    pub(super) fn decided_tasks(&self) -> u32 {
        self.observed.rollout.as_ref().map_or(self.state.tasks, |rollout| rollout.desired)
    }

    /// The tasks of what was promoted.
    pub(super) fn promoted_tasks(&self) -> Vec<TaskState> {
        let promoted = self.promoted().map(|release| self.observed.set(release));
        promoted.map(|set| set.live().cloned().collect()).unwrap_or_default()
    }

    /// The release that `resume` would promote, which nobody has decided to be good yet: its deployment was left.
    pub(super) fn undecided(&self) -> Option<&ReleaseId> {
        self.in_flight.as_ref().filter(|left| left.is_left())?.undecided(self.promoted())
    }

    /// What to say where nothing is decided to serve: that nothing was deployed yet, or that nothing is left of it.
    pub(super) fn idle(&self) -> Option<&'static str> {
        if self.promoted().is_some() || self.in_flight.is_some() {
            return None;
        }
        let is_new = self.state.deployments.is_empty();
        Some(if is_new { "nothing is deployed yet" } else { "nothing is deployed" })
    }

    /// Whether a release was deployed after the one that is promoted.
    pub(super) fn is_newer(&self, release: &ReleaseId) -> bool {
        let last = |wanted: &ReleaseId| {
            self.state.deployments.iter().rposition(|one| one.release.as_ref() == Some(wanted))
        };
        last(release) > self.promoted().and_then(last)
    }

    /// Whether all agrees, but for what a deployment in flight is about to change. One whose owner is gone changes
    /// nothing any more.
    pub(super) fn consistent(&self) -> bool {
        self.amiss.is_empty()
            && self.closed.is_none()
            && !self.in_flight.as_ref().is_some_and(InFlight::is_left)
    }

    fn service(&self) -> Option<&ServiceStatus> {
        self.router.as_ref().and_then(|router| of(router, &self.target))
    }

    /// Whether `resume` brings about what was decided.
    pub(super) fn needs_resuming(&self) -> bool {
        match &self.in_flight {
            Some(in_flight) => in_flight.is_left(),
            None => !self.amiss.is_empty(),
        }
    }

    /// Takes back that tasks are unhealthy which answer again: the engine says so until its next check passes.
    pub(super) fn forgive(&mut self, answering: &BTreeSet<TaskId>) {
        self.amiss.retain(|amiss| !matches!(&amiss.kind, Kind::Unhealthy(task) if answering.contains(task)));
    }

    /// What does not agree, and what may go wrong, but for what findings say already.
    pub(super) fn doubts(&self, findings: &[Finding], has_others: bool) -> Vec<Line> {
        let found = |code: Code| findings.iter().any(|finding| finding.code == code);
        let is_said = |amiss: &&Amiss| match &amiss.kind {
            Kind::Router => found(Code::UNSERVED) || found(Code::PORT_HELD),
            Kind::Count | Kind::Unhealthy(_) => found(Code::UNWELL_TASK),
            Kind::Requests => found(Code::MIXED_VERSIONS),
            Kind::Left => has_others,
            Kind::Images => false,
        };
        let in_flight =
            self.in_flight.as_ref().map(|in_flight| Line::toned("inflight", in_flight.sentence(), Tone::Bad));
        let amiss = self.amiss.iter().filter(|amiss| !is_said(amiss)).map(|amiss| &amiss.text);
        let closed = self.closed.iter().filter(|_| !found(Code::UNSERVED));
        let cautions = amiss.chain(closed).chain(&self.cautions);
        let cautions = cautions.map(|text| Line::toned("caution", text.clone(), Tone::Bad));
        in_flight.into_iter().chain(cautions).collect()
    }

    /// What is worth knowing beside.
    pub(super) fn notes(&self) -> impl Iterator<Item = Line> {
        self.notes.iter().map(|text| Line::new("note", text.clone()))
    }

    /// Where people reach the service, as the router has it.
    pub(super) fn public(&self) -> Option<(SocketAddr, bool)> {
        let listening = self.service().and_then(|service| Some((service.listening?.public, service.secure)));
        let reach = &self.target.reach;
        listening.or(reach.public.map(|address| (address, reach.options.tls.is_some())))
    }

    /// Which requests there are for it, as the router has it.
    pub(super) fn rule(&self) -> Rule {
        self.service().map_or_else(|| self.target.reach.rule.clone(), ServiceStatus::rule)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "service": self.target.key.service(),
            "environment": self.target.key.environment(),
            "public": self.target.public_url().or(self.public().map(|(address, secure)| {
                if secure { format!("https://{address}") } else { address.to_string() }
            })),
            "route": (!self.rule().is_any()).then(|| self.rule()),
            "serving": self.serving,
            "tasks": self.tasks_json(),
            "promoted": self.state.current(),
            "router": self.router.is_some(),
            "consistent": self.consistent(),
            "amiss": self.amiss.iter().map(|amiss| &amiss.text).chain(&self.closed).collect::<Vec<_>>(),
            "cautions": self.cautions,
            "notes": self.notes,
            "in_flight": self.in_flight.as_ref().map(InFlight::json),
            "last": self.state.deployments.iter().rev().find(|last| last.outcome.is_some()).map(|last| {
                json!({
                    "deployment": last.deployment,
                    "outcome": last.outcome.map(Outcome::name),
                    "finished": last.finished,
                    "by": last.by,
                    "cause": last.cause,
                })
            }),
            "lock": self.state.lock().map(|lock| {
                json!({ "by": lock.by, "since": lock.since, "reason": lock.reason })
            }),
            "disk": self.disk,
        })
    }

    /// What there is, without a judgement.
    pub(super) fn facts(&self) -> Vec<Line> {
        let rule = for_rule(&self.rule());
        let url = self.target.public_url().or(self
            .public()
            .map(|(address, secure)| format!("{}://{address}{rule}", if secure { "https" } else { "http" })));
        let url = url.map(|url| format!("  {url}")).unwrap_or_default();
        let mut lines = vec![Line::new("service", format!("{}{url}", self.target.arrow()))];
        lines.push(self.serving_line());
        // What was promoted comes first.
        let mut sets: Vec<_> = self.observed.sets.iter().collect();
        sets.sort_by_key(|(release, _)| Some(*release) != self.state.current());
        for (release, set) in sets {
            for task in &set.tasks {
                let part = self.part(release, task);
                lines.push(Line::new("task", format!("{} {part}{}", short_task(&task.id.0), health(task))));
            }
        }
        if let Some(last) = self.state.deployments.last()
            && let Some(outcome) = last.outcome
        {
            let when = words::moment(last.finished.unwrap_or(last.started));
            lines.push(Line::new("last", format!("{} {outcome}, {when}, by {}", last.deployment, last.by)));
            lines.extend(why(last).map(|why| Line::toned("why", why, Tone::Bad)));
        }
        if let Some(lock) = self.state.lock() {
            let text = format!("by {} since {}: {}", lock.by, words::moment(lock.since), lock.reason);
            lines.push(Line::toned("locked", text, Tone::Bad));
        }
        lines.extend(self.disk.as_ref().and_then(Disk::line));
        lines
    }

    fn lines(&self, again: &str) -> Vec<Line> {
        let mut lines = self.facts();
        if let Some(blind) = &self.blind {
            let text =
                format!("{blind}: nobody has looked at the tasks; this is what router and journal say");
            lines.push(Line::toned("caution", text, Tone::Bad));
        }
        if let Some(in_flight) = &self.in_flight {
            if in_flight.is_paused() {
                lines.push(Line::toned("inflight", in_flight.sentence(), Tone::Bad));
                lines.push(Line::new(
                    "next",
                    format!("quickserve promote{again}, or quickserve abort{again}"),
                ));
            } else if in_flight.is_left() {
                lines.push(Line::toned("caution", in_flight.sentence(), Tone::Bad));
                lines.push(Line::new("next", format!("quickserve resume{again}")));
            } else {
                lines.push(Line::new("inflight", in_flight.sentence()));
            }
            // Of one that was left, that is enough said: nothing agrees.
            let amiss = self.amiss.iter().map(|amiss| &amiss.text).filter(|_| !in_flight.is_left());
            lines.extend(
                amiss.chain(&self.closed).map(|what| Line::toned("caution", what.clone(), Tone::Bad)),
            );
        } else if !self.amiss.is_empty() || self.closed.is_some() {
            let amiss = self.amiss.iter().map(|amiss| &amiss.text).chain(&self.closed);
            lines.extend(amiss.map(|what| Line::toned("caution", what.clone(), Tone::Bad)));
            if self.closed.is_some() {
                lines.push(Line::new("next", "mend that; the router then opens the port by itself"));
            }
            if !self.amiss.is_empty() {
                lines.push(Line::new("next", format!("quickserve resume{again}")));
            }
        } else if self.state.current().is_some() && self.blind.is_none() {
            lines.push(Line::toned("verified", format!("{} agree", self.witnesses), Tone::Good));
        }
        lines.extend(self.cautions.iter().map(|text| Line::toned("caution", text.clone(), Tone::Bad)));
        lines.extend(self.notes.iter().map(|text| Line::new("note", text.clone())));
        lines
    }

    /// Every task that exists, of whatever release; none where nobody has looked.
    fn tasks_json(&self) -> Option<Value> {
        let tasks = self.observed.sets.iter().flat_map(|(release, set)| {
            set.tasks.iter().map(move |task| {
                json!({
                    "task": task.id,
                    "release": release,
                    "part": self.part(release, task).trim_end_matches(", "),
                    "state": state_of(task),
                    "address": task.address,
                    "restarts": task.restarts,
                    "leaving": task.doomed,
                })
            })
        });
        self.blind.is_none().then(|| tasks.collect())
    }

    /// What part a task has; none once it has ended.
    fn part(&self, release: &ReleaseId, task: &TaskState) -> &'static str {
        if task.phase == TaskPhase::Ended {
            return "";
        }
        let route = self.observed.split.route(release);
        let role = route.filter(|route| route.upstreams.iter().any(|upstream| upstream.task == task.id));
        match (role.map(|route| route.role), task.standing) {
            (Some(Role::Serving(_)), _) => "serving, ",
            (Some(Role::Standby), _) => "standby, ",
            (Some(Role::Preview), _) | (None, Standing::Staged) => "staged, ",
            // A worker serves by running.
            (None, Standing::Promoted) if self.serving.iter().any(|one| one.release == *release) => {
                "serving, "
            }
            (None, Standing::Promoted) => "idle, ",
        }
    }

    /// How many tasks of a release take requests, and how many should where some of them are not well.
    fn tasks(&self, one: &Serving) -> String {
        let all =
            one.tasks.max(if self.state.current() == Some(&one.release) { self.state.tasks } else { 0 });
        let well = |task: &&TaskState| {
            task.phase == TaskPhase::Running && !matches!(task.health, Health::Unhealthy(_))
        };
        let well = self.observed.set(&one.release).live().filter(well).count();
        let well = u32::try_from(well).unwrap_or(u32::MAX).min(one.tasks);
        let of = words::count(u64::from(all), "task");
        if self.blind.is_some() || well == all { of } else { format!("{well} of {of}") }
    }

    fn serving_line(&self) -> Line {
        let name = |one: &Serving| match self.state.releases.get(&one.release) {
            Some(release) => words::release(release),
            None => format!("{:#}", one.release),
        };
        let text = match self.serving.as_slice() {
            [] if self.silent => "unknown: the router runs and does not answer".to_owned(),
            [] if self.blind.is_some() && self.router.is_none() => "nothing: no router runs here".to_owned(),
            [] => match self.state.current().and_then(|current| self.state.releases.get(current)) {
                Some(release) if self.state.tasks == 0 => {
                    format!("nothing: {} is scaled to 0, requests are answered 503", words::release(release))
                }
                _ => "nothing".to_owned(),
            },
            [only] => {
                let others = self
                    .observed
                    .sets
                    .iter()
                    .any(|(other, set)| *other != only.release && !set.tasks.is_empty());
                let how = if others { "takes all requests" } else { "alone" };
                format!("{} {how}, {}", name(only), self.tasks(only))
            }
            several => {
                let part = |one: &Serving| format!("{} {} %", name(one), one.weight);
                several.iter().map(part).collect::<Vec<_>>().join(", ")
            }
        };
        Line::new("serving", text)
    }
}

/// What a task does, in a word.
fn state_of(task: &TaskState) -> &'static str {
    match (task.phase, &task.health) {
        (TaskPhase::Ended, _) => "ended",
        (TaskPhase::Starting, _) => "starting",
        (TaskPhase::Running, Health::Unhealthy(_)) => "unhealthy",
        (TaskPhase::Running, Health::Healthy) => "healthy",
        // Without a health check of its own the engine knows no more.
        (TaskPhase::Running, Health::Unknown) => "running",
    }
}

/// The same and what else the engine shows of it.
fn health(task: &TaskState) -> String {
    let phase = match (state_of(task), &task.health) {
        ("unhealthy", Health::Unhealthy(why)) => format!("unhealthy: {why}"),
        ("healthy", _) => "running, healthy".to_owned(),
        (state, _) => state.to_owned(),
    };
    let restarts = (task.restarts > 0).then(|| words::count(u64::from(task.restarts), "restart"));
    let address = task.address.map(|address| address.to_string());
    let doomed = task.doomed.then(|| "on its way out".to_owned());
    [Some(phase), address, restarts, doomed].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
