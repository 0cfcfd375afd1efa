//! What is read, whole definitions, and what is no definition.

use super::*;

#[test]
fn every_fault_of_the_case_studys_definition_is_found() {
    let subject = Subject {
        root: concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/case-study").into(),
        definition: Some("deploy/aws-task-definition.json".into()),
        environment: Some("production".into()),
        ..Subject::default()
    };
    let (definition, mut findings) = read(&subject);
    findings.extend(judge(&definition.expect("a definition"), &subject).findings);
    crate::facts::sort(&mut findings);
    insta::assert_snapshot!(shown(&findings));
}

#[test]
fn what_the_case_study_hides_in_other_files_is_found_with_them() {
    let definition = definition(CASE_STUDY);
    let main = definition.main(&on_ecs()).expect("a container");
    assert_eq!(main.name(), "quickserve-app");
    let url = main.health_url().expect("a URL");
    assert_eq!((url.port, &*url.path), (3000, "/health"));
    let reads = ["IMAGE_TAG", "DATABASE_URL"].into();
    let findings = [
        missing_program(&definition, main, "node:18-alpine", "COPY . .\nCMD [\"node\", \"server.js\"]"),
        liveness("/health", &Text::new("server.js", CASE_STUDY_HEALTH)),
        no_task_role(&definition, true),
        hidden_version(&definition, &on_ecs(), &reads),
    ];
    let findings: Vec<Finding> = findings.into_iter().map(|finding| finding.expect("a finding")).collect();
    insta::assert_snapshot!(shown(&findings));
}

#[test]
fn definitions_in_the_shapes_of_well_known_projects_have_no_error() {
    let files = [
        ("fargate-web", include_str!("../testdata/fargate-web.json")),
        ("ec2-bridge-agent", include_str!("../testdata/ec2-bridge-agent.json")),
        ("firelens-sidecar", include_str!("../testdata/firelens-sidecar.json")),
        ("codedeploy", include_str!("../testdata/codedeploy.json")),
        ("described", include_str!("../testdata/described.json")),
        ("nginx-and-app", include_str!("../testdata/nginx-and-app.json")),
        ("worker", include_str!("../testdata/worker.json")),
        ("app-mesh", include_str!("../testdata/app-mesh.json")),
        ("host-network", include_str!("../testdata/host-network.json")),
    ];
    let mut report = String::new();
    for (name, text) in files {
        let findings = all(text, &Subject { environment: Some("production".into()), ..on_ecs() });
        let errors: Vec<&Finding> =
            findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
        report.extend(["## ", name, "\n"]);
        for finding in findings {
            let line = format!("{:?} {} {}\n", finding.severity, finding.code, finding.message);
            report.push_str(&line);
        }
    }
    insta::assert_snapshot!(report);
}

#[test]
fn what_is_no_definition_is_a_finding_and_never_a_panic() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!("{}1{}", r#"{"a":"#.repeat(400), "}".repeat(400));
    let cases = [
        "",
        " \r\n",
        "family: quickserve\ncpu: 256\n",
        "---\n- name: x\n",
        "{\n  // comment\n  \"family\": \"x\"\n}",
        "[]",
        "null",
        "\"text\"",
        "{\"taskDefinition\": []}",
        &deep,
        &"[".repeat(100_000),
        &nested,
    ];
    let shown =
        cases.map(|text| all(text, &on_ecs()).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn a_file_that_cannot_be_read_is_a_finding() {
    let folder = tempfile::tempdir().expect("a folder");
    let subject = |name: &str| Subject {
        root: folder.path().into(),
        definition: Some(name.into()),
        ..Subject::default()
    };
    assert_eq!(read(&Subject::default()).1, []);
    assert_eq!(read(&subject("absent.json")).1[0].message, "absent.json does not exist");
    std::fs::write(folder.path().join("bom.json"), format!("\u{feff}{}", CASE_STUDY.replace('\n', "\r\n")))
        .expect("written");
    let (definition, findings) = read(&subject("bom.json"));
    assert!(
        definition.is_some() && findings.iter().all(|finding| finding.code == Code::UNRESOLVED_PLACEHOLDER)
    );
    let huge = std::fs::File::create(folder.path().join("huge.json")).expect("a file");
    huge.set_len(100 << 20).expect("a sparse file");
    assert_eq!(read(&subject("huge.json")).1[0].message, "huge.json is larger than 8 MiB");
    let long = |length: usize| CASE_STUDY.replace("quickserve-task", &"x".repeat(length));
    assert_eq!(
        all(&long(1 << 20), &on_ecs())[0].message,
        "task.json is larger than any task definition of ECS"
    );
    let found = all(&long(70_000), &on_ecs());
    assert!(found.iter().any(|finding| finding.message == "the definition is larger than 64 KiB"));
}

#[test]
fn no_value_of_a_variable_is_shown() {
    let secret = "hunter2-4eC39HqLyj";
    let texts = [
        format!(
            r#"{{"family": "t", "containerDefinitions": [{{"name": "a", "image": "a", "environment": [{{"name": "DB_PASSWORD", "value": "{secret}"}}]}}]}}"#
        ),
        format!(
            "{{\"containerDefinitions\": [{{\"name\": \"a\", \"environment\": [\n{{\"name\": \"X\", \"value\": \"{secret}\",}}\n]}}]}}"
        ),
        format!(
            "{{\"containerDefinitions\": [{{\"name\": \"a\", \"image\": \"a:1\", \"environment\": [{{\"name\": \"X\", \"value\":\n\n\"pa${{{secret}\"}}]}}]}}"
        ),
        format!(
            "{{\"containerDefinitions\": [{{\"name\": \"a\", \"image\": \"a:1\", \"secrets\": [{{\"name\": \"X\", \"valueFrom\": \"{secret}+/=\"}}]}}]}}"
        ),
    ];
    for text in texts {
        let findings = all(&text, &on_ecs());
        assert!(!findings.is_empty(), "{text}");
        let shown = shown(&findings);
        assert!(!shown.contains("4eC39HqLyj"), "{shown}");
    }
    let logs_in = all(
        r#"{"containerDefinitions": [{"name": "a", "image": "alpine:3", "healthCheck":
           {"command": ["CMD-SHELL", "curl", "-u", "admin:4eC39HqLyj", "http://localhost/"]}}]}"#,
        &on_ecs(),
    );
    assert!(!shown(&logs_in).contains("4eC39HqLyj"), "{}", shown(&logs_in));
    let number = all(
        r#"{"containerDefinitions": [{"name": "a", "image": "a:1", "environment": [{"name": "PIN", "value": 73519284}]}]}"#,
        &on_ecs(),
    );
    assert!(!shown(&number).contains("73519284"), "{}", shown(&number));
}

#[test]
fn on_local_docker_nothing_is_said_of_ecs() {
    let docker = Subject {
        platform: Some(Platform::Docker),
        image: Some("app:1".into()),
        environment: Some("local".into()),
        ..on_ecs()
    };
    assert_eq!(all(CASE_STUDY, &docker), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_panics(text in ".*") {
        let _ = all(&text, &on_ecs());
    }

    #[test]
    fn no_broken_definition_panics(at in 0..CASE_STUDY.len(), with in "[\\[\\]{}\",:0-9a-z$é-]{0,3}") {
        let mut text = CASE_STUDY.to_owned();
        text.insert_str(at, &with);
        let _ = all(&text, &on_ecs());
    }

    #[test]
    fn no_value_of_another_type_panics(key in "name|image|portMappings|environment|secrets|healthCheck|logConfiguration|memory|stopTimeout|cpu|networkMode|command|interval|family|valueFrom", value in "null|true|-1|99999999999999999999|1.5|\"\"|\\[\\]|\\{\\}|\\[\\{\\}\\]|\\[null\\]|\\[\"CMD\"\\]") {
        let text = CASE_STUDY.replacen(&format!("\"{key}\": "), &format!("\"{key}\": {value}, \"was-{key}\": "), 1);
        let _ = all(&text, &on_ecs());
    }
}
