//! What `.dockerignore` leaves out, as we say it and as the docker command does it.
//!
//! The command filters what it sends to the engine, so this stands for the classic builder of the docker command that
//! is installed. `BuildKit` has the same patterns (moby/patternmatcher) and another walk: where its walk is known to give
//! another answer, the case says so and we say what `BuildKit` does, which is the default since Docker 23.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use quickserve_check::{Facts, Subject};
use quickserve_tests::docker::docker;
use tempfile::TempDir;

/// The files of the context.
const FILES: [&str; 42] = [
    "Dockerfile",
    ".dockerignore",
    ".env",
    ".env.example",
    ".env.production",
    ".git/config",
    ".gitignore",
    "!bang",
    "#kept",
    "README.md",
    "a b.txt",
    "a.txt",
    "a/b/temporary",
    "a/b/z",
    "a/bz",
    "a/secret/key",
    "a/secret/public.pem",
    "a/temp/b",
    "a/z",
    "a*b",
    "axb",
    "back\\slash",
    "build/y",
    "cat.txt",
    "d.txt",
    "dist/x",
    "docs/README.md",
    "docs/a.md",
    "docs/deep/README.md",
    "node_modules/x/i.js",
    "package-lock.json",
    "package.json",
    "src/a/b.js",
    "src/a/b.test.js",
    "src/b.test.js",
    "temp",
    "tempa",
    "tempab",
    "tempé",
    "web/.env",
    "web/node_modules/y.js",
    "x[1].txt",
];

/// What both must agree on.
const SAME: &[&str] = &[
    "",
    "node_modules",
    "**/node_modules",
    "/node_modules/",
    "node_modules/",
    "*.md",
    "**/*.md",
    "/**/*.md",
    "*/temp*",
    "*/*/temp*",
    "temp?",
    "# comment\n  \n*.txt  ",
    " #kept",
    "\\#kept",
    "#kept",
    "\\!bang",
    ".env*\n!.env.example",
    "!.env.example\n.env*",
    "docs\n!docs/README.md",
    "docs/**\n!docs/README.md",
    "docs/*\n!docs/deep",
    "docs\n!docs/deep/README.md\ndocs/deep",
    "*\n!src\n!package*.json",
    "*\n!src\nsrc/**/*.test.js",
    "*\n!src/a/b.js",
    "**",
    "*",
    ".",
    "**\n!a/b",
    "a/**",
    "a/**/z",
    "**/a/**/z",
    "**/.git",
    "**/z\n!a/z",
    "./build/../dist",
    "../build",
    "/./src//a/",
    "[a-c]*.txt",
    "[^a-c].txt",
    "[!a-c].txt",
    "x\\[1\\].txt",
    "x[[]1].txt",
    "a\\*b",
    "back\\\\slash",
    "a b.txt",
    "a\r\nREADME.md\r\n",
    "\u{feff}README.md\n",
    "! README.md\n",
    "*.md\n! README.md\n",
    "Dockerfile\n.dockerignore",
    "*\n!Dockerfile",
    "**/secret/**",
    "**/secret/*\n!a/secret/public.*",
    "src/*.js",
    "src/**.js",
    "**.js",
    "a**z",
    "t*p*\n!tempa",
    "*\n!*/",
    "tempé",
    "TEMP",
];

/// Where the walk of the classic builder enters no folder that is left out, unless a `!` pattern begins with it.
const CLASSIC_KEEPS_OUT: &[(&str, &[&str])] = &[
    ("docs\n!**/README.md", &["docs/README.md", "docs/deep/README.md"]),
    ("a/secret\n!**/public.pem", &["a/secret/public.pem"]),
    ("docs\n!*/README.md", &["docs/README.md"]),
    (
        "*\n!**/*.js",
        &["node_modules/x/i.js", "src/a/b.js", "src/a/b.test.js", "src/b.test.js", "web/node_modules/y.js"],
    ),
];

/// What the command refuses to build with.
const REFUSED: &[&str] = &["!", "x[", "[]", "[a", "back\\"];

fn context(ignore: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for file in FILES {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, file).expect("a file");
    }
    fs::write(folder.path().join("Dockerfile"), "FROM scratch\nCOPY . /context/\n").expect("a file");
    fs::write(folder.path().join(".dockerignore"), ignore).expect("a file");
    folder
}

/// The files that we say are sent; nothing where we say that a pattern is none.
fn ours(folder: &Path) -> Option<BTreeSet<String>> {
    let facts = Facts::read(&Subject::in_folder(folder));
    let ignore = facts.build.context.expect("a context").ignore.expect("a .dockerignore");
    let faults = facts.findings.iter().filter(|finding| finding.message.contains("Docker rejects"));
    let sent = FILES.into_iter().filter(|file| !ignore.excludes(file)).map(str::to_owned).collect();
    (faults.count() == 0).then_some(sent)
}

/// The files that an image has which is built from it; nothing where the command refuses to build.
fn of_docker(folder: &Path) -> Option<BTreeSet<String>> {
    let name = folder.file_name().expect("a name").to_string_lossy().to_lowercase();
    let tag = format!("quickserve-it-ignored:{}", name.trim_start_matches('.'));
    let mut build = Command::new("docker");
    build.env("DOCKER_BUILDKIT", "0").args(["build", "--quiet", "--no-cache", "--tag", &tag]).arg(folder);
    let built = build.output().expect("these tests need the docker command");
    if !built.status.success() {
        let stderr = String::from_utf8_lossy(&built.stderr);
        assert!(stderr.contains("dockerignore") || stderr.contains("pattern"), "{stderr}");
        return None;
    }
    let container = docker(&["create", &tag, "none"]);
    let archive = Command::new("docker")
        .args(["cp", &format!("{container}:/context/."), "-"])
        .output()
        .expect("an archive");
    docker(&["rm", &container]);
    docker(&["rmi", &tag]);
    let mut list = Command::new("tar");
    // Names as they are: without it, tar escapes some.
    list.args(["--list", "--quoting-style=literal", "--file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut list = list.spawn().expect("tar");
    std::io::Write::write_all(&mut list.stdin.take().expect("a pipe"), &archive.stdout).expect("written");
    let listed = String::from_utf8(list.wait_with_output().expect("tar").stdout).expect("text");
    let names = listed.lines().map(|line| line.trim_start_matches("./")).filter(|line| !line.ends_with('/'));
    Some(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// What differs, over all cases, a few at a time.
fn differences(cases: Vec<(&'static str, &'static [&'static str])>) -> Vec<String> {
    let (open, found) = (Mutex::new(cases.into_iter()), Mutex::new(Vec::new()));
    let work = || {
        while let Some((ignore, kept_out)) = { open.lock().expect("the cases").next() } {
            let folder = context(ignore);
            let (ours, theirs) = (ours(folder.path()), of_docker(folder.path()));
            let theirs = theirs.map(|mut sent| {
                sent.extend(kept_out.iter().map(|file| (*file).to_owned()));
                sent
            });
            if ours != theirs {
                found.lock().expect("what is found").push(difference(ignore, ours.as_ref(), theirs.as_ref()));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(work);
        }
    });
    found.into_inner().expect("what is found")
}

fn difference(ignore: &str, ours: Option<&BTreeSet<String>>, theirs: Option<&BTreeSet<String>>) -> String {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => {
            let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
                one.difference(other).cloned().collect::<Vec<_>>().join(", ")
            };
            format!("{ignore:?}: we send [{}], docker sends [{}]", only(ours, theirs), only(theirs, ours))
        }
        (ours, _) => {
            format!("{ignore:?}: {} refuses it", if ours.is_none() { "only ours" } else { "only docker" })
        }
    }
}

#[test]
fn what_is_left_out_is_what_docker_leaves_out() {
    let same = SAME.iter().chain(REFUSED).map(|ignore| (*ignore, &[][..]));
    let found = differences(same.chain(CLASSIC_KEEPS_OUT.iter().copied()).collect());
    assert!(found.is_empty(), "{}", found.join("\n"));
    for ignore in REFUSED {
        assert_eq!(of_docker(context(ignore).path()), None, "{ignore:?}");
    }
    for (ignore, kept_out) in CLASSIC_KEEPS_OUT {
        let sent = of_docker(context(ignore).path()).expect("an image");
        assert!(kept_out.iter().all(|file| !sent.contains(*file)), "{ignore:?}");
    }
}
