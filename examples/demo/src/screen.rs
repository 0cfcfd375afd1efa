//! The screen: lines, and on a terminal one more at the bottom that is drawn again and again.
//!
//! The bottom line is kept out of the part that scrolls, so that `quickserve` may draw above it what it likes.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The only place that prints.
#[derive(Debug)]
pub(crate) struct Screen {
    colour: bool,
    live: bool,
    /// The rows and columns of the terminal for which the bottom line is kept free.
    pinned: Mutex<Option<(u16, u16)>>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the demo's only look at the environment")]
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
        let live = terminal && set("CI").is_none() && set("TERM").is_some_and(|term| term != "dumb");
        let colour = live && set("NO_COLOR").is_none();
        Self { colour, live, pinned: Mutex::default() }
    }

    /// A line.
    #[expect(clippy::unused_self, reason = "whoever prints has the screen")]
    pub(crate) fn say(&self, line: &str) {
        write(&format!("{line}\n"));
    }

    /// A chapter of the story.
    pub(crate) fn title(&self, line: &str) {
        self.say(&format!("\n{}", self.paint("1", line)));
    }

    /// A command, as the user would type it.
    pub(crate) fn command(&self, line: &str) {
        self.say(&format!("{} {}", self.paint("2", "$"), self.paint("36", line)));
    }

    /// A labelled line, aligned as those of `quickserve` are.
    pub(crate) fn label(&self, label: &str, text: &str) {
        self.say(&format!("{} {text}", self.paint("2", &format!("{label:<8}"))));
    }

    /// A labelled line that tells whether all is well.
    pub(crate) fn verdict(&self, label: &str, text: &str, good: bool) {
        let colour = if good { "32" } else { "31" };
        self.say(&format!("{} {}", self.paint("2", &format!("{label:<8}")), self.paint(colour, text)));
    }

    /// What is wrong.
    pub(crate) fn bad(&self, line: &str) {
        self.say(&self.paint("31", line));
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn pinned(&self) -> MutexGuard<'_, Option<(u16, u16)>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws the bottom line; without a terminal, nothing.
    pub(crate) fn pin(&self, text: &str) {
        if !self.live {
            return;
        }
        let Ok(size) = rustix::termios::tcgetwinsize(io::stdout()) else { return };
        let (rows, columns) = (size.ws_row, size.ws_col);
        if rows < 4 || columns == 0 {
            return;
        }
        let mut drawn = String::new();
        if *self.pinned() != Some((rows, columns)) {
            // A line feed at the bottom makes room; setting the scrolling part moves the cursor, so it is
            // saved before and put back.
            let _ = write!(drawn, "\n\x1b7\x1b[1;{}r\x1b8\x1b[1A", rows - 1);
            *self.pinned() = Some((rows, columns));
        }
        let width = usize::from(columns);
        let shown: String = text.chars().take(width).collect();
        let paint = if self.colour { "\x1b[7m" } else { "" };
        let _ = write!(drawn, "\x1b7\x1b[{rows};1H{paint}{shown:<width$}\x1b[0m\x1b8");
        // In one piece: another process draws on the same terminal.
        write(&drawn);
    }

    /// Gives the bottom line back.
    pub(crate) fn unpin(&self) {
        let pinned = self.pinned().take();
        if let Some((rows, _)) = pinned {
            write(&format!("\x1b7\x1b[{rows};1H\x1b[2K\x1b[r\x1b8"));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.unpin();
    }
}

/// A reader that went away ends nothing.
fn write(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn numbers_are_grouped() {
        let table = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in table {
            assert_eq!(thousands(number), text);
        }
    }
}
