//! `.dockerignore` by Docker's own rules, which are not those of git.
//!
//! Docker's reference, ".dockerignore file", and moby/patternmatcher, which both builders use: a pattern is of the
//! context's root; `**` stands for any number of folders; the last pattern that matches decides; one that matches a
//! folder matches all in it, and `!` brings a file back even out of a folder that is left out.

use regex::Regex;

use super::Fault;
use crate::Text;

/// How many patterns are looked at: each is a program of its own. Those of real projects are some tens.
const PATTERNS: usize = 5_000;

/// What stays out of the build context.
#[derive(Debug, Clone)]
pub struct Ignore {
    /// The file.
    pub file: Text,
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    brings_back: bool,
    matches: Regex,
}

impl Ignore {
    /// Reads a `.dockerignore`. A pattern that is none is a fault and left out.
    pub(crate) fn new(file: Text, faults: &mut Vec<Fault>) -> Self {
        let mut patterns = Vec::new();
        let mut offset = 0;
        for line in file.text.split('\n') {
            let span = offset..offset + line.trim_end().len();
            offset += line.len() + 1;
            // A blank before # makes it a pattern.
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            if patterns.len() == PATTERNS {
                let rest = span.start..file.text.trim_end().len();
                faults.push(Fault::new(rest, "more than 5,000 patterns: the rest was not looked at"));
                break;
            }
            let pattern = line.trim();
            let (brings_back, pattern) = match pattern.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, pattern),
            };
            match glob(&clean_pattern(pattern)).filter(|_| !pattern.is_empty()) {
                Some(matches) => patterns.push(Pattern { brings_back, matches }),
                None => faults.push(Fault::new(span, "a pattern that Docker rejects")),
            }
        }
        Self { file, patterns }
    }

    /// Whether a path, relative to the context with `/` between its parts, stays out.
    pub fn excludes(&self, path: &str) -> bool {
        let path = clean(path);
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let mut of_folder = vec![false; self.patterns.len()];
        let mut is_out = false;
        for path in ends.map(|end| &path[..end]) {
            is_out = self.step(path, &mut of_folder);
        }
        is_out
    }

    /// Whether a path stays out, by which patterns match the folder that it is in; these become those that match itself.
    ///
    /// As in moby/patternmatcher (`MatchesUsingParentResults`), a pattern that would change nothing is not looked at,
    /// and then does not hold for what is in a folder either: after `docs` and `!docs/a/b`, `docs/a` keeps nothing out.
    fn step(&self, path: &str, of_folder: &mut [bool]) -> bool {
        let mut is_out = false;
        for (pattern, matches) in self.patterns.iter().zip(of_folder) {
            *matches = *matches || (pattern.brings_back == is_out && pattern.matches.is_match(path));
            if *matches {
                is_out = !pattern.brings_back;
            }
        }
        is_out
    }
}

/// A path without `.`, empty parts, what `..` takes back, and the slash at its beginning; "." for the root.
pub(crate) fn clean(path: &str) -> String {
    match super::stages::join("/", path).trim_start_matches('/') {
        "" => ".".to_owned(),
        path => path.to_owned(),
    }
}

/// A pattern without what is too much in it, as Go's `filepath.Clean` has it: one that leads out of the context matches
/// nothing.
fn clean_pattern(pattern: &str) -> String {
    if pattern.starts_with('/') {
        return clean(pattern);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

/// A pattern of Go's `filepath.Match`, and `**`. Nothing where it is none.
pub(crate) fn glob(pattern: &str) -> Option<Regex> {
    // `**.js` is a suffix, at any depth.
    if let Some(suffix) = pattern.strip_prefix("**")
        && !suffix.contains(['*', '?', '[', ']', '\\'])
        && !suffix.starts_with('/')
    {
        return Regex::new(&format!("(?s){}$", regex::escape(suffix))).ok();
    }
    let mut regex = String::from("^(?s:");
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '*' if chars.next_if_eq(&'*').is_some() => {
                while chars.next_if_eq(&'*').is_some() {}
                chars.next_if_eq(&'/');
                regex.push_str(if chars.peek().is_none() { ".*" } else { "(?:.*/)?" });
            }
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '[' => regex.push_str(&class(&mut chars)?),
            '\\' => regex.push_str(&literal(chars.next()?)),
            char => regex.push_str(&literal(char)),
        }
    }
    regex.push_str(")$");
    Regex::new(&regex).ok()
}

fn literal(char: char) -> String {
    regex::escape(&char.to_string())
}

/// `[a-z]` or `[^a-z]`, after its first bracket.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut class = String::from("[");
    class.extend(chars.next_if_eq(&'^'));
    let mut is_empty = true;
    loop {
        match chars.next()? {
            ']' if !is_empty => break,
            ']' => return None,
            '-' if !is_empty => class.push('-'),
            '\\' => class.push_str(&literal(chars.next()?)),
            char => class.push_str(&literal(char)),
        }
        is_empty = false;
    }
    class.push(']');
    Some(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excludes(ignore: &str, path: &str) -> bool {
        let mut faults = Vec::new();
        let ignore = Ignore::new(Text::new(".dockerignore", ignore), &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
        ignore.excludes(path)
    }

    #[test]
    fn of_very_many_patterns_the_first_are_looked_at_and_that_is_told() {
        let mut faults = Vec::new();
        let text = format!("a\n{}", "b*\n".repeat(PATTERNS));
        let ignore = Ignore::new(Text::new(".dockerignore", &text), &mut faults);
        assert!(ignore.excludes("a") && faults.len() == 1, "{faults:?}");
    }

    /// Patterns, what they leave out, and what they do not.
    const CASES: [(&str, &[&str], &[&str]); 32] = [
        ("node_modules", &["node_modules", "node_modules/a/b.js"], &["web/node_modules/a", "node_modules2"]),
        (
            "**/node_modules",
            &["node_modules/a", "web/node_modules/a", "a/b/node_modules"],
            &["x_node_modules"],
        ),
        ("/node_modules/", &["node_modules/a"], &["web/node_modules"]),
        ("*.md", &["README.md"], &["docs/README.md"]),
        ("**/*.md", &["README.md", "docs/a/README.md"], &["README.mdx"]),
        ("*/temp*", &["a/temp", "a/temporary.txt", "a/temp/b"], &["temp", "a/b/temp"]),
        ("*/*/temp*", &["a/b/temporary"], &["a/temporary"]),
        ("temp?", &["tempa", "tempé"], &["temp", "tempab", "temp/"]),
        ("# comment\n  \n*.log  ", &["a.log"], &["# comment"]),
        (" #kept", &["#kept"], &["kept"]),
        (".env*\n!.env.example", &[".env", ".env.production"], &[".env.example", "web/.env"]),
        ("!.env.example\n.env*", &[".env.example"], &["a"]),
        ("docs\n!docs/README.md", &["docs/a.md"], &["docs/README.md"]),
        ("*\n!src\n!package*.json", &["Dockerfile", "docs/a"], &["src/a/b", "package-lock.json"]),
        ("*\n!src\nsrc/**/*.test.js", &["src/a/b.test.js", "src/b.test.js"], &["src/a/b.js"]),
        ("**", &["a", "a/b"], &[]),
        ("**\n!a/b", &["a/c"], &["a/b", "a/b/c"]),
        ("a/**", &["a/b", "a/b/c"], &["b/a"]),
        ("a/**/z", &["a/z", "a/b/z", "a/b/c/z"], &["a/bz", "z"]),
        ("**/.git", &[".git/config", "sub/.git"], &[".gitignore"]),
        ("./build/../dist", &["dist/x"], &["build"]),
        ("../build", &[], &["build/x"]),
        ("/../build", &["build/x"], &["a/build"]),
        ("**.js", &["a.js", "a/b.js"], &["a.jsx", "a.js2/b"]),
        ("docs\n!docs/a/b\ndocs/a", &["docs/c", "docs/a/c"], &["docs/a/b"]),
        ("[a-c]*.txt", &["a.txt", "cat.txt"], &["d.txt"]),
        ("[^a-c].txt", &["d.txt"], &["a.txt"]),
        ("a\\*b", &["a*b"], &["axb"]),
        ("a.b+(c)|{d}$", &["a.b+(c)|{d}$"], &["axb"]),
        ("a\r\nb\r\n", &["a", "b"], &["c"]),
        ("! keep\n", &[], &["keep"]),
        ("**/secret/**\n!**/secret/public.*", &["a/secret/key"], &["a/secret/public.pem", "secrets"]),
    ];

    #[test]
    fn patterns_leave_out_what_docker_leaves_out() {
        for (ignore, out, kept) in CASES {
            for path in out {
                assert!(excludes(ignore, path), "{ignore:?} should leave {path} out");
            }
            for path in kept {
                assert!(!excludes(ignore, path), "{ignore:?} should keep {path}");
            }
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_a_fault() {
        for bad in ["!", "a[", "[]", "b\\"] {
            let mut faults = Vec::new();
            Ignore::new(Text::new(".dockerignore", bad), &mut faults);
            assert_eq!(faults.len(), 1, "{bad}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

        #[test]
        fn no_pattern_makes_it_panic(pattern in "([*?!\\[\\]\\\\/^#\n. é-]|[a-c]){0,20}", path in "[a-c/.*é]{0,12}") {
            Ignore::new(Text::new("i", pattern), &mut Vec::new()).excludes(&path);
        }
    }
}
