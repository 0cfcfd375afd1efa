//! What a Dockerfile consists of.

use quickserve_core::document::Span;

use super::lines::{HereDocument, Joined};

/// A word as it is written, quotes and variables included, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub text: String,
    /// Where it is.
    pub span: Span,
}

impl Word {
    /// The word without its quotes.
    pub fn unquoted(&self) -> String {
        unquoted(&self.text)
    }
}

/// A word without its quotes; an escape stands for what follows it.
pub(crate) fn unquoted(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (char, quote) {
            ('\\', None | Some('"')) => plain.extend(chars.next()),
            ('"' | '\'', None) => quote = Some(char),
            (char, Some(open)) if char == open => quote = None,
            (char, _) => plain.push(char),
        }
    }
    plain
}

/// An instruction.
#[derive(Debug, Clone, PartialEq)]
pub struct Instruction {
    /// What it is called, in capitals.
    pub name: String,
    /// All of it.
    pub span: Span,
    /// `--name=value` before its arguments.
    pub flags: Vec<Flag>,
    /// What it says.
    pub body: Body,
}

impl Instruction {
    /// The value of a flag, or "" for one without.
    pub fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().find(|flag| flag.name == name).map(|flag| &*flag.value)
    }
}

/// A flag of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Without the dashes.
    pub name: String,
    /// Empty where there is none.
    pub value: String,
    /// Where it is.
    pub span: Span,
}

/// What an instruction says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Body {
    /// `FROM image AS name`.
    From {
        /// The base as it is written.
        image: Word,
        /// What others call the stage.
        alias: Option<Word>,
    },
    /// `RUN`.
    Run {
        /// What is run.
        command: Command,
        /// What it reads, or is.
        documents: Vec<HereDocument>,
    },
    /// `CMD`.
    Cmd(Command),
    /// `ENTRYPOINT`.
    Entrypoint(Command),
    /// `HEALTHCHECK`; nothing for `HEALTHCHECK NONE`.
    Healthcheck(Option<Command>),
    /// `ENV`.
    Env {
        /// The variables.
        pairs: Vec<Pair>,
        /// Whether it is `ENV name value`.
        legacy: bool,
    },
    /// `ARG`.
    Arg(Vec<Pair>),
    /// `COPY` and `ADD`.
    Copy {
        /// What is copied; nothing for a here-document.
        sources: Vec<Word>,
        /// To where.
        destination: Word,
    },
    /// `EXPOSE`.
    Expose(Vec<Word>),
    /// `USER`.
    User(Word),
    /// `WORKDIR`.
    Workdir(Word),
    /// `SHELL`.
    Shell(Vec<String>),
    /// `ONBUILD`.
    OnBuild(Box<Instruction>),
    /// Any other.
    Other,
}

/// `name=value`, or `name` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Its name.
    pub name: String,
    /// Its value as it is written.
    pub value: Option<String>,
    /// Where it is.
    pub span: Span,
}

/// What is run.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// By a shell.
    Shell(Joined),
    /// As it is: `["program", "argument"]`.
    Exec(Vec<Word>, Span),
}

impl Command {
    /// Where it is.
    pub fn span(&self) -> Span {
        match self {
            Self::Shell(text) => text.whole(),
            Self::Exec(_, span) => span.clone(),
        }
    }

    /// Whether it is `["program", "argument"]`.
    pub fn is_exec(&self) -> bool {
        matches!(self, Self::Exec(..))
    }

    /// The commands that it runs, in order, those inside `sh -c` as well.
    pub fn simple(&self) -> Vec<Vec<Word>> {
        match self {
            Self::Shell(text) => super::shell::commands(text),
            Self::Exec(words, _) => match script(words) {
                Some(script) => super::shell::commands(&Joined::new(&script.text, script.span.start + 1)),
                None if words.is_empty() => Vec::new(),
                None => vec![words.clone()],
            },
        }
    }
}

/// What `["sh", "-c", script]` runs.
pub(crate) fn script(words: &[Word]) -> Option<&Word> {
    let [shell, option, script, ..] = words else { return None };
    let name = shell.text.rsplit('/').next().unwrap_or_default();
    let is_shell = matches!(name, "sh" | "bash" | "ash" | "dash" | "zsh" | "ksh");
    (is_shell && option.text.starts_with('-') && option.text.ends_with('c')).then_some(script)
}
