//! What is looked at beside what `status` sees: ends and health of containers, their variables, the machine.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use quickserve_core::clock::{Clock as _, SystemClock};
use quickserve_core::config::variables::Contract;
use quickserve_core::finding::Finding;
use quickserve_core::orchestrator::{Orchestrator as _, TaskFailure};
use quickserve_core::release::ReleaseId;
use quickserve_docker::{ContainerState, PortHolder};
use serde_json::{Value, json};

use super::machine::Machine;
use crate::assemble;
use crate::commands::status::Seen;
use crate::failure::Failure;
use crate::project::Project;
use crate::render::{Line, Reporter, Tone, short_task, words};
use crate::settings::Context;
use crate::target::Target;

/// How far back ends of containers are looked for.
const MEMORY: SignedDuration = SignedDuration::from_hours(24);

/// What was seen of containers and machine.
pub(super) struct Examination {
    pub(super) containers: Vec<ContainerState>,
    /// Why tasks of the promoted release ended by themselves.
    pub(super) failures: Vec<TaskFailure>,
    pub(super) contract: Option<Contract>,
    /// What keeps the files that quickserve.toml names from being read.
    pub(super) unread: Vec<Finding>,
    /// The container that takes requests.
    pub(super) main: Option<String>,
    /// Who holds the public port, where it is not our router.
    pub(super) holder: Option<PortHolder>,
    pub(super) machine: Machine,
}

/// Ends of the same container for the same reason.
pub(super) struct Ends {
    pub(super) release: ReleaseId,
    pub(super) container: String,
    pub(super) reason: String,
    pub(super) count: u64,
    pub(super) last: Option<Timestamp>,
}

impl Examination {
    pub(super) async fn make(
        context: &Context,
        target: &Target,
        project: &Project,
        seen: &Seen,
        reporter: &Reporter,
    ) -> Result<Self, Failure> {
        let stage = target.stage_to_look(context, reporter).await?;
        let now = SystemClock.now();
        let since = now.checked_sub(MEMORY).unwrap_or(Timestamp::UNIX_EPOCH);
        let current = seen.promoted();
        let failures = async {
            match current {
                Some(release) => stage.platform.explain(release).await,
                None => Ok(Vec::new()),
            }
        };
        let holder = async {
            match target.reach.public.filter(|_| !seen.is_listening()) {
                Some(address) => stage.engine.who_holds(address.port()).await,
                None => Ok(None),
            }
        };
        let (containers, failures, holder, machine) = tokio::join!(
            stage.platform.containers(since, now),
            failures,
            holder,
            Machine::look(context, &stage.engine)
        );
        let contract = target.settings.env_contract.as_ref().and_then(|path| {
            let path = project.path(path);
            let shown = context.shown(&path);
            // What is wrong with it is among what is wrong with the files.
            let text = quickserve_check::Text::read(&path, &shown).ok()?;
            Some(Contract::parse(&text.text, &shown))
        });
        let (_, unread) = assemble::variables(context, project, &target.settings);
        let main = current.and_then(|release| seen.release(release));
        let main = main.map(|release| release.workload.main_container().to_owned());
        Ok(Self {
            containers: containers?,
            failures: failures?,
            contract,
            unread,
            main,
            holder: holder?,
            machine: machine?,
        })
    }

    /// Ends of containers, those of one kind together, the most frequent first.
    pub(super) fn ends(&self) -> Vec<Ends> {
        let mut groups: BTreeMap<(&ReleaseId, &str, &str), (u64, Option<Timestamp>)> = BTreeMap::new();
        for container in &self.containers {
            for end in &container.ends {
                let group = groups.entry((&container.release, &container.name, &end.reason)).or_default();
                group.0 += 1;
                group.1 = group.1.max(end.at);
            }
        }
        let ends = groups.into_iter().map(|((release, container, reason), (count, last))| Ends {
            release: release.clone(),
            container: container.to_owned(),
            reason: reason.to_owned(),
            count,
            last,
        });
        let mut ends: Vec<Ends> = ends.collect();
        ends.sort_by_key(|end| std::cmp::Reverse(end.count));
        ends
    }

    /// Required variables of the contract that the promoted release's running tasks do not have.
    pub(super) fn missing_variables(&self, seen: &Seen) -> Vec<&str> {
        let (Some(contract), Some(main)) = (&self.contract, &self.main) else { return Vec::new() };
        let tasks = self
            .containers
            .iter()
            .filter(|container| Some(&container.release) == seen.promoted() && container.name == *main);
        let mut missing: BTreeSet<&str> = BTreeSet::new();
        for task in tasks {
            let required = contract.variables().iter().filter(|variable| !variable.optional);
            missing.extend(
                required.map(|variable| &*variable.name).filter(|name| !task.variables.contains(*name)),
            );
        }
        missing.into_iter().collect()
    }

    /// Releases beside the promoted one that still have containers, how many run, and whether requests reach them.
    pub(super) fn others(&self, seen: &Seen) -> Vec<(ReleaseId, u64, bool)> {
        let mut others: BTreeMap<&ReleaseId, u64> = BTreeMap::new();
        for container in
            self.containers.iter().filter(|container| Some(&container.release) != seen.promoted())
        {
            *others.entry(&container.release).or_default() += u64::from(container.is_running);
        }
        let reached = |release: &ReleaseId| seen.serving().iter().any(|one| one.release == *release);
        others.into_iter().map(|(release, running)| (release.clone(), running, reached(release))).collect()
    }

    pub(super) fn lines(&self, seen: &Seen) -> Vec<Line> {
        let mut lines = Vec::new();
        for end in self.ends() {
            let last = end.last.map(|at| format!(", last {}", words::moment(at))).unwrap_or_default();
            let text = format!("{} of {:#}: {}x {}{last}", end.container, end.release, end.count, end.reason);
            lines.push(Line::toned("ended", text, Tone::Bad));
        }
        for failure in &self.failures {
            if let Some(said) = &failure.last_words {
                lines.push(Line::new("", format!("{} said {said:?}", short_task(&failure.task.0))));
            }
        }
        for container in self.containers.iter().filter(|container| !container.checks.is_empty()) {
            let failed = container.checks.iter().filter(|check| check.exit_code != 0);
            let text = format!("{} {}", short_task(&container.task.0), container.name);
            let of = container.checks.len();
            lines.push(match failed.clone().next_back() {
                None => Line::new(
                    "health",
                    format!("{text}: its last {} passed", words::count(of as u64, "check")),
                ),
                Some(last) => {
                    let said =
                        last.said.as_ref().map(|said| format!(", saying {said:?}")).unwrap_or_default();
                    let count = failed.count();
                    let text = format!(
                        "{text}: {count} of its last {} failed{said}",
                        words::count(of as u64, "check")
                    );
                    Line::toned("health", text, Tone::Bad)
                }
            });
        }
        for (release, running, reached) in self.others(seen) {
            let how = if reached { "requests reach it" } else { "no request reaches it" };
            let text =
                format!("{release:#} is not promoted: {} run, {how}", words::count(running, "container"));
            lines.push(Line::toned("older", text, if reached { Tone::Bad } else { Tone::Plain }));
        }
        if let (Some(contract), true) = (&self.contract, seen.promoted().is_some()) {
            let missing = self.missing_variables(seen);
            if missing.is_empty() {
                let count = words::count(contract.variables().len() as u64, "variable");
                lines.push(Line::new("contract", format!("all that is required of {count} is there")));
            }
        }
        lines.extend(self.machine.lines());
        lines
    }

    pub(super) fn json(&self) -> Value {
        let ends = self.ends().into_iter().map(|end| {
            json!({ "release": end.release, "container": end.container, "reason": end.reason, "count": end.count, "last": end.last })
        });
        let containers = self.containers.iter().map(|container| {
            let checks = container
                .checks
                .iter()
                .map(|check| json!({ "at": check.at, "exit_code": check.exit_code, "said": check.said }));
            json!({
                "task": container.task,
                "release": container.release,
                "container": container.name,
                "running": container.is_running,
                "restarts": container.restarts,
                "variables": container.variables,
                "checks": checks.collect::<Vec<_>>(),
            })
        });
        json!({
            "ends": ends.collect::<Vec<_>>(),
            "containers": containers.collect::<Vec<_>>(),
            "port_holder": self.holder.as_ref().map(ToString::to_string),
            "machine": self.machine.json(),
        })
    }
}
