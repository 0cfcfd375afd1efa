//! `status`: what serves now, where, and whether journal, router and engine agree.

use quickserve_core::ErrorKind;
use quickserve_core::engine::serving;
use quickserve_core::event::Serving;
use quickserve_core::journal::{Journal, OwnerStatus, OwnerWatch, State};
use quickserve_core::orchestrator::{Health, Observed, Orchestrator as _, TaskPhase, TaskState};
use quickserve_docker::router::{ServiceStatus, Status as RouterStatus};
use serde_json::{Value, json};

use crate::cli::{Format, Status};
use crate::compose::{self, Reach};
use crate::failure::Failure;
use crate::output;
use crate::project::Project;
use crate::render::{Line, Reporter, Style, Tone, short_task, words};
use crate::settings::Context;
use crate::target::Target;

pub(super) async fn run(context: &Context, arguments: &Status, reporter: &Reporter) -> Result<(), Failure> {
    let targets = if arguments.all { all(context)? } else { vec![Target::read(context)?.0] };
    let mut seen = Vec::new();
    for target in &targets {
        seen.push(look(context, target, reporter).await?);
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
    let style = Style { colour: context.terminal.colour_data };
    for (index, seen) in seen.iter().enumerate() {
        if index > 0 {
            output::data_line("");
        }
        for line in seen.lines(&context.again) {
            output::data_line(&style.show(&line));
        }
    }
    Ok(())
}

/// Every service on local Docker that quickserve.toml has.
fn all(context: &Context) -> Result<Vec<Target>, Failure> {
    let project = Project::read(context)?;
    let local = project
        .config
        .all()
        .filter(|settings| settings.platform == quickserve_core::config::Platform::Docker);
    Ok(local.map(|settings| Target::of(&project, settings.clone())).collect())
}

/// What was seen of a service.
struct Seen {
    target: Target,
    state: State,
    observed: Observed,
    serving: Vec<Serving>,
    router: Option<RouterStatus>,
    /// Of the deployment in flight, what is known of its owner.
    owner: Option<OwnerStatus>,
    /// What does not agree, in words.
    amiss: Vec<String>,
}

async fn look(context: &Context, target: &Target, reporter: &Reporter) -> Result<Seen, Failure> {
    let stage = target.stage(context, reporter).await?;
    let (journal, observed, router) =
        tokio::join!(stage.deployer.journal(), stage.platform.observe(), stage.control.status());
    let (journal, observed) = (journal?, observed?);
    let router = match router {
        Ok(status) => Some(status),
        Err(error) if error.kind() == ErrorKind::Unavailable => None,
        Err(error) => return Err(error.into()),
    };
    let owner = owner(&journal).await?;
    let state = journal.state().clone();
    let service = router.as_ref().and_then(|router| of(router, target));
    let amiss = amiss(&state, &observed, router.is_some(), service, &target.reach);
    Ok(Seen { target: target.clone(), serving: serving(&observed), state, observed, router, owner, amiss })
}

/// What is known of the owner of the deployment in flight.
async fn owner(journal: &Journal) -> Result<Option<OwnerStatus>, Failure> {
    if journal.state().open.is_none() {
        return Ok(None);
    }
    let mut watch = OwnerWatch::new(compose::liveness(), compose::clock());
    Ok(Some(watch.observe(journal).await?))
}

fn of<'a>(router: &'a RouterStatus, target: &Target) -> Option<&'a ServiceStatus> {
    router.services.iter().find(|service| service.service == target.key)
}

/// Where what was decided, what serves and what exists do not agree, while nothing is in flight.
fn amiss(
    state: &State,
    observed: &Observed,
    router_runs: bool,
    service: Option<&ServiceStatus>,
    reach: &Reach,
) -> Vec<String> {
    let mut amiss = Vec::new();
    let Some(current) = state.current() else {
        for (release, set) in observed.sets.iter().filter(|(_, set)| !set.tasks.is_empty()) {
            let tasks = words::count(set.tasks.len() as u64, "task");
            amiss.push(format!("{tasks} of {release:#} exist, though nothing was promoted"));
        }
        return amiss;
    };
    let known = state.releases.get(current);
    let has_traffic = known.is_some_and(|release| release.workload.endpoint.is_some());
    if has_traffic && !router_runs {
        amiss.push("the router is not running: nobody answers on the public port".to_owned());
    }
    if let Some(trouble) = service.and_then(|service| service.trouble.as_ref()) {
        amiss.push(format!("the router cannot open the public port: {trouble}"));
    }
    if let (Some(wanted), Some(at)) = (reach.public, service.and_then(|service| service.listening))
        && at.public != wanted
    {
        amiss.push(format!(
            "quickserve.toml says {wanted}, the router listens on {}; deploy moves it",
            at.public
        ));
    }
    let set = observed.set(current);
    let live = set.live().count();
    if live != state.tasks as usize {
        amiss.push(format!("{live} of {} tasks of {current:#} are there", state.tasks));
    }
    if let Some(release) = known
        && set.live().any(|task| task.images != release.digests())
    {
        amiss.push(format!("tasks of {current:#} run other images than it says"));
    }
    let routed = observed.split.serving().map(|(release, _)| release).collect::<Vec<_>>();
    if has_traffic && router_runs && routed != [current] {
        amiss.push(format!("requests do not go to {current:#} alone, which was promoted"));
    }
    for (release, set) in
        observed.sets.iter().filter(|(release, set)| *release != current && !set.tasks.is_empty())
    {
        amiss.push(format!("{} of {release:#} are left", words::count(set.tasks.len() as u64, "task")));
    }
    amiss
}

impl Seen {
    fn consistent(&self) -> bool {
        self.amiss.is_empty() && self.state.open.is_none()
    }

    fn public(&self) -> Option<String> {
        let service = self.router.as_ref().and_then(|router| of(router, &self.target));
        let listening = service.and_then(|service| service.listening).map(|at| at.public);
        listening.or(self.target.reach.public).map(|address| address.to_string())
    }

    fn json(&self) -> Value {
        let in_flight = self.state.open.as_ref().map(|open| {
            json!({
                "deployment": open.opened.deployment,
                "act": open.opened.act,
                "release": open.opened.goal.release(),
                "by": open.owner.who,
                "since": open.started,
                "step": open.step.as_ref().map(|(_, step, _)| step.name()),
                "interrupted": matches!(self.owner, Some(OwnerStatus::Gone { .. })),
            })
        });
        json!({
            "service": self.target.key.service(),
            "environment": self.target.key.environment(),
            "public": self.public(),
            "serving": self.serving,
            "promoted": self.state.current(),
            "router": self.router.is_some(),
            "consistent": self.consistent(),
            "amiss": self.amiss,
            "in_flight": in_flight,
        })
    }

    fn lines(&self, again: &str) -> Vec<Line> {
        let url = self.public().map(|public| format!("  http://{public}")).unwrap_or_default();
        let mut lines = vec![Line::new("service", format!("{}{url}", self.target.arrow()))];
        lines.push(self.serving_line());
        // What was promoted comes first.
        let mut sets: Vec<_> = self.observed.sets.iter().collect();
        sets.sort_by_key(|(release, _)| Some(*release) != self.state.current());
        for (release, set) in sets {
            for task in &set.tasks {
                let of = if Some(release) == self.state.current() {
                    String::new()
                } else {
                    format!(" of {release:#}")
                };
                lines.push(Line::new("task", format!("{}{of} {}", short_task(&task.id.0), health(task))));
            }
        }
        if let Some(last) = self.state.deployments.last()
            && let Some(outcome) = last.outcome
        {
            let when = words::moment(last.finished.unwrap_or(last.started));
            lines.push(Line::new("last", format!("{} {outcome}, {when}, by {}", last.deployment, last.by)));
        }
        if let Some(open) = &self.state.open {
            let step =
                open.step.as_ref().map_or_else(|| "planning".to_owned(), |(_, step, _)| step.to_string());
            let (who, deployment) = (&open.owner.who, &open.opened.deployment);
            if let Some(OwnerStatus::Gone { because }) = &self.owner {
                let text = format!("{deployment} of {who} was left at: {step}; {because}");
                lines.push(Line::toned("caution", text, Tone::Bad));
                lines.push(Line::new("next", format!("quickserve resume{again}")));
            } else {
                let since = words::moment(open.started);
                let text = format!("{deployment} by {who} since {since}, now at: {step}");
                lines.push(Line::new("inflight", text));
            }
        } else if !self.amiss.is_empty() {
            lines.extend(self.amiss.iter().map(|what| Line::toned("caution", what.clone(), Tone::Bad)));
            lines.push(Line::new("next", format!("quickserve resume{again}")));
        } else if self.state.current().is_some() {
            lines.push(Line::toned("verified", "journal, router and engine agree", Tone::Good));
        }
        lines
    }

    fn serving_line(&self) -> Line {
        let name = |one: &Serving| match self.state.releases.get(&one.release) {
            Some(release) => words::release(release),
            None => format!("{:#}", one.release),
        };
        let text = match self.serving.as_slice() {
            [] => "nothing".to_owned(),
            [only] => format!("{} alone, {}", name(only), words::count(u64::from(only.tasks), "task")),
            several => {
                let part = |one: &Serving| format!("{} {} %", name(one), one.weight);
                several.iter().map(part).collect::<Vec<_>>().join(", ")
            }
        };
        Line::new("serving", text)
    }
}

/// What a task does, as the engine shows it.
fn health(task: &TaskState) -> String {
    let phase = match (task.phase, &task.health) {
        (TaskPhase::Ended, _) => "ended".to_owned(),
        (TaskPhase::Starting, _) => "starting".to_owned(),
        (TaskPhase::Running, Health::Unhealthy(why)) => format!("unhealthy: {why}"),
        (TaskPhase::Running, Health::Healthy) => "running, healthy".to_owned(),
        // Without a health check of its own the engine knows no more.
        (TaskPhase::Running, Health::Unknown) => "running".to_owned(),
    };
    let restarts = (task.restarts > 0).then(|| words::count(u64::from(task.restarts), "restart"));
    let address = task.address.map(|address| address.to_string());
    let doomed = task.doomed.then(|| "on its way out".to_owned());
    [Some(phase), address, restarts, doomed].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
