//! `[deploy]`: how a release takes the place of another.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::platform::Platform;
use crate::config::stages::unless_off;
use crate::document::{Decoder, Fields, Node, Value, table, values};
use crate::plan::OnFailure;
use crate::retention::Retention;
use crate::traffic::Percent;

/// How a release takes the place of another.
#[derive(Debug, Clone, PartialEq)]
pub struct Deploy {
    /// What the file says; see [`strategy_for`](crate::config::Settings::strategy_for) for the default.
    pub strategy: Option<Strategy>,
    /// How many tasks a release has, 1 to 1000. Default: 1 on Docker; on ECS, as many as the service has.
    pub tasks: Option<u32>,
    /// How long the old release stays ready while the new one has all traffic. Default: 10 s on Docker, 2 min
    /// on ECS.
    pub bake_time: Duration,
    /// From the first step to the last; what is not done by then fails. Default: 15 min.
    pub timeout: Duration,
    /// How long requests in flight may take to end before their task is stopped. Default: 30 s.
    pub drain_timeout: Duration,
    /// How long an owner that shows no sign of life keeps the service, 1 s to 10 min. Default: 30 s.
    pub lease: Duration,
    /// For how long a request waits while no release serves, as in `recreate`. Default: not at all.
    pub hold: Duration,
    /// What happens when it fails. Default: roll back.
    pub on_failure: OnFailure,
    /// How much of the past is kept after a deployment. Default: 5 releases, 30 days.
    pub retention: Retention,
    /// In a rolling update, the least part of the tasks that stays healthy, 0 to 100 %. Default: 100 %.
    pub minimum_healthy_percent: u32,
    /// In a rolling update, the most tasks at a time, 100 to 1000 %. Default: 200 %.
    pub maximum_percent: u32,
    /// The parts of traffic that a canary gets, one after the other, rising. Default: 5 %.
    pub canary_percent: Vec<Percent>,
    /// How long each canary is watched. Default: 30 s on Docker, 10 min on ECS.
    pub canary_bake_time: Duration,
    /// By how much a linear shift rises at each step. Default: 10 %.
    pub step_percent: Percent,
    /// How long each step of a linear shift is watched. Default: 10 s on Docker, 6 min on ECS.
    pub step_bake_time: Duration,
    /// What runs once, with the new release's image, before its tasks.
    pub migrate: Option<Migrate>,
    /// How a canary is judged beside its health.
    pub judge: Option<Judge>,
}

/// How traffic moves from one release to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The old tasks stop before the new ones start: a gap, for services that cannot run twice.
    Recreate,
    /// Task by task, within the minimum and maximum percent.
    Rolling,
    /// The new tasks start beside the old ones, then all traffic switches at once.
    BlueGreen,
    /// A small part of traffic first, then all.
    Canary,
    /// Traffic moves in equal steps.
    Linear,
}

const STRATEGIES: &[(&str, Strategy)] = &[
    ("recreate", Strategy::Recreate),
    ("rolling", Strategy::Rolling),
    ("blue-green", Strategy::BlueGreen),
    ("canary", Strategy::Canary),
    ("linear", Strategy::Linear),
];

impl Strategy {
    /// All strategies, with the words that quickserve.toml and the command have for them.
    pub const ALL: &[(&str, Self)] = STRATEGIES;
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = STRATEGIES.iter().find(|(_, strategy)| strategy == self).map_or("", |(word, _)| word);
        f.pad(word)
    }
}

const ON_FAILURE: &[(&str, OnFailure)] = &[("rollback", OnFailure::Rollback), ("freeze", OnFailure::Freeze)];

/// What runs once before a release's tasks, such as a change of the database's schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrate {
    /// Program and arguments, inside the new image.
    pub command: Vec<String>,
    /// What happens when a later step fails. Default: as `on_failure` of the deployment.
    pub on_failure: Option<OnFailure>,
    /// For the whole migration. Default: none of its own.
    pub timeout: Option<Duration>,
}

/// How a canary is judged beside its health.
#[derive(Debug, Clone, PartialEq)]
pub struct Judge {
    /// The greatest part of requests that may fail, 0 to 1.
    pub max_error_rate: Option<f64>,
    /// The longest that 99 of 100 requests may take.
    pub max_p99: Option<Duration>,
    /// With fewer requests there is no data. Default: 100.
    pub min_requests: u32,
    /// What happens without enough data. Default: pause.
    pub no_data: NoData,
}

/// What a judge does without enough data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoData {
    /// Wait for a person.
    Pause,
    /// Take the release back.
    Fail,
    /// Go on.
    Pass,
}

const NO_DATA: &[(&str, NoData)] =
    &[("pause", NoData::Pause), ("fail", NoData::Fail), ("pass", NoData::Pass)];

/// What applies where the file says nothing.
struct Defaults {
    tasks: Option<u32>,
    bake: Duration,
    canary: Duration,
    step: Duration,
}

impl Defaults {
    /// Minutes on ECS, where metrics come by the minute; seconds on a laptop, where a person waits.
    fn of(platform: Platform) -> Self {
        let (minutes, seconds) = (Duration::from_mins, Duration::from_secs);
        match platform {
            Platform::Docker => {
                Self { tasks: Some(1), bake: seconds(10), canary: seconds(30), step: seconds(10) }
            }
            Platform::Ecs => Self { tasks: None, bake: minutes(2), canary: minutes(10), step: minutes(6) },
        }
    }
}

pub(super) fn read(fields: &mut Fields<'_, '_, '_>, platform: Platform) -> Deploy {
    let defaults = Defaults::of(platform);
    let deploy = Deploy {
        strategy: fields.optional("strategy", values::choice(STRATEGIES)),
        tasks: fields.optional("tasks", values::integer(1..=1000)).or(defaults.tasks),
        bake_time: fields.optional("bake_time", values::duration).unwrap_or(defaults.bake),
        timeout: fields.optional("timeout", values::some_time).unwrap_or(Duration::from_mins(15)),
        drain_timeout: fields.optional("drain_timeout", values::duration).unwrap_or(Duration::from_secs(30)),
        lease: fields.optional("lease", lease).unwrap_or(Duration::from_secs(30)),
        hold: fields.optional("hold", values::duration).unwrap_or(Duration::ZERO),
        on_failure: fields.optional("on_failure", values::choice(ON_FAILURE)).unwrap_or(OnFailure::Rollback),
        retention: retention(fields),
        minimum_healthy_percent: fields
            .optional("minimum_healthy_percent", values::integer(0..=100))
            .unwrap_or(100),
        maximum_percent: fields.optional("maximum_percent", values::integer(100..=1000)).unwrap_or(200),
        canary_percent: fields.optional("canary_percent", canary_percent).unwrap_or(vec![Percent::CANARY]),
        canary_bake_time: fields.optional("canary_bake_time", values::duration).unwrap_or(defaults.canary),
        step_percent: fields.optional("step_percent", percent).unwrap_or(Percent::STEP),
        step_bake_time: fields.optional("step_bake_time", values::duration).unwrap_or(defaults.step),
        migrate: fields.optional("migrate", unless_off(migrate)),
        judge: fields.optional("judge", unless_off(judge)),
    };
    if deploy.minimum_healthy_percent == 100
        && deploy.maximum_percent == 100
        && let Some(entry) = fields.entry("maximum_percent")
    {
        let message = "no task may stop before another starts, and none may start before one stops";
        let hint = "raise maximum_percent or lower minimum_healthy_percent";
        fields.decoder.incomplete(&entry.node.span, message, hint);
    }
    if deploy.bake_time >= deploy.timeout
        && let Some(entry) = fields.entry("bake_time").or(fields.entry("timeout"))
    {
        let message = "`bake_time` is not shorter than `timeout`: every deployment would time out";
        fields.decoder.incomplete(&entry.node.span, message, "raise timeout or lower bake_time");
    }
    deploy
}

fn lease(decoder: &mut Decoder<'_>, node: &Node) -> Option<Duration> {
    let lease = values::duration(decoder, node)?;
    if !(Duration::from_secs(1)..=Duration::from_mins(10)).contains(&lease) {
        let hint = "a short one fails a slow machine, a long one keeps others waiting; 30s fits most";
        decoder.bad_value(&node.span, "is not between 1s and 10m", hint);
        return None;
    }
    Some(lease)
}

fn retention(fields: &mut Fields<'_, '_, '_>) -> Retention {
    let Retention { keep_releases, keep_for } = Retention::default();
    Retention {
        keep_releases: fields.optional("keep_releases", values::integer(1..=1000)).unwrap_or(keep_releases),
        keep_for: fields.optional("keep_for", values::some_time).unwrap_or(keep_for),
    }
}

fn percent(decoder: &mut Decoder<'_>, node: &Node) -> Option<Percent> {
    let percent = values::number(0.1..=100.0)(decoder, node)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 1000")]
    let tenths = (percent * 10.0).round() as u16;
    if (f64::from(tenths) - percent * 10.0).abs() > 1e-6 {
        decoder.bad_value(&node.span, format!("{percent} is finer than a tenth of a percent"), "round it");
        return None;
    }
    Percent::from_tenths(tenths)
}

fn canary_percent(decoder: &mut Decoder<'_>, node: &Node) -> Option<Vec<Percent>> {
    if !matches!(node.value, Value::Array(_)) {
        return Some(vec![percent(decoder, node)?]);
    }
    let percents = values::list(percent)(decoder, node)?;
    if percents.is_empty() || !percents.is_sorted_by(|a, b| a < b) {
        decoder.bad_value(&node.span, "canary percents must rise", "write them such as [5, 25, 50]");
        return None;
    }
    Some(percents)
}

fn migrate(decoder: &mut Decoder<'_>, node: &Node) -> Option<Migrate> {
    if node.as_table().is_none() {
        return Some(Migrate { command: command(decoder, node)?, on_failure: None, timeout: None });
    }
    table(|fields| {
        let hint = "say what to run, such as command = [\"node\", \"migrate.js\"]";
        let command = fields.required("command", hint, command);
        let on_failure = fields.optional("on_failure", values::choice(ON_FAILURE));
        let timeout = fields.optional("timeout", values::some_time);
        Some(Migrate { command: command?, on_failure, timeout })
    })(decoder, node)
}

/// A program and its arguments as a list: no shell takes them apart.
pub(super) fn command(decoder: &mut Decoder<'_>, node: &Node) -> Option<Vec<String>> {
    if let Value::String(text) = &node.value {
        let words: Vec<String> = text.split_whitespace().map(|word| format!("{word:?}")).collect();
        let hint = format!("write [{}]", words.join(", "));
        decoder.wrong_type_hint(node, "a list of program and arguments", hint);
        return None;
    }
    let words = values::list(values::text)(decoder, node)?;
    if words.is_empty() {
        decoder.bad_value(&node.span, "is empty", "name a program, or remove the key");
        return None;
    }
    Some(words)
}

fn judge(decoder: &mut Decoder<'_>, node: &Node) -> Option<Judge> {
    table(|fields| {
        Some(Judge {
            max_error_rate: fields.optional("max_error_rate", values::number(0.0..=1.0)),
            max_p99: fields.optional("max_p99", values::some_time),
            min_requests: fields.optional("min_requests", values::integer(1..=1_000_000)).unwrap_or(100),
            no_data: fields.optional("no_data", values::choice(NO_DATA)).unwrap_or(NoData::Pause),
        })
    })(decoder, node)
}
