//! QS514: a folder of several services that is judged as if it were one.

use std::path::{Path, PathBuf};

use quickserve_core::finding::{Code, Finding, Severity};

use crate::code::paths;
use crate::{Facts, Subject};

/// How many folders a message names.
const LISTED: usize = 3;

/// How deep the folder of a service lies: `web`, `services/web`.
const DEPTH: usize = 2;

/// Where nobody says what is deployed, and the folder has no Dockerfile, and several below it have one each.
pub(super) fn services(subject: &Subject, facts: &Facts) -> Option<Finding> {
    if subject.environment.is_some() || subject.dockerfile.is_some() || subject.definition.is_some() {
        return None;
    }
    let is_dockerfile =
        |path: &&Path| path.file_name().is_some_and(|name| name == "Dockerfile") && !paths::is_beside(path);
    let files = facts.code.files.iter().map(PathBuf::as_path);
    let folders: Vec<String> = files
        .filter(is_dockerfile)
        .filter_map(Path::parent)
        .filter(|folder| (1..=DEPTH).contains(&folder.components().count()))
        .map(|folder| subject.name(folder))
        .collect();
    let (first, count) = (folders.first()?, folders.len());
    if count < 2 {
        return None;
    }
    let listed = folders[..count.min(LISTED)].join(", ");
    let more = if count > LISTED { ", ..." } else { "" };
    let message =
        format!("{count} folders have a Dockerfile each ({listed}{more}), and all is judged as one service");
    let finding =
        Finding::new(Code::SEVERAL_SERVICES, Severity::Info, message).on(subject.name(Path::new(".")));
    Some(finding.with_hint(format!("check one of them: quickserve -C {first} check")))
}

#[cfg(test)]
mod tests {
    use crate::agreement::tests::{NONE, Project, task};

    const FROM: &str = "FROM node:24\nCMD [\"node\", \"x.js\"]\n";

    #[test]
    fn several_services_are_told() {
        let found = |files: &[(&str, &str)]| Project::new(files).coded("QS514");
        let (api, web) = (("services/api/Dockerfile", FROM), ("services/web/Dockerfile", FROM));
        let message = "Info . 2 folders have a Dockerfile each (services/api, services/web), and all is judged as one service";
        assert_eq!(found(&[api, web]), [message]);
        assert_eq!(found(&[api]), NONE);
        assert_eq!(found(&[api, web, ("Dockerfile", FROM)]), NONE, "that one is deployed");
        assert_eq!(found(&[api, web, ("deploy/task.json", &task(""))]), NONE);
        assert_eq!(found(&[api, ("examples/web/Dockerfile", FROM)]), NONE);
        assert_eq!(found(&[api, ("a/b/c/Dockerfile", FROM)]), NONE);
    }
}
