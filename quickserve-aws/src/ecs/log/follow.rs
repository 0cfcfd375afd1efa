//! What a service's tasks write, as one stream.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use aws_sdk_ecs::types::{DesiredStatus, Task};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use quickserve_core::clock::after;
use quickserve_core::log::{LogEntries, LogEntry, LogLine, LogQuery};
use quickserve_core::{ErrorKind, Result};

use super::super::observe::task_id;
use super::super::platform::Ecs;
use super::output::Output;
use super::page::From;
use super::source::Source;

/// How many last lines of each container are read where nobody says how many: a log may hold months.
const LINES: usize = 100;
/// How many streams are read at a time.
const AT_ONCE: usize = 4;
/// How soon what is followed is looked at again after something came, and when nothing has come for long.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(5);
/// How many streams are asked in a second while they are followed. `CloudWatch` Logs quotas: 25 `GetLogEvents` a second
/// for an account and a region, which others want too.
const A_SECOND: u32 = 5;
/// How often it is looked for tasks that came.
const DISCOVERY: Duration = Duration::from_secs(10);
/// How often in a row a look may fail for a reason that passes, while somebody follows.
const PATIENCE: u32 = 5;

impl Ecs {
    /// What the service's tasks write: those that run, and those that ended within about the last hour, which is how
    /// long ECS remembers them. Without [`since`](LogQuery::since) and [`tail`](LogQuery::tail) it is the last hundred
    /// lines of each container.
    ///
    /// The lines come in the order of their times. What is not in `CloudWatch` Logs is said, and what cannot be read
    /// for want of a log group. Values of secrets are hidden as far as a line shows that they are some.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without a service; and inside the stream when AWS refuses, which ends it.
    pub async fn logs(&self, query: LogQuery) -> Result<LogEntries> {
        if self.live().await?.is_none() {
            return Err(self.no_service("read its log"));
        }
        let mut reader = Reader::new(self.clone(), query);
        reader.discover(false).await?;
        let entries = futures_util::stream::unfold(Some(reader), |reader| async move {
            let mut reader = reader?;
            match reader.next().await {
                Ok(entry) => Some((Ok(entry?), Some(reader))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(Box::pin(entries))
    }
}

struct Reader {
    ecs: Ecs,
    query: LogQuery,
    sources: Vec<Source>,
    /// Containers that have a source, or none that can be read.
    known: BTreeSet<(String, String)>,
    /// What was said already.
    said: BTreeSet<String>,
    unread: VecDeque<String>,
    discovered: Timestamp,
    pause: Duration,
    failures: u32,
}

impl Reader {
    fn new(ecs: Ecs, query: LogQuery) -> Self {
        let discovered = ecs.now();
        Self {
            ecs,
            query,
            sources: Vec::new(),
            known: BTreeSet::new(),
            said: BTreeSet::new(),
            unread: VecDeque::new(),
            discovered,
            pause: SOONEST,
            failures: 0,
        }
    }

    /// The next line or remark; none at the end of what is not followed.
    async fn next(&mut self) -> Result<Option<LogEntry>> {
        loop {
            if let Some(text) = self.unread.pop_front() {
                return Ok(Some(LogEntry::Unread(text)));
            }
            match self.read().await {
                Ok(()) => self.failures = 0,
                Err(error) if self.query.follow && error.is_temporary() && self.failures < PATIENCE => {
                    self.failures += 1;
                    self.pause = LATEST;
                }
                Err(error) => return Err(error),
            }
            if !self.unread.is_empty() {
                continue;
            }
            if let Some(line) = self.earliest() {
                self.pause = SOONEST;
                return Ok(Some(LogEntry::Line(line)));
            }
            if !self.query.follow {
                return Ok(None);
            }
            self.rest().await?;
        }
    }

    /// Reads of each source whose lines were all told: only then is it known which line is the earliest.
    async fn read(&mut self) -> Result<()> {
        let mut waiting = Vec::new();
        for source in &mut self.sources {
            if source.lines.is_empty() && !source.is_at_end && !source.is_lost {
                waiting.push(read(&self.ecs, source));
            }
        }
        let reads: Vec<Result<Option<String>>> =
            futures_util::stream::iter(waiting).buffer_unordered(AT_ONCE).collect().await;
        for read in reads {
            if let Some(text) = read? {
                self.say(text);
            }
        }
        Ok(())
    }

    fn say(&mut self, text: String) {
        if self.said.insert(text.clone()) {
            self.unread.push_back(text);
        }
    }

    fn earliest(&mut self) -> Option<LogLine> {
        let first = self.sources.iter_mut().filter(|source| !source.lines.is_empty());
        first.min_by_key(|source| source.lines.front().and_then(|line| line.time))?.pop()
    }

    /// Waits before what is followed is looked at again.
    async fn rest(&mut self) -> Result<()> {
        let asked = u32::try_from(self.sources.len()).unwrap_or(u32::MAX);
        let pause = self.pause.max(Duration::from_secs(1) * asked / A_SECOND);
        self.ecs.sleep(jittered(pause, self.ecs.now())).await;
        self.pause = (self.pause * 3 / 2).min(LATEST);
        for source in &mut self.sources {
            source.wake();
        }
        if self.ecs.now() >= after(self.discovered, DISCOVERY) {
            match self.discover(true).await {
                Err(error) if !error.is_temporary() => return Err(error),
                // What could not be asked now is asked the next time.
                _ => self.discovered = self.ecs.now(),
            }
        }
        Ok(())
    }

    /// Finds the containers that are not known yet; of those that came `later` every line is wanted.
    async fn discover(&mut self, later: bool) -> Result<()> {
        let (running, stopped) =
            tokio::try_join!(self.ecs.tasks(DesiredStatus::Running), self.ecs.tasks(DesiredStatus::Stopped))?;
        for task in running.into_iter().chain(stopped) {
            self.meet(&task, later).await?;
        }
        Ok(())
    }

    async fn meet(&mut self, task: &Task, later: bool) -> Result<()> {
        let id = task_id(task);
        if self.query.task.as_ref().is_some_and(|wanted| *wanted != id) {
            return Ok(());
        }
        let known = self.ecs.known(task.task_definition_arn().unwrap_or_default()).await?;
        if self.query.release.is_some() && self.query.release != known.release {
            return Ok(());
        }
        for container in task.containers() {
            let Some(name) = container.name().map(str::to_owned) else { continue };
            let key = (id.0.clone(), name.clone());
            let wanted = self.query.container.as_ref().is_none_or(|wanted| *wanted == name);
            if !wanted || self.known.contains(&key) {
                continue;
            }
            let output = known.outputs.get(&name).unwrap_or(&Output::Nowhere);
            let Output::Awslogs(stream) = output else {
                self.known.insert(key);
                let why = output.unread().unwrap_or_default();
                self.say(format!("container {name}: {why}"));
                continue;
            };
            // A container that has not started yet may have no stream that could be named.
            let Some(mut source) = Source::of(id.clone(), known.release.clone(), container, stream) else {
                continue;
            };
            source.from = self.beginning(later);
            self.known.insert(key);
            self.sources.push(source);
        }
        Ok(())
    }

    fn beginning(&self, later: bool) -> From {
        let since = self.query.since;
        match self.query.tail {
            _ if later => From::Head { since },
            None if since.is_some() => From::Head { since },
            tail => {
                let lines = tail.map_or(LINES, |lines| usize::try_from(lines).unwrap_or(usize::MAX));
                From::End { lines, since }
            }
        }
    }
}

/// Reads on in a source; what cannot be read of it, ever, is answered in a sentence.
async fn read(ecs: &Ecs, source: &mut Source) -> Result<Option<String>> {
    let Err(error) = source.read(ecs).await else { return Ok(None) };
    if error.kind() != ErrorKind::NotFound {
        return Err(error);
    }
    // Its group is gone, and others may be there.
    source.is_lost = true;
    Ok(Some(format!("container {}: {}", source.container, source.unread(&error))))
}

/// Up to a quarter shorter: those who began together do not go on asking together.
fn jittered(pause: Duration, now: Timestamp) -> Duration {
    let random = now.subsec_nanosecond().unsigned_abs() % 1000;
    pause.saturating_sub(pause / 4 * random / 1000)
}
