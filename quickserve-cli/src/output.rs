//! The only place that prints. What cannot be written is given up in silence: a reader that went away ends
//! nothing.

use std::io::{self, Write as _};

use quickserve_docker::Output;

/// Writes data for whoever reads stdout; answers whether it still takes any.
pub(crate) fn data(text: &str) -> bool {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
}

/// Writes a line of data.
pub(crate) fn data_line(line: &str) -> bool {
    data(&format!("{line}\n"))
}

/// Hands on what a command wrote, as it is; answers whether anybody still takes it.
pub(crate) fn pass_on(output: &Output) -> bool {
    let written = match output {
        Output::Stdout(bytes) => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes).and_then(|()| stdout.flush())
        }
        Output::Stderr(bytes) => io::stderr().lock().write_all(bytes),
    };
    written.is_ok()
}

/// Tells a person a line.
pub(crate) fn tell(line: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(format!("{line}\n").as_bytes());
}

/// Draws on a person's terminal.
pub(crate) fn draw(text: &str) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    stderr.write_all(text.as_bytes())
}
