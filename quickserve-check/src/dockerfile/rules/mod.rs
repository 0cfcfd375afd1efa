//! One file per subject. A rule takes what was read and says what it finds, each finding once.

mod account;
mod base;
mod context;
mod deprecated;
mod end_of_life;
mod foreign;
mod health;
mod modules;
mod order;
mod ports;
mod script;
mod signals;
mod sources;
mod start;
mod tools;
mod unbuildable;
mod user;
mod variables;

use std::collections::BTreeSet;

use quickserve_core::document::Span;
use quickserve_core::finding::Finding;

use super::context::Context;
use super::instruction::{Body, Command, Instruction, Word};
use super::lines::Joined;
use super::stages::Dockerfile;
use super::{Circumstances, secrecy, shell};
use crate::Text;

/// What rules look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) dockerfile: &'a Dockerfile,
    pub(crate) context: &'a Context,
    /// The shell script of the context that the image starts.
    pub(crate) script: Option<&'a Text>,
    pub(crate) circumstances: &'a Circumstances,
}

/// Every rule, in the order of its code.
pub(crate) const ALL: [fn(&Judge<'_>) -> Vec<Finding>; 23] = [
    variables::plain_secrets,
    variables::secret_arguments,
    variables::baked,
    ports::mismatch,
    user::root,
    health::missing,
    base::unpinned,
    order::sources_first,
    tools::in_final_image,
    tools::development_dependencies,
    context::secrets,
    context::ballast,
    signals::swallowed,
    deprecated::used,
    sources::missing,
    account::missing,
    end_of_life::ended,
    unbuildable::bases,
    unbuildable::stages,
    unbuildable::commands,
    start::unstartable,
    foreign::tools,
    modules::missing,
];

impl<'a> Judge<'a> {
    /// The Dockerfile's text, for places.
    fn file(&self) -> &'a Text {
        &self.dockerfile.file
    }

    /// Every instruction with its stage, and whether that stage is a part of the final image.
    fn all(&self) -> impl Iterator<Item = (usize, bool, &'a Instruction)> + use<'a> {
        let last: BTreeSet<usize> = self.dockerfile.final_indices().into_iter().collect();
        let stages = self.dockerfile.stages.iter().enumerate();
        stages.flat_map(move |(index, stage)| {
            let is_final = last.contains(&index);
            stage.instructions.iter().map(move |instruction| (index, is_final, instruction))
        })
    }
}

/// The commands of a `RUN`, those in its here-documents as well.
fn run_commands(instruction: &Instruction) -> Vec<Vec<Word>> {
    let Body::Run { command, documents } = &instruction.body else { return Vec::new() };
    let mut commands = command.simple();
    for document in documents {
        commands.extend(shell::commands(&document.body));
    }
    commands
}

/// The texts of a `RUN`.
fn run_texts(instruction: &Instruction) -> Vec<&Joined> {
    let Body::Run { command, documents } = &instruction.body else { return Vec::new() };
    let shell = match command {
        Command::Shell(text) => Some(text),
        Command::Exec(..) => None,
    };
    shell.into_iter().chain(documents.iter().map(|document| &document.body)).collect()
}

/// The name of a program without its folder.
fn program(words: &[Word]) -> &str {
    words.first().map_or("", |word| word.text.rsplit('/').next().unwrap_or_default())
}

/// The first argument that is no option.
fn verb(words: &[Word]) -> &str {
    words.iter().skip(1).map(|word| &*word.text).find(|word| !word.starts_with('-')).unwrap_or_default()
}

fn has(words: &[Word], option: &str) -> bool {
    words.iter().any(|word| word.text == option)
}

/// From its first word to its last.
fn span_of(words: &[Word]) -> Span {
    match (words.first(), words.last()) {
        (Some(first), Some(last)) => first.span.start..last.span.end,
        _ => 0..0,
    }
}

/// A command in a message, cut where it is long.
fn shown(words: &[Word]) -> String {
    let mut text = text_of(words);
    if secrecy::shows_secret(&text) {
        return format!("{} …", program(words));
    }
    if text.chars().count() > 48 {
        text = text.chars().take(47).collect::<String>() + "…";
    }
    text
}

fn text_of(words: &[Word]) -> String {
    words.iter().map(|word| &*word.text).collect::<Vec<_>>().join(" ")
}
