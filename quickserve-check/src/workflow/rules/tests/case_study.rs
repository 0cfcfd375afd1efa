//! The workflow and the script of the case study.

use std::path::Path;

use super::findings;

/// Reviewed line by line; what each must be said of:
///
/// * `deploy.yml`: job deploy has no concurrency group (QS811) and no permissions (QS814); three actions are named by
///   tags (QS805) of versions for Node.js 16 or older (QS806; `checkout` is GitHub's own, so its tag is only worth
///   knowing); AWS keys that do not expire (QS804); `docker scan` is gone (QS807), and its step has neither
///   `ECR_REGISTRY` nor `IMAGE_TAG`, so that it would scan `/quickserve:` (QS817); `latest` is pushed (QS803);
///   `update-service` has no `--wait` (QS807), and starts again what the service has, not what was built (QS802, an
///   error since the project's own definition does not name `latest`); the wait proves nothing (QS816); the smoke
///   test is not there (QS809) and would come when all traffic has moved, without a way back (QS815).
/// * `deploy.sh`: without an argument it deploys `latest` (QS302); the version is only printed (QS802); the template
///   is registered with its placeholders (QS808); the wait proves nothing (QS816); both roll backs are left alone
///   (QS810); the smoke test is not there (QS809); a variable that is not set counts as empty (QS813, info).
///
/// Rightly not said: `npm test` runs in the job that deploys, so nothing skips it; `deploy.sh` takes a failed smoke
/// test back; unquoted names of cluster and service, which are written out and have no blank.
#[test]
fn every_fault_of_the_case_study_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/case-study");
    let pipelines = ["deploy.yml", "deploy.sh"];
    let findings = findings(&root);
    let found = findings.iter().filter(|finding| {
        finding.place().is_some_and(|place| pipelines.iter().any(|name| place.file.ends_with(name)))
    });
    let shown: Vec<String> = found.map(|finding| format!("{:?} {finding:#}", finding.severity)).collect();
    insta::assert_snapshot!(shown.join("\n"));
}
