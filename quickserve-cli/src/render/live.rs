//! Live progress on a terminal: the lines, and under them what is being done.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use quickserve_core::clock::{Clock as _, SystemClock, between};
use quickserve_core::event::Envelope;
use quickserve_core::release::ReleaseId;

use super::line::{Line, Style};
use super::narrator::Narrator;
use super::{Ending, Note, Render, words};

/// A step that is over sooner is not shown: what flickers tells nothing.
const PATIENCE: Duration = Duration::from_millis(150);

/// Lines above, and one that is drawn again.
pub(super) struct Live {
    narrator: Narrator,
    style: Style,
    bar: ProgressBar,
}

impl Live {
    pub(super) fn new(narrator: Narrator, style: Style) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let template = if style.colour { "{spinner:.cyan} {wide_msg}" } else { "{spinner} {wide_msg}" };
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        Self { narrator, style, bar }
    }

    fn tell(&self, lines: &[Line]) {
        let shown: Vec<String> = lines.iter().map(|line| self.style.show(line)).collect();
        if !shown.is_empty() {
            // Clears what is drawn, so that the lines never mix with it.
            self.bar.suspend(|| shown.iter().for_each(|line| crate::output::tell(line)));
        }
    }

    fn draw(&self) {
        let Some((label, message, since)) = self.narrator.doing() else {
            self.bar.set_message("");
            return;
        };
        let took = between(since, SystemClock.now());
        if took >= PATIENCE {
            let message = if message.is_empty() { String::new() } else { format!("{message}  ") };
            self.bar.set_message(format!("{label:<6} {message}{}", words::duration(took)));
            self.bar.tick();
        }
    }
}

impl Render for Live {
    fn names(&mut self, names: BTreeMap<ReleaseId, String>) {
        self.narrator.know(names);
    }

    fn event(&mut self, event: &Envelope) {
        let lines = self.narrator.event(event);
        self.tell(&lines);
        self.draw();
    }

    fn note(&mut self, note: &Note) {
        let lines = self.narrator.note(note);
        self.tell(&lines);
    }

    fn idle(&mut self) {
        self.draw();
    }

    fn ending(&mut self, ending: &Ending) {
        self.bar.finish_and_clear();
        let lines = self.narrator.ending(ending);
        for line in &lines {
            crate::output::tell(&self.style.show(line));
        }
    }
}
