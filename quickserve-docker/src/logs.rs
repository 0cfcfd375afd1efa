//! What a service's containers write, as one stream.

use std::collections::HashMap;
use std::pin::Pin;

use futures_util::stream::{SelectAll, StreamExt as _};
use futures_util::{Stream, TryStreamExt as _};
use jiff::Timestamp;
use quickserve_core::Result;
use quickserve_core::orchestrator::TaskId;
use quickserve_core::release::ReleaseId;
use quickserve_core::service::ServiceKey;

use crate::engine::{Engine, LogFrame, LogRequest};
use crate::names;

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Of this release only.
    pub release: Option<ReleaseId>,
    /// Of this task only.
    pub task: Option<TaskId>,
    /// Of this container of the workload only.
    pub container: Option<String>,
    /// The last lines of each container only.
    pub tail: Option<u32>,
    /// Whether to go on with what is written from now on, by containers started later too.
    pub follow: bool,
}

/// One line that a container wrote, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub time: Option<Timestamp>,
    /// The container's release.
    pub release: ReleaseId,
    /// The container's task.
    pub task: TaskId,
    /// The container's name in the workload.
    pub container: String,
    /// Where it wrote it.
    pub stream: LogStream,
    /// The line.
    pub text: String,
}

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A stream of lines.
pub type LogLines = Pin<Box<dyn Stream<Item = Result<LogLine>> + Send>>;

type Source = Pin<Box<dyn Stream<Item = Result<Item>> + Send>>;

enum Item {
    Line(LogLine),
    Started(String),
}

/// Reads the logs of a service's tasks.
///
/// Without [`follow`](LogQuery::follow) the lines come in the order of their times and the stream ends. With
/// it, each container's lines come in order, what was written before the call first; it ends when it is dropped.
///
/// # Errors
/// When the engine does not answer; an error inside the stream is of one container.
pub async fn logs(engine: &Engine, key: &ServiceKey, query: LogQuery) -> Result<LogLines> {
    let labels = names::service_labels(key);
    // Before the list, so that no container starts unseen between the two.
    let starts = query.follow.then(|| engine.starts(&labels));
    let listed = engine.list(&labels).await?;
    let containers: Vec<(String, Origin)> = listed
        .into_iter()
        .filter_map(|container| Some((container.id, Origin::of(&container.labels)?)))
        .filter(|(_, origin)| origin.is_wanted(&query))
        .collect();
    let request = LogRequest { follow: false, tail: query.tail, since: None };
    let Some(starts) = starts else {
        let mut lines = Vec::new();
        for (id, origin) in containers {
            let read: Vec<LogLine> = read(engine, &id, request, origin).try_collect().await?;
            lines.extend(read);
        }
        lines.sort_by_key(|line| line.time);
        return Ok(Box::pin(futures_util::stream::iter(lines.into_iter().map(Ok))));
    };
    let mut sources: SelectAll<Source> = SelectAll::new();
    for (id, origin) in containers {
        let request = LogRequest { follow: true, ..request };
        sources.push(read(engine, &id, request, origin).map_ok(Item::Line).boxed());
    }
    sources.push(starts.map_ok(Item::Started).boxed());
    Ok(Box::pin(follow(engine.clone(), query, sources)))
}

/// Lines from all sources; a container that starts, or starts again, becomes another one.
fn follow(
    engine: Engine,
    query: LogQuery,
    sources: SelectAll<Source>,
) -> impl Stream<Item = Result<LogLine>> + Send {
    let seen: HashMap<String, Timestamp> = HashMap::new();
    futures_util::stream::unfold((engine, query, sources, seen), |state| async move {
        let (engine, query, mut sources, mut seen) = state;
        loop {
            match sources.next().await? {
                Err(error) => return Some((Err(error), (engine, query, sources, seen))),
                Ok(Item::Line(line)) => {
                    // The engine's `since` counts whole seconds, so a restarted container repeats some lines.
                    let source = format!("{}/{}", line.task, line.container);
                    if let Some(time) = line.time {
                        let last = seen.entry(source).or_insert(Timestamp::MIN);
                        if time <= *last {
                            continue;
                        }
                        *last = time;
                    }
                    return Some((Ok(line), (engine, query, sources, seen)));
                }
                Ok(Item::Started(id)) => {
                    let container = match engine.inspect(&id).await {
                        Ok(Some(container)) => container,
                        Ok(None) => continue,
                        Err(error) => return Some((Err(error), (engine, query, sources, seen))),
                    };
                    let Some(origin) = Origin::of(&container.labels) else { continue };
                    if origin.is_wanted(&query) {
                        let source = format!("{}/{}", origin.task, origin.container);
                        let since = seen.get(&source).map(|time| time.as_second());
                        let request = LogRequest { follow: true, tail: None, since };
                        sources.push(read(&engine, &id, request, origin).map_ok(Item::Line).boxed());
                    }
                }
            }
        }
    })
}

/// Whose container it is.
#[derive(Debug, Clone)]
struct Origin {
    release: ReleaseId,
    task: TaskId,
    container: String,
}

impl Origin {
    fn of(labels: &HashMap<String, String>) -> Option<Self> {
        Some(Self {
            release: labels.get(names::RELEASE)?.parse().ok()?,
            task: TaskId(labels.get(names::TASK)?.clone()),
            container: labels.get(names::CONTAINER)?.clone(),
        })
    }

    fn is_wanted(&self, query: &LogQuery) -> bool {
        query.release.as_ref().is_none_or(|release| *release == self.release)
            && query.task.as_ref().is_none_or(|task| *task == self.task)
            && query.container.as_ref().is_none_or(|container| *container == self.container)
    }

    fn line(&self, frame: &LogFrame) -> LogLine {
        LogLine {
            time: frame.time,
            release: self.release.clone(),
            task: self.task.clone(),
            container: self.container.clone(),
            stream: if frame.is_stderr { LogStream::Stderr } else { LogStream::Stdout },
            text: quickserve_core::text::plain(&frame.text),
        }
    }
}

fn read(
    engine: &Engine,
    id: &str,
    request: LogRequest,
    origin: Origin,
) -> impl Stream<Item = Result<LogLine>> + Send + use<> {
    engine.logs(id, request).map_ok(move |frame| origin.line(&frame))
}
