//! What the code reads from its environment, with file and line, in nine languages; and the names of all files.
//!
//! One walk reads each file once, by as many threads as there are processors, and keeps results only. A reading is
//! found by expressions over the text without its comments: no parser is needed to see `process.env.PORT`, and one
//! per language and version would have to be kept.
//!
//! What counts is the code that a deployment runs: tests, examples and manuals do not.

mod blank;
mod context;
mod csharp;
pub(crate) mod git;
mod go;
mod indirect;
mod javascript;
mod jvm;
mod language;
pub(crate) mod listening;
pub(crate) mod loopback;
pub(crate) mod paths;
pub(crate) mod pattern;
mod php;
mod python;
mod ruby;
mod rust;
#[cfg(test)]
mod shapes_tests;
mod shell;
mod usage;
mod walk;

use std::collections::BTreeSet;
use std::path::PathBuf;

use quickserve_core::finding::Finding;

pub use language::Language;
pub use usage::{Need, Usage, usages};

use crate::Subject;

/// What the code reads, and which files there are.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Code {
    /// Every reading of a variable, by file and line.
    pub usages: Vec<Usage>,
    /// All files, relative to the project's folder: those that git ignores are left out, and folders such as
    /// `node_modules`.
    pub files: BTreeSet<PathBuf>,
    /// Secrets, and files of values, that git has.
    pub committed: Vec<Finding>,
}

impl Code {
    /// The names of the variables that the code reads.
    pub fn names(&self) -> BTreeSet<&str> {
        self.usages.iter().map(|usage| usage.name.as_str()).collect()
    }

    /// Where a variable is read.
    pub fn usages_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Usage> {
        self.usages.iter().filter(move |usage| usage.name == name)
    }

    /// How much a variable is needed, over all places that read it: one that is looked for at the start is
    /// validated wherever else it is read, and one with a default somewhere is required where another place has
    /// none.
    pub fn need(&self, name: &str) -> Option<Need> {
        self.usages_of(name).map(|usage| usage.need).max()
    }
}

/// Walks through the files of a subject. The findings are of what could not be read.
pub fn scan(subject: &Subject) -> (Code, Vec<Finding>) {
    walk::walk(subject)
}

pub(crate) fn read(subject: &Subject) -> (Code, Vec<Finding>) {
    scan(subject)
}
