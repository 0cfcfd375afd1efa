//! JSON Lines on stdout: every event, and `finished` as the last.

use std::collections::BTreeMap;

use jiff::Timestamp;
use quickserve_core::clock::{Clock as _, SystemClock};
use quickserve_core::event::{Envelope, Finished, Progress};
use quickserve_core::release::ReleaseId;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Ending, Note, Render, Told};
use crate::output;

/// Numbers the lines of a command, whoever has something to tell.
#[derive(Debug, Default)]
pub(super) struct Json {
    last: u64,
}

impl Json {
    fn tell(&mut self, time: Timestamp, line: &Value) {
        self.last += 1;
        let numbered = Numbered { v: 1, seq: self.last, time, line };
        // Every line is made of texts, numbers and lists: it can always be written.
        if let Ok(line) = serde_json::to_string(&numbered) {
            // What a command wrote is handed on as it is.
            let is_own = numbered.line["kind"] != "output";
            output::data_line(&if is_own { quickserve_check::mask(&line) } else { line });
        }
    }
}

/// A line as it is printed: what every line has comes first.
#[derive(Serialize)]
struct Numbered<'a> {
    v: u32,
    seq: u64,
    time: Timestamp,
    #[serde(flatten)]
    line: &'a Value,
}

impl Render for Json {
    fn names(&mut self, _: BTreeMap<ReleaseId, String>) {}

    fn event(&mut self, event: &Envelope) {
        // An event that cannot be written as JSON would be a fault of ours; the others are told.
        if let Ok(line) = serde_json::to_value(&event.progress) {
            self.tell(event.time, &line);
        }
    }

    fn note(&mut self, note: &Note) {
        let line = match note {
            Note::Checked { passed, findings } => {
                json!({ "kind": "checked", "passed": passed, "findings": Told::all(findings) })
            }
            Note::Output { stderr, text } => {
                let stream = if *stderr { "stderr" } else { "stdout" };
                json!({ "kind": "output", "stream": stream, "text": text })
            }
            Note::Caution(message) => json!({ "kind": "warning", "message": message }),
            Note::Remark(message) => json!({ "kind": "note", "message": message }),
            // Told by the first event of the deployment.
            Note::Deploying { .. } => return,
        };
        self.tell(SystemClock.now(), &line);
    }

    fn idle(&mut self) {}

    fn ending(&mut self, ending: &Ending) {
        self.tell(SystemClock.now(), &finished(&ending.finished, ending.looked));
    }
}

/// The only line of a command that was not understood.
pub(crate) fn finished_alone(ending: &Finished) {
    Json::default().tell(SystemClock.now(), &finished(ending, false));
}

fn finished(ending: &Finished, looked: bool) -> Value {
    let cause = ending.cause.as_ref().map(|cause| {
        let mut value = json!({ "message": cause.message, "causes": cause.causes });
        if let Some(hint) = &cause.hint {
            value["hint"] = json!(hint);
        }
        value
    });
    let mut line = serde_json::to_value(Progress::Finished(Box::new(ending.clone()))).unwrap_or_default();
    if let Some(findings) = line.get_mut("findings") {
        *findings = json!(Told::all(&ending.findings));
    }
    // SIGINT and SIGTERM share a name; their codes differ.
    line["outcome"] = json!(ending.outcome.name());
    line["cause"] = json!(cause);
    if !looked {
        // Nothing is not known to serve: nobody has looked.
        line["serving"] = Value::Null;
    }
    line
}
