//! Live progress on a terminal: the lines, and under them what is being done.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use quickserve_core::clock::{Clock as _, SystemClock, between};
use quickserve_core::event::Envelope;
use quickserve_core::release::ReleaseId;

use super::line::{Line, Style};
use super::narrator::Narrator;
use super::{Ending, Note, Render, words};
use crate::output;

/// A step that is over sooner is not shown: what flickers tells nothing.
const PATIENCE: Duration = Duration::from_millis(150);

/// Lines above, and one that is drawn again.
pub(super) struct Live {
    narrator: Narrator,
    style: Style,
    bar: ProgressBar,
    /// Whether the line that is drawn again is there.
    drawn: bool,
}

impl Live {
    pub(super) fn new(narrator: Narrator, style: Style) -> Self {
        Self::on(narrator, style, Box::new(Screen))
    }

    fn on(narrator: Narrator, style: Style, screen: Box<dyn TermLike>) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::term_like(screen));
        let template = if style.colour { "{spinner:.cyan} {wide_msg}" } else { "{spinner} {wide_msg}" };
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        Self { narrator, style, bar, drawn: false }
    }

    fn tell(&self, lines: &[Line]) {
        let shown: Vec<String> = lines.iter().map(|line| self.style.show(line)).collect();
        let tell = || shown.iter().for_each(|line| output::tell(line));
        match (shown.is_empty(), self.drawn) {
            (true, _) => {}
            // Clears what is drawn, so that the lines never mix with it.
            (false, true) => self.bar.suspend(tell),
            (false, false) => tell(),
        }
    }

    /// While nothing is being done there is no line to draw.
    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            self.bar.finish_and_clear();
        }
    }

    fn draw(&mut self) {
        let Some((label, message, since)) = self.narrator.doing() else {
            return self.clear();
        };
        let took = between(since, SystemClock.now());
        if took >= PATIENCE {
            let message = if message.is_empty() { String::new() } else { format!("{message}  ") };
            let text = format!("{label:<6} {message}{}", words::duration(took));
            self.bar.set_message(text);
            if std::mem::replace(&mut self.drawn, true) {
                self.bar.tick();
            } else {
                self.bar.reset();
            }
        }
    }
}

impl Render for Live {
    fn names(&mut self, names: BTreeMap<ReleaseId, String>) {
        self.narrator.know(names);
    }

    fn event(&mut self, event: &Envelope) {
        let lines = self.narrator.event(event);
        if self.narrator.doing().is_none() {
            self.clear();
        }
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
        self.clear();
        let lines = self.narrator.ending(ending);
        for line in &lines {
            output::tell(&self.style.show(line));
        }
    }
}

/// The terminal, a little narrower than it is: what it echoes behind the drawn line, such as the `^C` of an
/// interrupt, must not begin another line, which would not be cleared.
#[derive(Debug)]
struct Screen;

/// Columns left free.
const MARGIN: u16 = 4;

impl TermLike for Screen {
    fn width(&self) -> u16 {
        let size = rustix::termios::tcgetwinsize(io::stderr());
        size.map_or(80, |size| size.ws_col).saturating_sub(MARGIN)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        escape(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        escape(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        escape(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        escape(n, 'D')
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        output::draw(&format!("{s}\r\n"))
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        output::draw(s)
    }

    fn clear_line(&self) -> io::Result<()> {
        output::draw("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// ECMA-48, cursor movements.
fn escape(n: usize, movement: char) -> io::Result<()> {
    if n == 0 { Ok(()) } else { output::draw(&format!("\x1b[{n}{movement}")) }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use quickserve_core::event::Progress;
    use quickserve_core::plan::Step;

    use super::*;
    use crate::settings::Verbosity;

    /// Keeps what is drawn.
    #[derive(Debug, Clone, Default)]
    struct Drawn(Arc<Mutex<String>>);

    impl Drawn {
        fn take(&self) -> String {
            std::mem::take(&mut *self.0.lock().expect("a lock"))
        }
    }

    impl TermLike for Drawn {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, s: &str) -> io::Result<()> {
            self.write_str(s)
        }
        fn write_str(&self, s: &str) -> io::Result<()> {
            self.0.lock().expect("a lock").push_str(s);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.write_str("<cleared>")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_drawn_only_while_something_is_done() {
        let drawn = Drawn::default();
        let narrator = Narrator::new(String::new(), Verbosity::Normal);
        let mut live = Live::on(narrator, Style::PLAIN, Box::new(drawn.clone()));
        live.idle();
        live.note(&Note::Caution("such as of logs".into()));
        live.idle();
        assert_eq!(drawn.take(), "", "nothing is done");

        let event = |progress| Envelope { v: 1, seq: 1, time: SystemClock.now() - PATIENCE * 2, progress };
        let (index, step) = (0, Step::Close);
        live.event(&event(Progress::StepStarted { index, step: step.clone() }));
        assert!(drawn.take().contains("close"), "a step is done");
        let took = PATIENCE * 2;
        live.event(&event(Progress::StepCompleted { index, step, evidence: None, took }));
        assert!(drawn.take().ends_with("<cleared>"), "it is done no more");
        live.idle();
        assert_eq!(drawn.take(), "");
    }
}
