//! The command after the death, and what it must leave.

use quickserve_tests::{Ran, docker::docker};
use serde_json::Value;

use super::run::{Act, Edition, Lane};

/// The next command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recovery {
    Resume,
    /// Of another release.
    Deploy,
    Rollback,
    Abort,
    Down,
}

impl Recovery {
    /// The one of this turn.
    pub(super) fn of(turn: usize) -> Self {
        [
            Self::Resume,
            Self::Deploy,
            Self::Resume,
            Self::Rollback,
            Self::Resume,
            Self::Abort,
            Self::Resume,
            Self::Down,
        ][turn % 8]
    }
}

/// What must serve, and how the command must end.
#[derive(Debug)]
pub(super) struct Expected {
    recovery: Recovery,
    /// What must serve, or nothing.
    release: Option<String>,
    code: i32,
    /// The deployment that was left unfinished.
    unfinished: Option<String>,
}

impl Expected {
    /// What follows from what `status` said after the death: whether a deployment is in flight, and which
    /// release was promoted last.
    pub(super) fn of(lane: &Lane, recovery: Recovery, left: &Value) -> Self {
        let in_flight = !left["in_flight"].is_null();
        if in_flight {
            assert_eq!(left["in_flight"]["interrupted"], true, "{left}");
        }
        let promoted = left["promoted"].as_str().expect("a promoted release").to_owned();
        let first = lane.release(Edition::First).to_owned();
        let second = lane.release(Edition::Second).to_owned();
        let (release, code) = match (recovery, lane.act) {
            (Recovery::Down, _) => (None, 0),
            (Recovery::Deploy, _) => (Some(lane.release(Edition::Third).to_owned()), 0),
            (Recovery::Resume, Act::GoodDeployment) => (Some(second), 0),
            (Recovery::Resume, Act::FailingDeployment) => (Some(first), if in_flight { 4 } else { 0 }),
            // A rollback is finished, whoever asks. Of anything else, what is not promoted is taken back, and
            // what is promoted is rolled back.
            (Recovery::Resume, Act::Rollback) | (Recovery::Rollback, _) => (Some(first), 0),
            // It comes too late for what is promoted already.
            (Recovery::Abort, act) => {
                let goal = match act {
                    Act::GoodDeployment => Some(&second),
                    Act::Rollback => Some(&first),
                    Act::FailingDeployment => None,
                };
                let late = in_flight && goal == Some(&promoted);
                (Some(promoted), if late { 3 } else { 0 })
            }
        };
        let unfinished = in_flight.then(|| {
            let deployment = left["in_flight"]["deployment"].as_str();
            deployment.expect("a deployment").to_owned()
        });
        Self { recovery, release, code, unfinished }
    }

    /// Holds everything that can be seen against it.
    pub(super) fn check(&self, lane: &Lane, ran: &Ran, seen: impl Fn(&str) -> String) {
        let further = self.recovery == Recovery::Rollback && self.unfinished.is_none();
        if further && lane.act != Act::GoodDeployment {
            // It had ended before the death: this is a rollback of its own, further back, or refused.
            assert!(matches!(ran.code, 0 | 3), "{}", seen("exit code"));
            let status = lane.status();
            let serving = status["promoted"].as_str().expect("a promoted release").to_owned();
            Self::alone(lane, &serving, &status, &seen);
            return;
        }
        assert_eq!(ran.code, self.code, "{}", seen("exit code"));
        self.says(ran, &seen);
        let status = lane.status();
        match &self.release {
            Some(release) => Self::alone(lane, release, &status, &seen),
            None => Self::nothing(lane, &status, &seen),
        }
    }

    /// Exactly this release serves, in full, and nothing else is there.
    fn alone(lane: &Lane, release: &str, status: &Value, seen: &impl Fn(&str) -> String) {
        let told = |what: &str| seen(&format!("{what}\nstatus: {status}"));
        for _ in 0..4 {
            let answer = lane.shop.identity();
            assert_eq!(answer["release"], release, "{}", told(&format!("answered by {answer}")));
        }
        assert_eq!(status["consistent"], true, "{}", told("not consistent"));
        assert_eq!(status["in_flight"], Value::Null, "{}", told("in flight"));
        assert_eq!(status["promoted"], release, "{}", told("promoted"));
        let serving = status["serving"].as_array().expect("a list");
        assert_eq!(serving.len(), 1, "{}", told("serving"));
        assert_eq!(serving[0]["release"], release, "{}", told("serving"));
        assert_eq!(serving[0]["tasks"], lane.tasks(), "{}", told("tasks"));
        let containers = lane.containers();
        assert_eq!(containers.len(), lane.tasks() as usize, "{}", told(&format!("{containers:#?}")));
        for container in &containers {
            let doomed = container.name.ends_with(".doomed");
            let right = container.release == release && container.state == "running" && !doomed;
            assert!(right, "{}", told(&format!("{container:#?}")));
        }
    }

    /// Nothing is left of the service.
    fn nothing(lane: &Lane, status: &Value, seen: &impl Fn(&str) -> String) {
        let told = |what: &str| seen(&format!("{what}\nstatus: {status}"));
        let shop = &lane.shop;
        assert!(shop.get("/version").is_err(), "{}", told("the public port is open"));
        assert_eq!(status["serving"], Value::Array(Vec::new()), "{}", told("serving"));
        assert_eq!(status["consistent"], true, "{}", told("not consistent"));
        let network = format!("name=^quickserve-{}$", shop.environment);
        let pins = format!("quickserve/{}.{}", shop.service, shop.environment);
        let left = [
            lane.containers().iter().map(|container| container.name.clone()).collect(),
            docker(&["network", "ls", "--quiet", "--filter", &network]),
            docker(&["image", "ls", "--quiet", &pins]),
        ];
        assert!(left.iter().all(String::is_empty), "{}", told(&format!("left: {left:?}")));
    }

    /// The command says what it found, what it did about it, and what serves now.
    fn says(&self, ran: &Ran, seen: &impl Fn(&str) -> String) {
        if ran.stdout.is_empty() {
            return self.says_to_people(ran, seen);
        }
        let lines = ran.json_lines();
        let recovering: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "recovering").collect();
        let found = recovering.first().and_then(|line| line["deployment"].as_str());
        assert_eq!(found, self.unfinished.as_deref(), "{}", seen("what it found"));
        let finished = lines.last().expect("a last line");
        assert_eq!(finished["kind"], "finished", "{}", seen("the last line"));
        assert_eq!(finished["exit_code"], self.code, "{}", seen("the code that it tells"));
        let serving = finished["serving"].as_array().expect("a list");
        let serving: Vec<&str> = serving.iter().filter_map(|one| one["release"].as_str()).collect();
        let expected: Vec<&str> = self.release.as_deref().into_iter().collect();
        assert_eq!(serving, expected, "{}", seen("what it says that serves"));
    }

    fn says_to_people(&self, ran: &Ran, seen: &impl Fn(&str) -> String) {
        let told = |label: &str, text: &str| {
            let said = ran.stderr.lines().any(|line| line.starts_with(label) && line.contains(text));
            assert!(said, "{}", seen(&format!("it does not say {label} ... {text}")));
        };
        if let Some(deployment) = &self.unfinished {
            told("recover", deployment);
        }
        let Some(release) = &self.release else { return told("removed", "nothing is left") };
        // As people see it: `r-` and six digits.
        let short = &release[..8];
        match (self.recovery, self.code, &self.unfinished) {
            (Recovery::Abort, 3, _) => {
                told("error: ", "the abort came too late");
                told("serving", short);
            }
            (_, 4, _) => {
                told("error: ", "rolled back");
                told("serving", short);
            }
            (Recovery::Resume | Recovery::Abort, _, None) => {
                told("nothing", "is in flight");
                told("serving", short);
            }
            (Recovery::Resume, _, Some(_)) => told("resumed", &format!("{short} alone serves")),
            (Recovery::Abort, _, Some(_)) => told("aborted", &format!("{short} alone serves")),
            (Recovery::Deploy, ..) => told("deployed", &format!("{short} alone serves")),
            (Recovery::Rollback | Recovery::Down, ..) => told("restored", &format!("{short} alone serves")),
        }
    }
}
