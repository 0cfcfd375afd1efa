//! A tree that is the same in every run: a repository of a hundred packages in nine languages, with a full `.gitignore`
//! and others in it, with what these leave out, and with planted secrets.

mod code;
mod ignored;
mod mix;
mod plan;
mod random;
mod secrets;
mod texts;
mod words;

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::process::{megabytes, run};
use mix::{Content, KINDS};
use plan::File;
use random::Random;

/// One package in so many makes the part that detect-secrets is run over.
pub(crate) const SAMPLE: usize = 50;

/// A tree that was written.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// What git would take.
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    /// Where the planted secrets are, as `file:line`.
    pub(crate) secrets: Vec<String>,
    ignored: usize,
    ignored_bytes: u64,
    readers: usize,
}

impl Tree {
    /// Writes one package in so many of it: with one, all.
    pub(crate) fn write(folder: &Path, every: usize) -> Result<Self> {
        let mut tree = Self::default();
        let mut text = String::new();
        for (number, file) in plan::files().iter().enumerate() {
            if !file.package.is_multiple_of(every) {
                continue;
            }
            let mut random = Random::new(1000 + number as u64);
            if let Content::Binary = KINDS[file.kind].content {
                let size = random.size(KINDS[file.kind].median);
                tree.put(folder, &file.path, &texts::binary(size, &mut random))?;
                continue;
            }
            text.clear();
            if let Some(line) = fill(file, &mut random, &mut text) {
                tree.secrets.push(format!("{}:{line}", file.path));
            }
            let reads = text.contains("env") && words::VARIABLES.iter().any(|name| text.contains(name));
            tree.readers += usize::from(reads);
            tree.put(folder, &file.path, text.as_bytes())?;
        }
        for (path, text) in ignored::rules(every) {
            tree.put(folder, &path, text.as_bytes())?;
        }
        tree.put(folder, "Dockerfile", DOCKERFILE.as_bytes())?;
        tree.put(folder, ".dockerignore", b".git\nnode_modules\ndocs\n")?;
        let contract = words::VARIABLES.join("=\n") + "=\n";
        tree.put(folder, ".env.example", contract.as_bytes())?;
        let (files, bytes) = (tree.files, tree.bytes);
        ignored::write(every, |path, bytes| tree.put(folder, path, bytes))?;
        (tree.ignored, tree.ignored_bytes) = (tree.files - files, tree.bytes - bytes);
        (tree.files, tree.bytes) = (files, bytes);
        // Known to git, as the files of a checkout are, without a copy of their content.
        run(Command::new("git").args(["init", "--quiet"]).current_dir(folder), &[0])?;
        run(Command::new("git").args(["add", "--intent-to-add", "."]).current_dir(folder), &[0])?;
        Ok(tree)
    }

    fn put(&mut self, folder: &Path, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = folder.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        self.files += 1;
        self.bytes += bytes.len() as u64;
        fs::write(path, bytes)
    }
}

const DOCKERFILE: &str = "FROM node:22.12.0-slim\nWORKDIR /app\nCOPY package.json .\nCOPY services services\n\
    USER node\nCMD [\"node\", \"services/shop/src/server.js\"]\n";

/// The text of a file; answers the line of the secret in it.
fn fill(file: &File, random: &mut Random, text: &mut String) -> Option<usize> {
    let kind = &KINDS[file.kind];
    let size = random.size(kind.median);
    let part = |size, random: &mut Random, text: &mut String| match &kind.content {
        Content::Code(language) => code::write(language, size, random, text),
        Content::Manual => texts::manual(size, random, text),
        Content::Json => texts::json(size, random, text),
        Content::Yaml => texts::yaml(size, random, text),
        Content::Markup => texts::markup(size, random, text),
        Content::Lock => texts::lock(size, random, text),
        Content::Bundle => texts::bundle(size, random, text),
        Content::Rows => texts::rows(size, random, text),
        Content::Binary => {}
    };
    let Some(secret) = file.secret else {
        part(size, random, text);
        return None;
    };
    part(size / 2, random, text);
    let line = 1 + text.matches('\n').count();
    let value = secrets::make(secret, random);
    match &kind.content {
        Content::Code(language) => text.push_str(&code::constant(language, &value, random)),
        Content::Bundle => text.extend(["n.k=\"", &value, "\","]),
        Content::Json => text.extend(["    \"value\": \"", &value, "\","]),
        // Half of them are known by their names alone.
        _ if secret.is_multiple_of(2) => {
            let (name, value) = secrets::named(random);
            text.extend([name, ": \"", &value, "\""]);
        }
        _ => text.extend(["value: \"", &value, "\""]),
    }
    if !matches!(kind.content, Content::Bundle) {
        text.push('\n');
    }
    part(size / 2, random, text);
    Some(line)
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, bytes, secrets, ignored, ignored_bytes, readers } = self;
        let (mb, ignored_mb, secrets) = (megabytes(*bytes), megabytes(*ignored_bytes), secrets.len());
        write!(
            f,
            "tree: {files} files with {mb:.0} MB that git has, {readers} of which read variables, {secrets} a secret;\n\
             on top of them {ignored} files with {ignored_mb:.0} MB that are ignored"
        )
    }
}
