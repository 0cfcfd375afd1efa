//! From the requests to the file, without a request ever waiting for it.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use quickserve_core::clock::{Clock as _, SystemClock};
use tokio::sync::{mpsc, oneshot};

use super::entry::Entry;
use super::file::LogFile;
use crate::router::folder::Folder;

/// How many requests wait to be written down; of more, only the number is.
const WAITING: usize = 4096;

/// How many are written at once.
const BATCH: usize = 256;

/// A file that is longer is moved away, in place of the one that was moved away before.
const LIMIT: u64 = 16 * 1024 * 1024;

/// For what waits to be written before the process ends.
const FLUSH: Duration = Duration::from_secs(2);

/// The access log of this process.
#[derive(Debug, Clone)]
pub(in crate::router) struct AccessLog {
    lines: mpsc::Sender<Line>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Line {
    Request(Box<Entry>),
    /// All before it has been written.
    Flushed(oneshot::Sender<()>),
}

impl AccessLog {
    /// The one in a router's folder. The file is made with the first line.
    pub(in crate::router) fn new(folder: &Folder) -> Self {
        let file = LogFile::new(folder.access_log(), folder.old_access_log(), LIMIT);
        Self::to(file, WAITING)
    }

    fn to(file: LogFile, waiting: usize) -> Self {
        let (lines, waiting) = mpsc::channel(waiting);
        let dropped = Arc::<AtomicU64>::default();
        tokio::spawn(run(waiting, file, Arc::clone(&dropped)));
        Self { lines, dropped }
    }

    /// Has a request written down some time.
    pub(super) fn write(&self, entry: Box<Entry>) {
        if self.lines.try_send(Line::Request(entry)).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// How many requests were not written down, because the disk was too slow or full.
    pub(in crate::router) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Waits until what has come is written.
    pub(in crate::router) async fn flush(&self) {
        let (flushed, done) = oneshot::channel();
        let flush = async {
            if self.lines.send(Line::Flushed(flushed)).await.is_ok() {
                let _ = done.await;
            }
        };
        let _ = tokio::time::timeout(FLUSH, flush).await;
    }
}

async fn run(mut waiting: mpsc::Receiver<Line>, mut file: LogFile, dropped: Arc<AtomicU64>) {
    let mut batch = Vec::with_capacity(BATCH);
    // How many that were dropped have been told of.
    let mut told = 0;
    let mut failing = false;
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let (mut entries, mut flushed) = (Vec::new(), Vec::new());
        for line in batch.drain(..) {
            match line {
                Line::Request(entry) => entries.push(entry),
                Line::Flushed(waits) => flushed.push(waits),
            }
        }
        if !entries.is_empty() {
            let lost = dropped.load(Relaxed);
            let (count, missing) = (entries.len() as u64, lost - told);
            let written = tokio::task::spawn_blocking(move || {
                let written = file.append(&words(&entries, missing));
                (file, written)
            });
            let Ok((back, written)) = written.await else { return };
            file = back;
            match written {
                Ok(()) => (told, failing) = (lost, false),
                Err(error) => {
                    dropped.fetch_add(count, Relaxed);
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "the access log cannot be written");
                    }
                }
            }
        }
        for flushed in flushed {
            let _ = flushed.send(());
        }
    }
}

/// The lines as text, after one that says how many are missing before them.
fn words(entries: &[Box<Entry>], missing: u64) -> Vec<u8> {
    let mut text = Vec::new();
    if missing > 0 {
        let _ = writeln!(text, "{{\"time\":\"{:.3}\",\"dropped\":{missing}}}", SystemClock.now());
    }
    for entry in entries {
        // Into memory, and every part of it is text.
        if serde_json::to_writer(&mut text, entry).is_ok() {
            text.push(b'\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use http::Request;
    use quickserve_core::service::ServiceKey;
    use serde_json::Value;

    use super::*;

    fn entry(number: usize) -> Box<Entry> {
        let key = ServiceKey::new("shop", "local").expect("a service's name");
        let request = Request::get(format!("/{number}?secret=1")).header("host", "a").body(()).expect("one");
        Box::new(Entry::new(Some(&key), &request))
    }

    #[tokio::test]
    async fn what_is_too_much_is_counted_and_told() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("access.log");
        let log = AccessLog::to(LogFile::new(path.clone(), folder.path().join("old"), LIMIT), 8);
        // Nobody writes before this task waits.
        for number in 0..20 {
            log.write(entry(number));
        }
        assert_eq!(log.dropped(), 12);
        log.flush().await;
        let text = std::fs::read_to_string(path).expect("the log");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!((lines.len(), &lines[0]["dropped"]), (9, &12.into()), "{text}");
        assert_eq!(lines[8]["path"], "/7");
        assert!(!text.contains("secret"), "{text}");
    }

    #[tokio::test]
    async fn a_log_that_cannot_be_written_is_counted_and_holds_nobody_up() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("nowhere/access.log");
        let log = AccessLog::to(LogFile::new(path, folder.path().join("old"), LIMIT), 8);
        for number in 0..3 {
            log.write(entry(number));
        }
        log.flush().await;
        assert_eq!(log.dropped(), 3);
    }
}
