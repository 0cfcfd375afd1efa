//! Plain lines, as for a log file: each stands alone and nothing is drawn again.

use std::collections::BTreeMap;
use std::time::Duration;

use quickserve_core::clock::{Clock as _, SystemClock};
use quickserve_core::event::Envelope;
use quickserve_core::release::ReleaseId;

use super::line::{Line, Style, Tone};
use super::narrator::Narrator;
use super::{BEAT, Ending, Note, Render, words};
use crate::output;

/// After how long without a line one is told that work goes on: a silent log looks like a hanging one.
const SILENCE: Duration = Duration::from_secs(15);

/// Plain lines on stderr.
pub(super) struct Plain {
    narrator: Narrator,
    style: Style,
    silent: Duration,
    /// Whether each line begins with its time.
    timed: bool,
}

impl Plain {
    pub(super) fn new(narrator: Narrator, style: Style, timed: bool) -> Self {
        Self { narrator, style, silent: Duration::ZERO, timed }
    }

    fn tell(&mut self, lines: &[Line]) {
        for line in lines {
            self.silent = Duration::ZERO;
            let shown = self.style.show(line);
            if self.timed {
                output::tell(&words::timed(SystemClock.now(), &shown));
            } else {
                output::tell(&shown);
            }
        }
    }
}

impl Render for Plain {
    fn names(&mut self, names: BTreeMap<ReleaseId, String>) {
        self.narrator.know(names);
    }

    fn event(&mut self, event: &Envelope) {
        let lines = self.narrator.event(event);
        self.tell(&lines);
    }

    fn note(&mut self, note: &Note) {
        let lines = self.narrator.note(note);
        self.tell(&lines);
    }

    fn idle(&mut self) {
        self.silent += BEAT;
        if self.silent >= SILENCE
            && let Some((label, message, _)) = self.narrator.doing()
        {
            let line = Line::toned(label, format!("... {message}"), Tone::Faint);
            self.tell(&[line]);
        }
    }

    fn ending(&mut self, ending: &Ending) {
        let mut lines = self.narrator.ending(ending);
        if self.narrator.is_quiet() {
            // Why is more than how it ended.
            lines.retain(|line| !matches!(line, Line::Finding(_)));
        }
        self.tell(&lines);
    }
}
