//! What is looked at beside what `status` sees: ends and health of containers, their variables, the machine.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use quickserve_core::clock::{Clock as _, SystemClock};
use quickserve_core::config::variables::Contract;
use quickserve_core::diagnosis::ContainerState;
use quickserve_core::finding::Finding;
use quickserve_core::orchestrator::TaskFailure;
use quickserve_core::release::ReleaseId;
use quickserve_docker::PortHolder;
use serde_json::{Value, json};

use super::asking::Asked;
use super::machine::Machine;
use super::verdict;
use crate::assemble;
use crate::cli::Draft;
use crate::commands::check;
use crate::commands::status::Seen;
use crate::compose::Stage;
use crate::failure::Failure;
use crate::project::Project;
use crate::render::{Line, Tone, short_task, words};
use crate::settings::Context;
use crate::target::Target;

/// How far back ends of containers are looked for.
const MEMORY: SignedDuration = SignedDuration::from_hours(24);
/// How far back the platform's own messages are read: what it said earlier has passed, or is said again.
const LATELY: SignedDuration = SignedDuration::from_hours(1);

/// What was seen of containers and machine.
pub(super) struct Examination {
    pub(super) containers: Vec<ContainerState>,
    /// Why tasks of the promoted release ended by themselves.
    pub(super) failures: Vec<TaskFailure>,
    pub(super) contract: Option<Contract>,
    /// What service and tasks answered otherwise than they should.
    pub(super) asked: Asked,
    /// What keeps the files that quickserve.toml names from being read.
    pub(super) unread: Vec<Finding>,
    /// The container that takes requests.
    pub(super) main: Option<String>,
    /// Who holds the public port, where it is not our router.
    pub(super) holder: Option<PortHolder>,
    /// What the platform knows beside the tasks and says something is wrong with, in sentences.
    pub(super) beside: Vec<String>,
    /// The machine that the tasks run on, where it is known.
    pub(super) machine: Option<Machine>,
    /// Since when ends of containers count.
    since: Timestamp,
}

/// Ends of the same container for the same reason.
pub(super) struct Ends {
    pub(super) release: ReleaseId,
    pub(super) container: String,
    pub(super) reason: String,
    pub(super) count: u64,
    pub(super) last: Option<Timestamp>,
}

impl Ends {
    /// `3x exited 137, last 2026-11-23 07:12:31Z`.
    pub(super) fn summary(&self) -> String {
        let last = self.last.map(|at| format!(", last {}", words::moment(at))).unwrap_or_default();
        format!("{}x {}{last}", self.count, self.reason)
    }
}

impl Examination {
    pub(super) async fn make(
        context: &Context,
        target: &Target,
        project: &Project,
        seen: &Seen,
        stage: &Stage,
    ) -> Result<Self, Failure> {
        let now = SystemClock.now();
        let since = now.checked_sub(MEMORY).unwrap_or(Timestamp::UNIX_EPOCH);
        let current = seen.promoted();
        let failures = async {
            match current {
                Some(release) => stage.platform.explain(release).await,
                None => Ok(Vec::new()),
            }
        };
        let beside = async {
            let lately = now.checked_sub(LATELY).unwrap_or(Timestamp::UNIX_EPOCH);
            match current {
                Some(release) => stage.platform.circumstances(release, lately).await,
                None => Ok(Vec::new()),
            }
        };
        let holder = async {
            match (stage.local(), target.reach.public.filter(|_| !seen.is_listening())) {
                (Some(local), Some(address)) => local.engine.who_holds(address.port()).await,
                _ => Ok(None),
            }
        };
        let machine = async {
            match stage.local() {
                Some(local) => Machine::look(context, &local.engine).await.map(Some),
                None => Ok(None),
            }
        };
        let (containers, failures, beside, holder, machine, asked) =
            tokio::join!(stage.containers(since, now), failures, beside, holder, machine, Asked::ask(seen));
        let (_, mut unread) = assemble::variables(context, project, &target.settings);
        // As `check` takes it: the one that is named, else the one that lies there.
        let subject = check::subject(context, target, project, &Draft::default());
        let contract = subject.contract.as_ref().and_then(|path| {
            let shown = subject.name(path);
            match quickserve_check::Text::read(&subject.path(path), &shown) {
                Ok(text) => Some(Contract::parse(&text.text, &shown)),
                Err(finding) => {
                    // What is wrong with one that is named is among what is wrong with the files.
                    unread.extend(target.settings.env_contract.is_none().then_some(*finding));
                    None
                }
            }
        });
        let main = current.and_then(|release| seen.release(release));
        let main = main.map(|release| release.workload.main_container().to_owned());
        Ok(Self {
            containers: containers?,
            failures: failures?,
            contract,
            asked,
            unread,
            main,
            holder: holder?,
            beside: beside?,
            machine: machine?,
            since,
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

    /// How often the containers of a release were started again lately, by their names.
    pub(super) fn restarts(&self, release: &ReleaseId) -> BTreeMap<&str, u64> {
        restarts(self.containers.iter().filter(|one| one.release == *release), self.since)
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
        let left = self.containers.iter().filter(|container| !container.is_gone);
        for container in left.filter(|container| Some(&container.release) != seen.promoted()) {
            *others.entry(&container.release).or_default() += u64::from(container.is_running);
        }
        let reached = |release: &ReleaseId| seen.serving().iter().any(|one| one.release == *release);
        others.into_iter().map(|(release, running)| (release.clone(), running, reached(release))).collect()
    }

    /// What the platform says something is wrong with.
    pub(super) fn doubts(&self) -> impl Iterator<Item = Line> {
        self.beside.iter().map(|text| Line::toned("caution", text.clone(), Tone::Bad))
    }

    pub(super) fn lines(&self, seen: &Seen) -> Vec<Line> {
        let mut lines = Vec::new();
        for end in self.ends().into_iter().filter(|end| !verdict::is_looping(seen, self, end)) {
            let text = format!("{} of {:#}: {}", end.container, end.release, end.summary());
            lines.push(Line::toned("ended", text, Tone::Bad));
        }
        for failure in &self.failures {
            if let Some(said) = &failure.last_words {
                lines.push(Line::new("", format!("{} said {said:?}", short_task(&failure.task.0))));
            } else if let Some(why) = &failure.log_unread {
                lines.push(Line::new("", format!("{}: {why}", short_task(&failure.task.0))));
            }
        }
        // What one that has ended, or is suspended, said before tells nothing of it now.
        let speaks = |container: &&ContainerState| {
            container.is_running && !container.is_paused && !container.checks.is_empty()
        };
        for container in self.containers.iter().filter(speaks) {
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
            let age = if seen.is_newer(&release) { "newer" } else { "older" };
            lines.push(Line::toned(age, text, if reached { Tone::Bad } else { Tone::Plain }));
        }
        if let (Some(contract), true) = (&self.contract, seen.promoted().is_some()) {
            let missing = self.missing_variables(seen);
            if missing.is_empty() {
                let count = words::count(contract.variables().len() as u64, "variable");
                lines.push(Line::new("contract", format!("all that is required of {count} is there")));
            }
        }
        lines.extend(self.machine.iter().flat_map(Machine::lines));
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
                "paused": container.is_paused,
                "restarts": container.restarts,
                "variables": container.variables,
                "checks": checks.collect::<Vec<_>>(),
            })
        });
        json!({
            "ends": ends.collect::<Vec<_>>(),
            "containers": containers.collect::<Vec<_>>(),
            "asked": {
                "public": self.asked.public,
                "tasks": self.asked.tasks,
            },
            "beside": self.beside,
            "port_holder": self.holder.as_ref().map(ToString::to_string),
            "machine": self.machine.as_ref().map(Machine::json),
        })
    }
}

/// How often containers were started again since then, by their names. Of what ended before the events that the engine
/// remembers, and health checks fill its memory soon, the restarts that it counts bear witness.
fn restarts<'a>(
    containers: impl Iterator<Item = &'a ContainerState>,
    since: Timestamp,
) -> BTreeMap<&'a str, u64> {
    let mut restarts: BTreeMap<&str, u64> = BTreeMap::new();
    for container in containers {
        let lately = container.ended.is_some_and(|ended| ended >= since);
        let counted = if lately { u64::from(container.restarts) } else { 0 };
        *restarts.entry(&container.name).or_default() += counted.max(container.ends.len() as u64);
    }
    restarts
}

#[cfg(test)]
mod tests {
    use quickserve_core::diagnosis::End;
    use quickserve_core::orchestrator::TaskId;

    use super::*;

    #[test]
    fn restarts_count_whose_events_the_engine_has_forgotten() {
        let since = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(48);
        let container = |name: &str, restarts, ended_after: i64, ends: usize| ContainerState {
            task: TaskId(name.to_owned()),
            release: "r-aaaaaaaaaaaa".parse().expect("a release's name"),
            name: name.to_owned(),
            container: name.to_owned(),
            is_running: true,
            is_paused: false,
            is_gone: false,
            restarts,
            ended: Some(Timestamp::UNIX_EPOCH + SignedDuration::from_hours(ended_after)),
            ends: vec![End { reason: "exited 1".to_owned(), at: None }; ends],
            variables: BTreeSet::new(),
            checks: Vec::new(),
        };
        let containers = [container("app", 8, 50, 2), container("app", 0, 50, 1), container("calm", 8, 3, 0)];
        let counted = restarts(containers.iter(), since);
        assert_eq!(counted, BTreeMap::from([("app", 9), ("calm", 0)]), "long ago is no loop");
    }
}
