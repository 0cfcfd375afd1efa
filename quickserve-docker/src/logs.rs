//! What a service's containers write, as one stream.

use std::collections::HashMap;
use std::pin::Pin;

use futures_util::stream::{SelectAll, StreamExt as _};
use futures_util::{Stream, TryStreamExt as _};
use jiff::Timestamp;
use quickserve_core::Result;
use quickserve_core::log::{LogLine, LogQuery, LogStream};
use quickserve_core::orchestrator::TaskId;
use quickserve_core::release::ReleaseId;
use quickserve_core::service::ServiceKey;

use crate::engine::{Engine, LogFrame, LogRequest};
use crate::names;

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
    let since = query.since.map(Timestamp::as_second);
    let request = LogRequest { follow: false, tail: query.tail, since };
    let Some(starts) = starts else {
        let mut lines = Vec::new();
        for (id, origin) in containers {
            let read: Vec<LogLine> = read(engine, &id, request, origin).try_collect().await?;
            lines.extend(read.into_iter().filter(|line| is_recent(line, &query)));
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
                Ok(Item::Line(line)) if !is_recent(&line, &query) => {}
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

/// The engine's `since` counts whole seconds; what it lets through of the first one is left out here.
fn is_recent(line: &LogLine, query: &LogQuery) -> bool {
    query.since.is_none_or(|since| line.time.is_none_or(|time| time >= since))
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
            release: Some(self.release.clone()),
            task: self.task.clone(),
            container: self.container.clone(),
            stream: Some(if frame.is_stderr { LogStream::Stderr } else { LogStream::Stdout }),
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
