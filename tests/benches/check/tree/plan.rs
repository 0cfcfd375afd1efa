//! Which files there are: their paths, their kinds, and which of them a secret is planted in.

use super::mix::{Content, KINDS};
use super::random::Random;
use super::words::word;

/// A file to be.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    /// Its place in [`KINDS`].
    pub(super) kind: usize,
    pub(super) package: usize,
    /// The number of the secret that is planted in it.
    pub(super) secret: Option<usize>,
}

/// How many files a package has.
pub(super) const PACKAGE: usize = 200;

/// One source in so many is a test, which is searched for secrets and not for variables.
const TESTS: usize = 7;

/// All files, the same every time.
pub(super) fn files() -> Vec<File> {
    let mut random = Random::new(1);
    let mut kinds: Vec<usize> =
        KINDS.iter().enumerate().flat_map(|(number, kind)| std::iter::repeat_n(number, kind.count)).collect();
    for last in (1..kinds.len()).rev() {
        kinds.swap(last, random.below(last + 1));
    }
    let mut planted = 0;
    let files = kinds.into_iter().enumerate().map(|(number, kind)| {
        let package = number / PACKAGE;
        let folder = folder(kind, number, &mut random);
        let path = format!("{}/{folder}/{}-{number}{}", root(package), word(&mut random), KINDS[kind].ends);
        // One a package, in the first file that a person may have put one into.
        let is_due = planted <= package && takes_secret(kind) && folder != "tests" && random.one_in(8);
        let secret = is_due.then_some(planted);
        planted += usize::from(is_due);
        File { path, kind, package, secret }
    });
    files.collect()
}

/// The folder of a package.
pub(super) fn root(package: usize) -> String {
    let area = ["services", "packages", "apps"][package % 3];
    format!("{area}/{}-{package}", word(&mut Random::new(package as u64)))
}

fn folder(kind: usize, number: usize, random: &mut Random) -> String {
    let part = number % PACKAGE / 12;
    match KINDS[kind].content {
        Content::Code(_) if random.one_in(TESTS) => "tests".to_owned(),
        Content::Code(_) => format!("src/{}/part{part}", ["main", "lib", "internal"][part % 3]),
        Content::Manual => "manual".to_owned(),
        Content::Json | Content::Yaml => "settings".to_owned(),
        Content::Markup => format!("web/part{part}"),
        Content::Lock => "locks".to_owned(),
        Content::Bundle => "public/static".to_owned(),
        Content::Rows => "db/migrations".to_owned(),
        Content::Binary => "assets".to_owned(),
    }
}

fn takes_secret(kind: usize) -> bool {
    let is_searched = !matches!(KINDS[kind].ends, ".min.js" | ".js.map");
    let content = KINDS[kind].content;
    is_searched && matches!(content, Content::Code(_) | Content::Json | Content::Yaml | Content::Bundle)
}
