//! Variables that are read by way of something else: a loop over a list of names, a function of the project's own.

use std::collections::BTreeMap;
use std::ops::Range;

use super::context::{FAILS, after, before, words};
use super::pattern::Pattern;
use super::usage::{Hit, Need};

/// How a language reads a variable whose name is in another, and defines functions.
pub(super) struct Rules {
    /// A reading by a variable; its group is the variable.
    pub(super) dynamic: Pattern,
    /// The head of a function; its first group is its name, the other that matches its first parameter.
    pub(super) definition: Pattern,
    /// Whether a function called just `env` is one that reads variables.
    pub(super) env: bool,
}

/// A list of names in quotes, in any bracket.
static LIST: Pattern = Pattern::new(
    r#"[\[({]\s*(["'`][A-Z][A-Z0-9_]+["'`]\s*(?:,\s*["'`][A-Z][A-Z0-9_]+["'`]\s*)*),?\s*[\])}]"#,
);

/// Ruby's list of words, and the list of a shell's loop.
static WORDS: Pattern = Pattern::new(
    r"(?:%[wi][\[({]|\bfor \w+ in )\s*([A-Z][A-Z0-9_]+(?:[ \t\r\n\\]+[A-Z][A-Z0-9_]+)*)\s*[\])};\n]",
);

static NAME: Pattern = Pattern::new(r"[A-Z][A-Z0-9_]+");

/// What a list is put into.
static NAMED: Pattern = Pattern::new(r#"([A-Za-z_]\w*)\s*(?::\s*[^=\n"']{0,60}?)?\s*:?=\s*[^=\n"'`]{0,40}$"#);

/// A function that takes a list of names and looks for each.
static LOOKER: Pattern = Pattern::new(r"(?i)\b\w*(?:env|require_?keys|required)\w*!?\s*\(\s*$");

/// One that takes the names one by one.
static KEYS: Pattern = Pattern::new(r"(?i)\brequired?_?(?:keys|vars|all|envs?|env_?vars)!?\($");

/// A call whose first argument is the name of a variable.
static CALL: Pattern =
    Pattern::new(r#"\b([A-Za-z_]\w*)!?(?:<[^<>()\n]{1,40}>)?\(\s*["'`]([A-Z][A-Z0-9_]+)["'`]\s*([,)])"#);

/// A complaint that something is not there, for a loop that gathers what is missing first.
static COMPLAINS: Pattern = Pattern::new(r"(?i)\b(?:missing|required|absent|undefined|not set)");

/// The variables that a text reads so. `text` is without comments.
pub(super) fn hits(text: &str, rules: &Rules) -> Vec<Hit> {
    let mut hits = Vec::new();
    if rules.dynamic.is_match(text) {
        lists(text, rules, &mut hits);
    } else {
        handed_over(text, &mut hits);
    }
    calls(text, rules, &mut hits);
    hits
}

/// How far below the mention of a list its loop may read.
const LOOP: usize = 500;

fn lists(text: &str, rules: &Rules, hits: &mut Vec<Hit>) {
    for captures in LIST.all(text).chain(WORDS.all(text)) {
        let (Some(list), Some(names)) = (captures.get(0), captures.get(1)) else { continue };
        let need = if is_handed_over(text, &list) {
            Some(Need::Validated)
        } else {
            loop_over(text, list.range(), rules)
        };
        if let Some(need) = need {
            put(names, need, hits);
        }
    }
}

/// Lists that are handed to a function of another file.
fn handed_over(text: &str, hits: &mut Vec<Hit>) {
    for captures in LIST.all(text) {
        if let (Some(list), Some(names)) = (captures.get(0), captures.get(1))
            && is_handed_over(text, &list)
        {
            put(names, Need::Validated, hits);
        }
    }
}

/// Whether a list is handed to a function that looks for each: `requireEnv(["A", "B"])`.
fn is_handed_over(text: &str, list: &regex::Match<'_>) -> bool {
    if list.as_str().starts_with('(') {
        list.as_str().contains(',') && KEYS.is_match(before(text, list.start() + 1))
    } else {
        LOOKER.is_match(before(text, list.start()))
    }
}

fn put(names: regex::Match<'_>, need: Need, hits: &mut Vec<Hit>) {
    for name in NAME.all(names.as_str()) {
        if let Some(name) = name.get(0) {
            let span = names.start() + name.start()..names.start() + name.end();
            hits.push(Hit { name: name.as_str().to_owned(), span, need });
        }
    }
}

/// What a loop over a list does with each name, where there is one that reads variables.
fn loop_over(text: &str, list: Range<usize>, rules: &Rules) -> Option<Need> {
    let head = before(text, list.start);
    // Brackets right behind a name are an index.
    let is_index = |last: char| last.is_alphanumeric() || matches!(last, '_' | ')' | ']');
    if text[list.clone()].starts_with('[') && head.ends_with(is_index) {
        return None;
    }
    // It is looped over where it stands, or put into a variable that is.
    let below = &text[list.end..];
    let is_used = below.starts_with(['.', ')', ' ', ':', '{', '\n']) && !head.trim_end().ends_with('=');
    let mut mentions = Vec::new();
    if is_used || below.starts_with('.') {
        mentions.push(list.end);
    }
    if let Some(variable) = NAMED.captures(head).and_then(|captures| captures.get(1)) {
        mentions.extend(words(below, variable.as_str()).take(20).map(|at| list.end + at));
    }
    mentions.into_iter().find_map(|mention| {
        let body = after(text, mention, LOOP);
        let line = before(text, mention);
        let reads = rules.dynamic.is_match(body) || rules.dynamic.is_match(line);
        let fails = FAILS.is_match(body) || COMPLAINS.is_match(body);
        reads.then_some(if fails { Need::Validated } else { Need::Required })
    })
}

/// What a function does where the variable is absent.
#[derive(Debug, Clone, Copy)]
struct Function {
    bare: Need,
    /// Whether a second argument is a default.
    defaults: bool,
}

fn calls(text: &str, rules: &Rules, hits: &mut Vec<Hit>) {
    let own = functions(text, rules);
    for captures in CALL.all(text) {
        let (Some(function), Some(name)) = (captures.get(1), captures.get(2)) else { continue };
        let known = own.get(function.as_str()).copied().or_else(|| usual(function.as_str(), rules.env));
        let Some(function) = known else { continue };
        let has_second = &captures[3] == ",";
        hits.push(Hit::new(
            name,
            if has_second && function.defaults { Need::Defaulted } else { function.bare },
        ));
    }
}

/// The functions of a text that read the variable which they are given.
fn functions<'t>(text: &'t str, rules: &'t Rules) -> BTreeMap<&'t str, Function> {
    let mut functions = BTreeMap::new();
    if !rules.dynamic.is_match(text) {
        return functions;
    }
    for captures in rules.definition.all(text) {
        let parameter = (2..captures.len()).find_map(|group| captures.get(group));
        let (Some(head), Some(name), Some(parameter)) = (captures.get(0), captures.get(1), parameter) else {
            continue;
        };
        let body = after(text, head.end(), LOOP);
        let body = rules
            .definition
            .captures(body)
            .and_then(|next| next.get(0))
            .map_or(body, |next| &body[..next.start()]);
        let is_reader =
            |read: &regex::Captures<'_>| read.get(1).is_some_and(|read| read.as_str() == parameter.as_str());
        if rules.dynamic.all(body).any(|read| is_reader(&read)) {
            let bare = if FAILS.is_match(body) { Need::Validated } else { Need::Required };
            functions.insert(name.as_str(), Function { bare, defaults: true });
        }
    }
    functions
}

/// What functions of that name usually do.
fn usual(name: &str, env: bool) -> Option<Function> {
    let folded: String =
        name.chars().filter(|char| *char != '_').map(|char| char.to_ascii_lowercase()).collect();
    let (bare, defaults) = match &*folded {
        "requireenv" | "requiredenv" | "requireenvvar" | "requiredenvvar" | "mustgetenv" | "mustenv"
        | "mustgetenvvar" | "ensureenv" | "ensureenvvar" | "assertenv" | "getrequiredenv"
        | "getrequiredenvvar" | "getenvorthrow" | "getenvorfail" | "getenvordie" | "envorthrow"
        | "envorfail" | "needenv" => (Need::Validated, false),
        "getenvor" | "envor" | "getenvordefault" | "envordefault" | "optionalenv" | "getoptionalenv"
        | "getenvdefault" | "fileenv" | "envwithdefault" | "getenvwithdefault" => (Need::Defaulted, true),
        "getenv"
        | "getenvvar"
        | "envvar"
        | "readenv"
        | "envstring"
        | "envstr"
        | "envint"
        | "envbool"
        | "getenvstring"
        | "getenvint"
        | "getenvasint"
        | "getenvbool"
        | "getenvasbool"
        | "getenvnumber"
        | "getenvduration"
        | "getenvironmentvariable" => (Need::Required, true),
        "env" if env => (Need::Required, true),
        _ => return None,
    };
    Some(Function { bare, defaults })
}
