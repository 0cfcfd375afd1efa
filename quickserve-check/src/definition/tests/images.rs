//! Tags, and versions that the application shows.

use super::*;

#[test]
fn an_image_has_a_name() {
    let text = r#"{"family": "t", "containerDefinitions": [{"name": "app", "image": "", "memory": 64}]}"#;
    let found = judge(&definition(text), &on_ecs()).findings;
    assert_eq!((found[0].severity, &*found[0].message), (Severity::Error, "the image of app is empty"));
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_soft_limit_is_not_above_the_hard_one() {
    let found = |soft: i64, hard: i64| {
        judged(
            "",
            &format!(r#", "ulimits": [{{"name": "nofile", "softLimit": {soft}, "hardLimit": {hard}}}]"#),
        )
    };
    assert_eq!(found(65536, 1024), ["QS422 softLimit 65536 of nofile in app is above hardLimit 1024"]);
    assert_eq!(found(1024, 1024), [""; 0]);
    assert_eq!(found(1024, -1), [""; 0], "without a limit");
}

#[test]
fn a_file_of_s3_is_no_secret() {
    let secret = r#", "secrets": [{"name": "K", "valueFrom": "arn:aws:s3:::bucket/key"}]"#;
    let found = judged(r#", "executionRoleArn": "arn:aws:iam::123456789012:role/x""#, secret);
    assert_eq!(found, ["QS418 valueFrom of K is of s3, which holds no secrets"]);
}

#[test]
fn a_tag_that_can_move_weighs_as_much_as_it_moves() {
    let weight = |image: &str, environment: Option<&str>| {
        let text = format!(
            r#"{{"family": "t", "containerDefinitions": [{{"name": "app", "memory": 64, "image": "{image}"}}]}}"#
        );
        let subject = Subject { environment: environment.map(Into::into), ..on_ecs() };
        let findings = judge(&definition(&text), &subject).findings;
        findings.iter().find(|finding| finding.code == Code::MUTABLE_TAG).map(|finding| finding.severity)
    };
    assert_eq!(weight("app:latest", Some("production")), Some(Severity::Error));
    assert_eq!(weight("app", Some("production")), Some(Severity::Error));
    assert_eq!(weight("localhost:5000/app", Some("local")), Some(Severity::Warning));
    assert_eq!(weight("app:latest", None), Some(Severity::Warning));
    assert_eq!(weight("app:1.8.2", Some("production")), Some(Severity::Info));
    assert_eq!(weight("app:1.8.2@sha256:00", Some("production")), None);
    assert_eq!(weight("app:${IMAGE_TAG}", Some("production")), None);
    let given = Subject { image: Some("app:1".into()), environment: Some("production".into()), ..on_ecs() };
    let text =
        r#"{"family": "t", "containerDefinitions": [{"name": "app", "memory": 64, "image": "app:latest"}]}"#;
    assert_eq!(judge(&definition(text), &given).findings, [], "the settings' image is deployed");
}

#[test]
fn a_version_that_nobody_gives_is_hidden() {
    let reads = ["IMAGE_TAG"].into();
    let hidden = |text: &str, subject: &Subject| hidden_version(&definition(text), subject, &reads).is_some();
    assert!(hidden(CASE_STUDY, &on_ecs()));
    let quickserve = Subject { version_variable: Some("IMAGE_TAG".into()), ..on_ecs() };
    assert!(!hidden(CASE_STUDY, &quickserve), "QuickServe sets it");
    let given = CASE_STUDY.replace("NODE_ENV", "IMAGE_TAG");
    assert!(!hidden(&given, &on_ecs()));
    assert_eq!(hidden_version(&definition(CASE_STUDY), &on_ecs(), &["NODE_ENV"].into()), None);
}
