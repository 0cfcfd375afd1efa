//! A service's output, read from `CloudWatch` Logs.

use std::sync::Arc;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use quickserve_core::ErrorKind;
use quickserve_core::log::{LogEntries, LogEntry, LogLine, LogQuery};
use quickserve_core::memory::MemoryClock;
use quickserve_core::orchestrator::Orchestrator as _;
use quickserve_core::release::{Digest, Release};
use quickserve_core::rollout::ManagedRollout as _;
use serde_json::{Value, json};

use crate::fake::{Fake, Fault, State};
use crate::register::{ecs, ecs_at};
use crate::support::{fence, release, spec};

/// Made up for this test, and of the shape of the real thing.
const TOKEN: &str = concat!("push refused for ghp_", "x7Kq2mVd9LwZ4tRb8NcY1sHf6JpG3aQe5UoT");

pub(crate) fn version(tag: &str, logging: &str) -> Release {
    let document = format!(
        r#"{{"family": "shop", "containerDefinitions": [{{"name": "app", "image": "x", "logConfiguration": {logging}}}]}}"#
    );
    release(&document, "ghcr.io/acme/shop", tag, Digest::of(tag.as_bytes()))
}

pub(crate) const AWSLOGS: &str = r#"{"logDriver": "awslogs", "options":
    {"awslogs-group": "/ecs/shop", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "web"}}"#;

fn task(name: &str, revision: usize, status: &str) -> Value {
    json!({
        "taskArn": format!("arn:aws:ecs:us-east-1:123456789012:task/main/{name}"), "desiredStatus": status,
        "lastStatus": status, "taskDefinitionArn": State::arn(revision), "containers": [{"name": "app"}],
    })
}

/// A service whose tasks write to `CloudWatch` Logs: of the first release one that ended, of the second one that runs.
async fn serving(fake: &Fake) -> (Release, Release) {
    let ecs = ecs(fake);
    let (one, two) = (version("1", AWSLOGS), version("2", AWSLOGS));
    ecs.register(&fence(), &one).await.expect("registered");
    let revision = ecs.register(&fence(), &two).await.expect("registered");
    ecs.start(&fence(), None, &spec(&two, &revision, Some(1))).await.expect("started");
    let mut state = fake.state();
    state.tasks = vec![task("a", 1, "STOPPED"), task("b", 2, "RUNNING")];
    state.beside.logs.insert(("/ecs/shop", "web/app/a"), vec!["a1", "a2", "\u{1b}[31ma3\u{1b}[0m\na3 too"]);
    state.beside.logs.insert(("/ecs/shop", "web/app/b"), vec!["b1", TOKEN, "b3", "b4"]);
    drop(state);
    (one, two)
}

async fn opened(fake: &Fake, query: LogQuery) -> LogEntries {
    ecs_at(fake, Arc::new(MemoryClock::default())).logs(query).await.expect("opened")
}

async fn read(fake: &Fake, query: LogQuery) -> Vec<LogLine> {
    let entries: Vec<_> = opened(fake, query).await.collect().await;
    let lines = entries.into_iter().map(|entry| match entry.expect("an entry") {
        LogEntry::Line(line) => line,
        LogEntry::Unread(why) => panic!("{why}"),
    });
    let lines = lines.collect();
    assert_eq!(fake.state().violations, Vec::<String>::new());
    lines
}

fn texts(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

#[tokio::test]
async fn lines_of_all_tasks_come_by_their_times_safe_and_without_secrets() {
    let fake = Fake::start().await;
    let (one, two) = serving(&fake).await;
    let lines = read(&fake, LogQuery::default()).await;
    assert_eq!(
        texts(&lines),
        ["b1", "a1", "push refused for ...", "a2", "b3", "a3", "a3 too", "b4"],
        "and of what was written at the same time, the running task's first"
    );
    let of = |text: &str| lines.iter().find(|line| line.text == text).expect("a line");
    assert_eq!((of("a1").release.as_ref(), of("b1").release.as_ref()), (Some(&one.id), Some(&two.id)));
    assert_eq!((of("b1").task.0.as_str(), of("b1").container.as_str()), ("b", "app"));
    let of_one = LogQuery { release: Some(one.id), ..LogQuery::default() };
    assert_eq!(texts(&read(&fake, of_one).await), ["a1", "a2", "a3", "a3 too"]);
    let of_none = LogQuery { container: Some("side".into()), ..LogQuery::default() };
    assert_eq!(texts(&read(&fake, of_none).await), Vec::<&str>::new());
}

#[tokio::test]
async fn the_last_lines_and_those_since_a_time_are_read_page_by_page() {
    let fake = Fake::start().await;
    serving(&fake).await;
    fake.state().beside.page = Some(1);
    let last = LogQuery { tail: Some(2), ..LogQuery::default() };
    assert_eq!(texts(&read(&fake, last).await), ["b3", "a3", "a3 too", "b4"]);
    let since = Timestamp::from_second(1_764_370_002).expect("a time");
    let since = LogQuery { since: Some(since), ..LogQuery::default() };
    assert_eq!(texts(&read(&fake, since).await), ["b3", "a3", "a3 too", "b4"]);
    let none = LogQuery { tail: Some(0), ..LogQuery::default() };
    assert_eq!(texts(&read(&fake, none).await), Vec::<&str>::new());
}

#[tokio::test]
async fn what_is_followed_goes_on_with_new_lines_and_new_tasks_within_limits() {
    let fake = Fake::start().await;
    serving(&fake).await;
    let mut entries = opened(&fake, LogQuery { tail: Some(1), follow: true, ..LogQuery::default() }).await;
    let mut next = async || match entries.next().await.expect("no end").expect("an entry") {
        LogEntry::Line(line) => line.text,
        LogEntry::Unread(why) => panic!("{why}"),
    };
    assert_eq!([next().await, next().await], ["a3 too", "b4"]);
    fake.state().beside.logs.entry(("/ecs/shop", "web/app/b")).or_default().push("b5");
    assert_eq!(next().await, "b5");
    {
        let mut state = fake.state();
        state.tasks.push(task("c", 2, "RUNNING"));
        state.beside.logs.insert(("/ecs/shop", "web/app/c"), vec!["c1", "c2"]);
        state.seen.clear();
    }
    // Throttling passes, and nothing is lost of it.
    fake.state().faults.insert("GetLogEvents", Fault::Throttled(5));
    assert_eq!([next().await, next().await], ["c1", "c2"]);
    // Ten seconds of waiting until it is looked for tasks.
    assert!(fake.seen("GetLogEvents").len() < 30, "{}", fake.seen("GetLogEvents").len());
}

#[tokio::test]
async fn what_is_not_read_is_said() {
    let fake = Fake::start().await;
    serving(&fake).await;
    fake.state().beside.logs.clear();
    let said = async || -> Vec<LogEntry> {
        let entries: Vec<_> = opened(&fake, LogQuery::default()).await.collect().await;
        entries.into_iter().map(|entry| entry.expect("an entry")).collect()
    };
    let lost = "container app: its log is lost: log group /ecs/shop does not exist";
    assert_eq!(said().await, [LogEntry::Unread(lost.into())]);

    let logging = r#"{"logDriver": "fluentd", "options": {"fluentd-address": "logs.acme:24224"}}"#;
    ecs(&fake).register(&fence(), &version("3", logging)).await.expect("registered");
    fake.state().tasks = vec![task("d", 3, "RUNNING")];
    let elsewhere = "container app: its log goes by fluentd to logs.acme:24224, and is not read here";
    assert_eq!(said().await, [LogEntry::Unread(elsewhere.into())]);
}

#[tokio::test]
async fn what_is_refused_is_an_error_with_the_missing_action() {
    let fake = Fake::start().await;
    let error = ecs(&fake).logs(LogQuery::default()).await.err().expect("no service");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    serving(&fake).await;
    fake.state().faults.insert("GetLogEvents", Fault::Refused("AccessDeniedException", "no"));
    let entries: Vec<_> = opened(&fake, LogQuery::default()).await.collect().await;
    let errors: Vec<_> = entries.into_iter().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].hint().is_some_and(|hint| hint.contains("logs:GetLogEvents")), "{:?}", errors[0]);
}
