//! QS413: a health check asks for a path that no route of the code has.
//!
//! Only Express, Flask and `FastAPI`, and only where all that may answer is written plainly: nothing mounts a router, serves
//! files or takes any path, and the path itself stands nowhere in the code. Then an answer can come from nowhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quickserve_core::document::nearest;
use quickserve_core::finding::{Code, Finding, Severity};

use super::{ROUTES, aws, probes, runs_the_code};
use crate::code::pattern::Pattern;
use crate::code::{Language, paths};
use crate::definition::{Container, Definition};
use crate::{Facts, Subject, inside};

/// A framework whose routes are plain to see.
struct Framework {
    /// What makes its application.
    makes: Pattern,
    /// A route; its group is the path.
    route: Pattern,
    /// A way in which it gets routes that are not seen here.
    hides: Pattern,
}

static FRAMEWORKS: [Framework; 2] = [
    Framework {
        makes: Pattern::new(r"\bexpress\(\)"),
        route: Pattern::new(r#"\.(?:get|head|all)\(\s*["'`](/[^"'`]*)["'`]"#),
        hides: Pattern::new(concat!(
            r"\bRouter\b|\.route\(|\.static\(|\.all\(|\.param\(|\.url\b|\.path\b|originalUrl|\bimport\(|",
            r#"\.(?:get|head)\(\s*(?:\[|/|["'`][*(]|[A-Za-z_$][\w$.]*\s*,)|"#,
            // What is used, other than well-known middleware and functions that are written there.
            r#"\.use\(\s*["'`/\[]|\.use\(\s*(?:[A-Za-z_$][\w$]*\s*[,)]|[A-Za-z_$][\w$.]*\()"#,
        )),
    },
    Framework {
        makes: Pattern::new(r"\b(?:Flask|FastAPI)\("),
        route: Pattern::new(r#"@\w+\.(?:route|get|head|api_route)\(\s*["'](/[^"']*)["']"#),
        hides: Pattern::new(concat!(
            r"\b(?:Blueprint|APIRouter|Api|Namespace|MethodView)\b|include_router|register_|add_url_rule|add_api_route|",
            r"add_route|\.mount\(|middleware|before_request|errorhandler|exception_handler|StaticFiles|static_url_path|",
            r#"url_map|root_path|@\w+\.(?:route|get|head|api_route)\(\s*[^"'\s]|DispatcherMiddleware|\.path\b"#,
        )),
    },
];

/// Middleware of Express that answers nothing by itself.
static MIDDLEWARE: Pattern = Pattern::new(concat!(
    r"\.use\(\s*(?:express\.(?:json|urlencoded|text|raw)|cors|helmet|morgan|compression|cookieParser|",
    r"bodyParser\.\w+|rateLimit)\(",
));

/// Paths that `FastAPI` answers by itself. Flask does so below `/static/`.
const BUILT_IN: [&str; 3] = ["/docs", "/redoc", "/openapi.json"];

/// Parts of the names of packages that bring routes of their own.
const BRING: [&str; 9] =
    ["health", "terminus", "lightship", "openapi", "swagger", "nest", "next", "graphql", "actuator"];

pub(super) fn check(
    subject: &Subject,
    facts: &Facts,
    definition: Option<(&Definition, Container<'_>)>,
) -> Vec<Finding> {
    let mut asked: Vec<(String, Finding)> = Vec::new();
    let hint =
        "ask for a path that the service has, or give it a route that answers 200 as long as it is alive";
    let new = |path: &str| {
        let message = format!("the health check asks for {path}, which no route of the code has");
        Finding::new(Code::HEALTH_CHECK_VALUE, Severity::Warning, message).with_hint(hint)
    };
    let definition = definition.filter(|(definition, _)| runs_the_code(subject, definition));
    if let Some((definition, url)) = definition.and_then(|(file, main)| Some((file, main.health_url()?))) {
        let place = definition.file.source().place(url.span.start);
        asked.push((url.path.clone(), new(&url.path).at(place)));
    }
    if let Some(path) = &subject.health_path {
        asked.push((path.clone(), new(path).on("health_check")));
    }
    asked.retain(|(path, _)| {
        probes::is_plain(path) && !BUILT_IN.contains(&&**path) && !path.starts_with("/static/")
    });
    if asked.is_empty() {
        return Vec::new();
    }
    let Some(routes) = routes(subject, facts, &asked) else { return Vec::new() };
    let near = |path: &str| nearest(path, routes.iter().map(String::as_str)).map(str::to_owned);
    let hinted = |(path, finding): (String, Finding)| match near(&path) {
        Some(near) => finding.with_hint(format!("did you mean {near}")),
        None => finding,
    };
    asked.into_iter().map(hinted).collect()
}

/// All routes of the code; nothing where there may be others, or where one of the paths stands anywhere in it.
fn routes(subject: &Subject, facts: &Facts, asked: &[(String, Finding)]) -> Option<BTreeSet<String>> {
    let files = code(facts)?;
    let mut framework: Option<&Framework> = None;
    let mut routes = BTreeSet::new();
    let brings = aws::MANIFESTS.iter().filter_map(|file| inside::read(subject, Path::new(file)).ok());
    if brings.into_iter().any(|manifest| BRING.iter().any(|word| manifest.text.contains(word))) {
        return None;
    }
    let mut texts = Vec::new();
    for path in files {
        texts.push(inside::read(subject, path).ok()?.text);
    }
    for text in &texts {
        let made = FRAMEWORKS.iter().find(|framework| framework.makes.is_match(text));
        match (made, framework) {
            (Some(made), None) => framework = Some(made),
            (Some(_), Some(_)) => return None,
            (None, _) => {}
        }
    }
    let framework = framework?;
    for text in &texts {
        let stands = |(path, _): &(String, Finding)| stands(text, path);
        if asked.iter().any(stands) || hides(framework, text) {
            return None;
        }
        routes.extend(framework.route.all(text).map(|captures| captures[1].to_owned()));
    }
    // `/:page` and `/<name>` may answer for anything.
    let takes_any =
        |route: &String| route[1..].starts_with([':', '<', '{', '*', '(']) || route.contains(['*', '(']);
    (!routes.is_empty() && !routes.iter().any(takes_any)).then_some(routes)
}

/// The code of the service, where all of it is in one language.
fn code(facts: &Facts) -> Option<Vec<&PathBuf>> {
    let of_service = facts.code.files.iter().filter(|path| !paths::is_beside(path));
    let files: Vec<(&PathBuf, Language)> = of_service
        .filter_map(|path| Some((path, Language::of(path)?)))
        .filter(|(_, language)| *language != Language::Shell)
        .collect();
    let (_, first) = files.first()?;
    let is_one = files.len() <= ROUTES && files.iter().all(|(_, language)| language == first);
    is_one.then(|| files.into_iter().map(|(path, _)| path).collect())
}

/// Whether a path stands in a text as a whole.
fn stands(text: &str, path: &str) -> bool {
    let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    text.match_indices(path).any(|(at, _)| !text[at + path.len()..].starts_with(is_part))
}

/// Whether routes may be there that are not seen.
fn hides(framework: &Framework, text: &str) -> bool {
    let plain = MIDDLEWARE.all(text).count();
    let hidden = framework.hides.all(text).count();
    hidden > plain
}
