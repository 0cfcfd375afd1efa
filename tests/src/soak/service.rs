//! The service that is deployed again and again, and what its command tells meanwhile.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use super::drills::{Drill, End, Router};
use crate::load::Load;
use crate::{Settings, Shop};

/// More than any client of the load lasts, but for those that wait for the end.
const DRAIN: &str = "2s";

/// Longer than `recreate` leaves the service without a release, and shorter than a client waits.
const HOLD: &str = "8s";

/// The deployment has begun by then, and is not over.
const DISTURBED_AFTER: Duration = Duration::from_millis(900);

#[derive(Debug)]
pub(super) struct Service {
    shop: Shop,
    /// The release that serves.
    serving: String,
    deployments: usize,
    /// How often the command was killed.
    pub(super) kills: usize,
    /// How often the router was upgraded.
    pub(super) upgrades: usize,
    /// How often the router's worker was killed.
    pub(super) worker_deaths: usize,
}

/// What a deployment came to.
#[derive(Debug, Default)]
struct Deployed {
    /// How often its command was killed.
    kills: usize,
    /// The release that serves since.
    serves: Option<String>,
}

/// What a command told and how it ended.
struct Told {
    code: Option<i32>,
    finished: Value,
    stderr: String,
}

impl Service {
    /// A service with its first release.
    pub(super) async fn open() -> Self {
        let shop = Shop::apart(&["1"]);
        let mut service =
            Self { shop, serving: String::new(), deployments: 0, kills: 0, upgrades: 0, worker_deaths: 0 };
        service.settle(&super::drills::GOOD_ONES[0], "blue-green");
        let told = service.run(&["deploy", "--image", &service.image()], |_| false).await;
        assert_eq!(told.code, Some(0), "the first deployment: {}\n{}", told.finished, told.stderr);
        service.serving = text(&told.finished["release"]);
        service
    }

    pub(super) fn port(&self) -> u16 {
        self.shop.port
    }

    fn image(&self) -> String {
        self.shop.image("1")
    }

    /// Deploys, and holds how it ends against how it should. What is to happen to the router meanwhile happens.
    pub(super) async fn deploy(&mut self, drill: &Drill, strategy: &str, load: &Load) {
        self.deployments += 1;
        self.settle(drill, strategy);
        let (killed, ()) =
            tokio::join!(self.deploy_settled(drill, strategy, load), self.disturb(drill.router));
        self.kills += killed.kills;
        self.upgrades += usize::from(drill.router == Router::Upgraded);
        self.worker_deaths += usize::from(drill.router == Router::WorkerKilled);
        if let Some(release) = killed.serves {
            self.serving = release;
        }
        load.want(Some(&self.serving));
        let status = self.run(&["status"], |_| false).await.finished;
        assert_eq!(status["consistent"], true, "{} by {strategy}\n{status}", drill.name);
    }

    /// Upgrades the router, or kills its worker, in the middle of a deployment.
    async fn disturb(&self, what: Router) {
        if what == Router::Untouched {
            return;
        }
        tokio::time::sleep(DISTURBED_AFTER).await;
        if what == Router::Upgraded {
            let told = self.run(&["router", "upgrade"], |_| false).await;
            assert_eq!(told.code, Some(0), "the upgrade: {}", told.stderr);
            return;
        }
        let before = self.worker().await;
        let pid = before.as_i64().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("a pid"), Signal::KILL).expect("killed");
        while self.worker().await == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The process id of the router's worker; null while there is none.
    async fn worker(&self) -> Value {
        let mut command: Command = self.shop.command(&["router", "status", "--format", "json"]).into();
        let output = command.output().await.expect("an end");
        let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        status["status"]["pid"].clone()
    }

    async fn deploy_settled(&self, drill: &Drill, strategy: &str, load: &Load) -> Deployed {
        let mut deployed = Deployed::default();
        if drill.end != End::Unseen {
            load.want(None);
        }
        // From when its promotion is told, the new release answers every new request, and it alone.
        let promoted = |event: &Value| {
            if event["kind"] == "step_completed" && event["step"]["step"] == "promote" {
                load.want(event["step"]["release"].as_str());
            }
        };
        let image = self.image();
        let mut arguments = vec!["deploy", "--image", &image];
        let mut phases = BTreeSet::new();
        let told = loop {
            let told = self
                .run(&arguments, |event| {
                    promoted(event);
                    let begins = event["kind"] == "step_started";
                    drill.kills && begins && phases.insert(text(&event["step"]["step"]))
                })
                .await;
            if told.code.is_some() {
                break told;
            }
            deployed.kills += 1;
            arguments = vec!["resume"];
        };
        let expected = if drill.end == End::Good { 0 } else { 4 };
        let seen = || format!("{} by {strategy}: {}\n{}", drill.name, told.finished, told.stderr);
        assert_eq!(told.code, Some(expected), "{}", seen());
        if drill.end == End::Good {
            deployed.serves = Some(text(&told.finished["release"]));
        }
        assert!(!drill.kills || phases.len() > 6, "killed only in {phases:?}");
        let expected = deployed.serves.as_ref().unwrap_or(&self.serving);
        load.want(Some(expected));
        let serving = told.finished["serving"].as_array().expect("a list");
        assert_eq!(serving.len(), 1, "{}", seen());
        assert_eq!(serving[0]["release"], **expected, "{}", seen());
        deployed
    }

    /// Runs the command; killed at the first event for which `kill` says so.
    async fn run(&self, arguments: &[&str], mut kill: impl FnMut(&Value) -> bool) -> Told {
        let mut command: Command = self.shop.command(arguments).into();
        command.args(["--format", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let mut errors = child.stderr.take().expect("stderr");
        let mut finished = Value::Null;
        while let Some(line) = lines.next_line().await.expect("a line") {
            finished = serde_json::from_str(&line).expect("JSON");
            if kill(&finished) {
                child.start_kill().expect("killed");
                break;
            }
        }
        let code = child.wait().await.expect("an end").code();
        let mut stderr = String::new();
        errors.read_to_string(&mut stderr).await.expect("text");
        Told { code, finished, stderr }
    }

    fn settle(&self, drill: &Drill, strategy: &str) {
        let number = self.deployments;
        let comma = if drill.variables.is_empty() { "" } else { ", " };
        let variables = format!("variables = {{ DEPLOYMENT = \"{number}\"{comma}{} }}", drill.variables);
        let grace = if drill.health_check.is_empty() { ", grace = \"10s\"" } else { drill.health_check };
        let tasks = if strategy == "rolling" { 2 } else { 1 };
        self.shop.settle(Settings {
            health_check: &format!("{{ path = \"/health\"{grace} }}"),
            top: &format!("{variables}\nstop_timeout = \"1s\"\n{}", drill.top),
            deploy: &format!(
                "strategy = \"{strategy}\"\ntasks = {tasks}\nbake_time = \"{}\"\ndrain_timeout = \"{DRAIN}\"\n\
                 hold = \"{HOLD}\"",
                drill.bake
            ),
            smoke: "path = \"/version\"",
        });
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("text, not {value}")).to_owned()
}
