//! Settings: flags, then `QUICKSERVE_*` variables, then quickserve.toml. The only place that reads the
//! environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use quickserve_core::{Error, ErrorKind, Result};

use crate::cli::{Format, Global};
use crate::render::words;

/// What the process was started with.
#[derive(Clone)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
    arguments: Vec<OsString>,
    folder: PathBuf,
    stdin_is_terminal: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
}

/// All that does not come from quickserve.toml. It has no `Debug`: variables may hold secrets.
pub(crate) struct Context {
    /// Where the user stands.
    pub(crate) here: PathBuf,
    /// Where to look for quickserve.toml.
    pub(crate) folder: PathBuf,
    /// The file to read instead.
    pub(crate) config: Option<PathBuf>,
    pub(crate) service: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) format: Format,
    pub(crate) verbosity: Verbosity,
    pub(crate) state_dir: PathBuf,
    pub(crate) docker_host: Option<String>,
    /// Who calls, such as `ada`.
    pub(crate) user: String,
    /// The name of this process as an owner, where another process has given it one to know it by.
    pub(crate) nonce: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) strategy: Option<String>,
    pub(crate) terminal: Terminal,
    /// What this command was started with, its own name first.
    pub(crate) arguments: Vec<OsString>,
    /// This executable.
    pub(crate) executable: PathBuf,
    /// The flags that choose the same service again.
    pub(crate) again: String,
    /// The flags that choose in quickserve.toml, as far as they were given.
    pub(crate) choosing: Vec<&'static str>,
    variables: BTreeMap<String, String>,
}

/// How much to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// What the terminal may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state")]
pub(crate) struct Terminal {
    /// Colour for what a person reads.
    pub(crate) colour: bool,
    /// Colour for data.
    pub(crate) colour_data: bool,
    /// Lines may be drawn again.
    pub(crate) live: bool,
    /// A person types and reads: a command that is run may have the terminal for itself.
    pub(crate) interactive: bool,
    /// How wide the terminal is that data goes to, where it goes to one.
    pub(crate) width: Option<usize>,
    /// The same of the terminal that what a person reads goes to.
    pub(crate) width_told: Option<usize>,
}

impl Environment {
    /// Reads it, once.
    pub(crate) fn read() -> Self {
        let text =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self {
            variables: std::env::vars_os().filter_map(text).collect(),
            arguments: std::env::args_os().collect(),
            folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
        }
    }

    pub(crate) fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// A variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The format as far as it can be told before the arguments are understood.
    pub(crate) fn format_guess(&self) -> Format {
        let mut arguments = self.arguments.iter().filter_map(|argument| argument.to_str());
        let mut given = None;
        while let Some(argument) = arguments.next() {
            if argument == "--format" {
                given = arguments.next();
            } else if let Some(value) = argument.strip_prefix("--format=") {
                given = Some(value);
            }
        }
        let flag = given.and_then(|given| Format::from_str(given, false).ok());
        flag.unwrap_or_else(|| self.default_format().unwrap_or(Format::Human))
    }

    fn default_format(&self) -> Result<Format> {
        match self.variable("QUICKSERVE_FORMAT") {
            Some(value) => Format::from_str(value, false).map_err(|_| {
                let message = format!("QUICKSERVE_FORMAT is {value:?}, not human, json or github");
                Error::new(ErrorKind::Invalid, message)
            }),
            None if self.variable("GITHUB_ACTIONS") == Some("true") => Ok(Format::Github),
            None => Ok(Format::Human),
        }
    }

    fn state_dir(&self, flag: Option<PathBuf>) -> Result<PathBuf> {
        let named = flag.or_else(|| self.variable("QUICKSERVE_STATE_DIR").map(PathBuf::from));
        if let Some(named) = named {
            return Ok(self.folder.join(named));
        }
        // XDG Base Directory Specification: a relative path is to be ignored.
        let xdg = self.variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = self.variable("HOME").map(|home| Path::new(home).join(".local/state"));
        let base = xdg.or(home).ok_or_else(|| {
            let hint = "set HOME, or name a folder with --state-dir";
            Error::new(ErrorKind::Invalid, "there is no folder to keep state in").with_hint(hint)
        })?;
        Ok(base.join("quickserve"))
    }

    fn terminal(&self) -> Terminal {
        let dumb = self.variable("TERM") == Some("dumb") || self.variable("CI").is_some();
        let colour = !dumb && self.variable("NO_COLOR").is_none();
        Terminal {
            colour: colour && self.stderr_is_terminal,
            colour_data: colour && self.stdout_is_terminal,
            live: !dumb && self.stderr_is_terminal,
            interactive: self.stdin_is_terminal && self.stdout_is_terminal,
            width: self.stdout_is_terminal.then(|| columns(&std::io::stdout())).flatten(),
            width_told: self.stderr_is_terminal.then(|| columns(&std::io::stderr())).flatten(),
        }
    }
}

impl Context {
    /// Arguments that let another command be about the same service.
    pub(crate) fn same_service(&self) -> Vec<OsString> {
        let folder = Some(self.folder.clone().into_os_string());
        let flags = [
            ("-C", folder),
            ("--config", self.config.clone().map(PathBuf::into_os_string)),
            ("--service", self.service.clone().map(OsString::from)),
            ("-e", self.environment.clone().map(OsString::from)),
            ("--state-dir", Some(self.state_dir.clone().into_os_string())),
        ];
        flags.into_iter().filter_map(|(flag, value)| Some([flag.into(), value?])).flatten().collect()
    }

    /// Puts flags over variables.
    pub(crate) fn new(environment: Environment, flags: &Global) -> Result<Self> {
        let variable = |name: &str| environment.variable(name).map(str::to_owned);
        let folder = flags.directory.as_ref().map(|folder| environment.folder.join(folder));
        let config = flags.config.clone().or_else(|| variable("QUICKSERVE_CONFIG").map(PathBuf::from));
        let folder = folder.unwrap_or_else(|| environment.folder.clone());
        let verbosity = match (flags.verbose, flags.quiet) {
            (true, _) => Verbosity::Verbose,
            (_, true) => Verbosity::Quiet,
            (false, false) => Verbosity::Normal,
        };
        let format = match flags.format {
            Some(format) => format,
            None => environment.default_format()?,
        };
        let executable = std::env::current_exe()
            .map_err(|error| Error::new(ErrorKind::Unexpected, "find this executable").with_source(error))?;
        Ok(Self {
            config: config.map(|config| folder.join(config)),
            service: flags.service.clone().or_else(|| variable("QUICKSERVE_SERVICE")),
            environment: flags.environment.clone().or_else(|| variable("QUICKSERVE_ENVIRONMENT")),
            format,
            verbosity,
            state_dir: environment.state_dir(flags.state_dir.clone())?,
            docker_host: variable("DOCKER_HOST"),
            user: variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(user),
            nonce: None,
            image: variable("QUICKSERVE_IMAGE"),
            strategy: variable("QUICKSERVE_STRATEGY"),
            terminal: environment.terminal(),
            arguments: environment.arguments,
            executable,
            again: again(flags),
            choosing: choosing(flags),
            here: environment.folder,
            folder,
            variables: environment.variables,
        })
    }

    /// A variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Values for `${NAME}` in task definitions.
    pub(crate) fn placeholders(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// A path as the user would write it from where they stand.
    pub(crate) fn shown(&self, path: &Path) -> String {
        shown(&self.here, path)
    }
}

/// The columns of a terminal.
fn columns(stream: &impl std::os::fd::AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// The name of the user who runs this, where no variable says it.
fn user() -> String {
    let id = rustix::process::getuid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        // passwd(5): name, password, number.
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid-{id}"))
}

/// The flags that choose a service or environment. A variable that chooses is set for other commands as well.
fn choosing(flags: &Global) -> Vec<&'static str> {
    let given = [("-e", &flags.environment), ("--service", &flags.service)];
    given.into_iter().filter(|(_, value)| value.is_some()).map(|(flag, _)| flag).collect()
}

/// The flags that choose the same service again.
fn again(flags: &Global) -> String {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let flags = [
        ("-C", path(&flags.directory)),
        ("--config", path(&flags.config)),
        ("--service", flags.service.clone()),
        ("-e", flags.environment.clone()),
    ];
    flags
        .into_iter()
        .filter_map(|(flag, value)| Some(format!(" {flag} {}", words::quoted(&value?))))
        .collect()
}

/// A path relative to a folder, unless that would be further than three folders up.
fn shown(here: &Path, path: &Path) -> String {
    let path: PathBuf = path.components().filter(|part| *part != std::path::Component::CurDir).collect();
    let mut up = PathBuf::new();
    for above in here.ancestors().take(4) {
        if let Ok(rest) = path.strip_prefix(above) {
            let relative = up.join(rest);
            let relative = relative.display().to_string();
            let whole = path.display().to_string();
            // Up to the root and down again, nobody wants to read.
            return match relative.as_str() {
                "" => ".".to_owned(),
                _ if relative.len() > whole.len() => whole,
                _ => relative,
            };
        }
        up.push("..");
    }
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_from_where_the_user_stands() {
        let here = Path::new("/home/ada/shop/deploy");
        let table = [
            ("/home/ada/shop/deploy/task.json", "task.json"),
            ("/home/ada/shop/quickserve.toml", "../quickserve.toml"),
            ("/home/ada/shop/deploy", "."),
            ("/etc/quickserve.toml", "/etc/quickserve.toml"),
            ("/", "/"),
        ];
        for (path, expected) in table {
            assert_eq!(shown(here, Path::new(path)), expected);
        }
    }
}
