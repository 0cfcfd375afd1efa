//! Routes that fail when something behind the service does.

use std::collections::BTreeSet;
use std::path::PathBuf;

use quickserve_core::finding::Finding;

use super::ROUTES;
use crate::definition::liveness;
use crate::{Facts, Subject, inside};

/// Parts of the names of files in which routes are written.
const ROUTE_NAMES: [&str; 12] = [
    "app",
    "server",
    "main",
    "index",
    "route",
    "health",
    "api",
    "status",
    "web",
    "urls",
    "views",
    "controller",
];

/// The languages whose routes are understood.
const ROUTE_KINDS: [&str; 8] = ["js", "mjs", "cjs", "ts", "py", "go", "tsx", "jsx"];

/// Routes that fail when something behind the service does.
pub(super) fn of_routes(subject: &Subject, facts: &Facts, paths: &BTreeSet<String>) -> Vec<Finding> {
    let is_candidate = |path: &&PathBuf| {
        let kind = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_lowercase();
        ROUTE_KINDS.contains(&kind) && ROUTE_NAMES.iter().any(|part| name.contains(part))
    };
    let candidates = facts.code.files.iter().filter(is_candidate).take(ROUTES);
    let texts = candidates.filter_map(|path| inside::read(subject, path).ok());
    texts.flat_map(|text| paths.iter().filter_map(|path| liveness(path, &text)).collect::<Vec<_>>()).collect()
}
