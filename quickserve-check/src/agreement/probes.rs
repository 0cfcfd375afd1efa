//! What health checks ask the service for.

use std::collections::BTreeSet;
use std::path::Path;

use crate::definition::{Container, probe};
use crate::dockerfile::Dockerfile;
use crate::workflow::scripts::normal;
use crate::{Facts, Subject, Text, inside};

/// The paths that health checks ask the service for.
pub(super) fn paths(subject: &Subject, facts: &Facts) -> BTreeSet<String> {
    let main = facts.definition.as_ref().and_then(|definition| definition.main(subject));
    let of_definition = main.and_then(|main| main.health_url()).map(|url| url.path);
    let dockerfile = facts.build.dockerfile.as_ref();
    let of_script =
        main.and_then(|main| script(subject, main, dockerfile)).and_then(|script| probe(&script).path);
    of_definition.into_iter().chain(of_script.map(|(path, _)| path)).filter(|path| path != "/").collect()
}

/// Whether a path is one that a route can have as it is.
pub(super) fn is_plain(path: &str) -> bool {
    path.len() > 1 && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte))
}

/// The script that a health check runs, where it is a file of the project.
pub(super) fn script(
    subject: &Subject,
    main: Container<'_>,
    dockerfile: Option<&Dockerfile>,
) -> Option<Text> {
    let of_definition = main.health_command().map(|(words, _)| words.join(" "));
    let of_image = || {
        let check = dockerfile?.health_check()?;
        Some(check.simple().iter().flatten().map(|word| word.text.clone()).collect::<Vec<_>>().join(" "))
    };
    let command = of_definition.or_else(of_image)?;
    let words = command.split(|char: char| char.is_whitespace() || "\"';|&".contains(char));
    let scripts = words.filter(|word| {
        let extension = Path::new(word).extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| ["js", "mjs", "cjs", "py", "rb", "sh"].contains(&extension))
    });
    // Such a path is one of the image: only what is copied from the project into its folder is known.
    let mut found = scripts.filter_map(|word| normal(Path::new(word.trim_start_matches("/app/"))));
    found.find_map(|path| inside::read(subject, &path).ok())
}
