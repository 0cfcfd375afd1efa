//! One plan with a shop of its own: brought to its beginning, killed, recovered, looked at.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use quickserve_tests::{Ran, Settings, Shop, docker};
use serde_json::Value;

use super::recovery::{Expected, Recovery};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    Recreate,
    Rolling,
    BlueGreen,
}

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    GoodDeployment,
    /// Of a release that never gets healthy.
    FailingDeployment,
    Rollback,
}

/// Releases of the same image with other variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Edition {
    First,
    Second,
    Third,
    /// Never gets healthy.
    Bad,
}

/// Events that say where in its plan a command is.
const BOUNDARIES: [&str; 5] = ["started", "step_started", "step_completed", "step_failed", "replanned"];

pub(super) struct Lane {
    pub(super) shop: Shop,
    strategy: Strategy,
    pub(super) act: Act,
    releases: BTreeMap<Edition, String>,
}

impl Lane {
    pub(super) fn open(strategy: Strategy, act: Act) -> Self {
        Self { shop: Shop::apart(&["1"]), strategy, act, releases: BTreeMap::new() }
    }

    /// Asks for the names of the releases. Secrets are part of them, and their versions begin anew after `down`.
    fn learn(&mut self) {
        for edition in [Edition::First, Edition::Second, Edition::Third, Edition::Bad] {
            self.settle(edition);
            let plan = self.shop.run(&["plan", "--image", &self.shop.image("1"), "--format", "json"]);
            let release = plan.json()["release"]["release"].as_str().expect("a release").to_owned();
            self.releases.insert(edition, release);
        }
    }

    /// The name of an edition's release.
    pub(super) fn release(&self, edition: Edition) -> &str {
        &self.releases[&edition]
    }

    /// How many boundaries the plan has when nothing disturbs it.
    pub(super) fn count(&mut self) -> usize {
        self.prepare();
        let ran = self.shop.run(&borrowed(&self.command()));
        let expected = if self.act == Act::FailingDeployment { 4 } else { 0 };
        assert_eq!(ran.code, expected, "undisturbed:\n{ran}");
        let lines = ran.json_lines();
        let points = lines.iter().filter(|line| is_boundary(line)).count();
        assert!(points > 5, "{points} boundaries:\n{ran}");
        points
    }

    pub(super) fn kill_and_recover(&mut self, point: usize) {
        self.prepare();
        let events = self.kill_at(point);
        let recovery = Recovery::of(point + 3 * self.strategy as usize + self.act as usize);
        let place = || {
            let last = events.last().map(ToString::to_string).unwrap_or_default();
            format!("{} x {}, point {point}, {recovery:?} after {last}", self.strategy, self.act)
        };
        let left = self.status();
        if self.strategy != Strategy::Recreate {
            // The router needs nobody to go on.
            let answer = self.shop.identity();
            assert!(!answer.is_null(), "{}: nobody serves between death and recovery: {left}", place());
        }
        let expected = Expected::of(self, recovery, &left);
        // What people read and what programs read, in turns.
        let ran = self.recover(recovery, point.is_multiple_of(2));
        let seen = |what: &str| format!("{}: {what}\nleft: {left}\n{ran}", place());
        expected.check(self, &ran, seen);
        if recovery == Recovery::Down {
            self.releases.clear();
        }
    }

    /// Runs the command and kills it when it tells the boundary of this number.
    fn kill_at(&self, point: usize) -> Vec<Value> {
        let mut command = self.shop.command(&borrowed(&self.command()));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let mut seen = 0;
        let mut events = Vec::new();
        for line in lines {
            let event: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
            seen += usize::from(is_boundary(&event));
            events.push(event);
            if seen == point {
                child.kill().expect("killed");
                child.wait().expect("an end");
                return events;
            }
        }
        let ended = child.wait().expect("an end");
        panic!("{} x {}: boundary {point} never came, {ended}: {events:#?}", self.strategy, self.act);
    }

    fn recover(&self, recovery: Recovery, for_people: bool) -> Ran {
        if recovery == Recovery::Deploy {
            self.settle(Edition::Third);
        }
        let mut arguments: Vec<String> = match recovery {
            Recovery::Deploy => self.deployment(),
            Recovery::Resume => vec!["resume".to_owned()],
            Recovery::Rollback => vec!["rollback".to_owned()],
            Recovery::Abort => vec!["abort".to_owned()],
            Recovery::Down => vec!["down".to_owned()],
        };
        if !for_people {
            arguments.extend(["--format".to_owned(), "json".to_owned()]);
        }
        self.shop.run(&borrowed(&arguments))
    }

    /// The command that is killed.
    fn command(&self) -> Vec<String> {
        let mut arguments = match self.act {
            Act::GoodDeployment => {
                self.settle(Edition::Second);
                self.deployment()
            }
            Act::FailingDeployment => {
                self.settle(Edition::Bad);
                self.deployment()
            }
            Act::Rollback => vec!["rollback".to_owned()],
        };
        arguments.extend(["--format".to_owned(), "json".to_owned()]);
        arguments
    }

    fn deployment(&self) -> Vec<String> {
        ["deploy", "--retry", "--image", &self.shop.image("1")].map(str::to_owned).to_vec()
    }

    /// Where every point begins: the first release serves, or the second after the first.
    fn prepare(&mut self) {
        if self.releases.is_empty() {
            self.learn();
        }
        self.serve(Edition::First);
        if self.act == Act::Rollback {
            self.serve(Edition::Second);
        }
    }

    fn serve(&self, edition: Edition) {
        self.settle(edition);
        let ran = self.shop.run(&borrowed(&self.deployment()));
        assert_eq!(ran.code, 0, "the beginning:\n{ran}");
    }

    fn settle(&self, edition: Edition) {
        let (health_check, variables) = match edition {
            Edition::Bad => {
                (r#"{ path = "/health", grace = "500ms" }"#, r#"STOREFRONT_FAIL_NEVER_HEALTHY = "1""#)
            }
            Edition::First => (r#"{ path = "/health", grace = "5s" }"#, r#"EDITION = "first""#),
            Edition::Second => (r#"{ path = "/health", grace = "5s" }"#, r#"EDITION = "second""#),
            Edition::Third => (r#"{ path = "/health", grace = "5s" }"#, r#"EDITION = "third""#),
        };
        let deploy = format!(
            "strategy = \"{}\"\ntasks = {}\nmaximum_percent = 150\nbake_time = \"100ms\"\ndrain_timeout = \"2s\"\n",
            self.strategy,
            self.strategy.tasks()
        );
        let top = format!("variables = {{ {variables} }}");
        self.shop.settle(Settings { health_check, top: &top, deploy: &deploy, ..Settings::default() });
    }

    pub(super) fn tasks(&self) -> u32 {
        self.strategy.tasks()
    }

    /// `status`, as programs read it.
    pub(super) fn status(&self) -> Value {
        let ran = self.shop.run(&["status", "--format", "json"]);
        assert_eq!(ran.code, 0, "{ran}");
        ran.json()
    }

    pub(super) fn containers(&self) -> Vec<docker::Container> {
        docker::containers(&self.shop.service)
    }
}

impl Strategy {
    /// Rolling one task has no step in which both releases serve.
    fn tasks(self) -> u32 {
        if self == Self::Rolling { 2 } else { 1 }
    }
}

fn is_boundary(event: &Value) -> bool {
    event["kind"].as_str().is_some_and(|kind| BOUNDARIES.contains(&kind))
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recreate => "recreate",
            Self::Rolling => "rolling",
            Self::BlueGreen => "blue-green",
        })
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GoodDeployment => "good deployment",
            Self::FailingDeployment => "failing deployment",
            Self::Rollback => "rollback",
        })
    }
}
