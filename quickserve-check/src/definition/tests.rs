use std::time::Duration;

use proptest::prelude::*;
use quickserve_core::config::Platform;
use quickserve_core::finding::{Code, Finding, Severity};

use super::*;
use crate::{Rollout, Text};

const CASE_STUDY: &str = include_str!("../../../tests/fixtures/case-study/deploy/aws-task-definition.json");
const CASE_STUDY_HEALTH: &str = include_str!("testdata/case-study-health.js");

/// What ECS is asked for, with no quickserve.toml.
fn on_ecs() -> Subject {
    Subject { definition: Some("task.json".into()), ..Subject::default() }
}

fn parsed(text: &str, subject: &Subject) -> (Option<Definition>, Vec<Finding>) {
    read::parse(Text::new("task.json", text), subject)
}

fn definition(text: &str) -> Definition {
    parsed(text, &on_ecs()).0.expect("a definition")
}

/// All findings, those of reading first.
fn all(text: &str, subject: &Subject) -> Vec<Finding> {
    let (definition, mut findings) = parsed(text, subject);
    findings.extend(definition.iter().flat_map(|definition| judge(definition, subject).findings));
    crate::facts::sort(&mut findings);
    findings
}

fn shown(findings: &[Finding]) -> String {
    let shown = findings.iter().map(|finding| format!("{:?}: {finding:#}", finding.severity));
    shown.collect::<Vec<_>>().join("\n")
}

/// What the rules say of a task with these fields and one container with those.
fn judged_as(subject: &Subject, task: &str, container: &str) -> Vec<String> {
    let text = format!(
        r#"{{"family": "t", "containerDefinitions": [{{"name": "app", "image": "app@sha256:00", "memory": 64{container}}}]{task}}}"#
    );
    let report = judge(&definition(&text), subject);
    report.findings.iter().map(|finding| format!("{} {}", finding.code, finding.message)).collect()
}

fn judged(task: &str, container: &str) -> Vec<String> {
    judged_as(&on_ecs(), task, container)
}

/// The same of a task that Fargate would take.
fn on_fargate(task: &str, container: &str) -> Vec<String> {
    let base = r#", "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc""#;
    let size = if task.contains("\"cpu\"") { "" } else { r#", "cpu": "256", "memory": "512""# };
    judged(&format!("{base}{size}{task}"), container)
}

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
        ("fargate-web", include_str!("testdata/fargate-web.json")),
        ("ec2-bridge-agent", include_str!("testdata/ec2-bridge-agent.json")),
        ("firelens-sidecar", include_str!("testdata/firelens-sidecar.json")),
        ("codedeploy", include_str!("testdata/codedeploy.json")),
        ("described", include_str!("testdata/described.json")),
        ("nginx-and-app", include_str!("testdata/nginx-and-app.json")),
        ("worker", include_str!("testdata/worker.json")),
        ("app-mesh", include_str!("testdata/app-mesh.json")),
        ("host-network", include_str!("testdata/host-network.json")),
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
fn ports_that_disagree_are_found() {
    let port = r#", "portMappings": [{"containerPort": 3000}]"#;
    let variable = |port: u16| format!(r#", "environment": [{{"name": "PORT", "value": "{port}"}}]"#);
    let health = |port: u16| {
        format!(r#", "healthCheck": {{"command": ["CMD-SHELL", "curl -f http://localhost:{port}/health"]}}"#)
    };
    let mismatch = |container: &str| {
        let found = judged("", container);
        found.into_iter().filter(|finding| finding.starts_with("QS203")).collect::<Vec<_>>()
    };
    assert_eq!(mismatch(&format!("{port}{}{}", variable(3000), health(3000))), [""; 0]);
    assert_eq!(
        mismatch(&format!("{port}{}", variable(8080))),
        ["QS203 PORT of app is 8080, and containerPort of app is 3000"]
    );
    assert_eq!(
        mismatch(&format!("{port}{}{}", variable(8080), health(8080))),
        ["QS203 containerPort of app is 3000, and PORT of app is 8080"],
        "most places are right"
    );
    assert_eq!(
        mismatch(&format!("{port}{}", health(9000))),
        ["QS203 the port that the health check of app asks is 9000, and containerPort of app is 3000"]
    );
    let two = r#", "portMappings": [{"containerPort": 9090}, {"containerPort": 3000}]"#;
    assert_eq!(mismatch(&format!("{two}{}{}", variable(3000), health(9090))), [""; 0]);
}

#[test]
fn a_claim_of_another_file_joins_in() {
    let definition = definition(CASE_STUDY);
    let main = definition.main(&on_ecs()).expect("a container");
    let mut claims = claims(&definition, main);
    assert_eq!(disagree(&claims), []);
    let dockerfile = Text::new("Dockerfile", "FROM x\nEXPOSE 8080\n");
    claims.push(PortClaim::new(&dockerfile, &(14..18), 8080, "EXPOSE"));
    let findings = disagree(&claims);
    insta::assert_snapshot!(shown(&findings), @r#"
    Warning: QS203 EXPOSE is 8080, and containerPort of quickserve-app is 3000
      --> Dockerfile:2:8
      2 | EXPOSE 8080
        |        ^^^^
      hint: name the one port that the application listens on in both
    "#);
    assert_eq!(disagree(&[]), []);
}

#[test]
fn a_port_of_the_host_is_for_one_task() {
    let fixed = r#", "portMappings": [{"containerPort": 3000, "hostPort": 80}]"#;
    let dynamic = r#", "portMappings": [{"containerPort": 3000, "hostPort": 0}]"#;
    let found = |task: &str, container: &str| {
        judged(task, container).iter().filter(|finding| finding.starts_with("QS204")).count()
    };
    assert_eq!(found("", fixed), 1);
    assert_eq!(found("", dynamic), 0);
    assert_eq!(found(r#", "networkMode": "host""#, r#", "portMappings": [{"containerPort": 3000}]"#), 1);
    assert_eq!(found(r#", "networkMode": "awsvpc""#, r#", "portMappings": [{"containerPort": 3000}]"#), 0);
}

#[test]
fn two_containers_cannot_take_one_port() {
    let task = |network: &str, protocol: &str| {
        let text = format!(
            r#"{{"family": "t", "networkMode": "{network}", "containerDefinitions": [
            {{"name": "a", "image": "a@sha256:00", "memory": 64, "portMappings": [{{"containerPort": 80}}]}},
            {{"name": "b", "image": "b@sha256:00", "memory": 64, "portMappings": [{{"containerPort": 80, "protocol": "{protocol}"}}]}}]}}"#
        );
        let findings = judge(&definition(&text), &on_ecs()).findings;
        findings
            .iter()
            .filter(|finding| finding.code == Code::PORT_TWICE)
            .map(|finding| finding.message.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(task("awsvpc", "tcp"), ["b and a both take port 80, and the task has it once"]);
    assert_eq!(task("awsvpc", "udp"), [""; 0]);
    assert_eq!(task("bridge", "tcp"), [""; 0]);
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
fn a_container_that_takes_requests_has_a_health_check() {
    let port = r#", "portMappings": [{"containerPort": 80}]"#;
    assert_eq!(judged("", port), ["QS409 app takes requests and has no healthCheck"]);
    assert_eq!(
        judged("", &format!(r#"{port}, "healthCheck": {{"command": ["NONE"]}}"#)),
        ["QS409 app takes requests and switches its health check off"]
    );
    assert_eq!(judged("", ""), [""; 0], "a worker needs none");
}

#[test]
fn a_health_check_is_one_that_can_work() {
    let check = |command: &str| judged("", &format!(r#", "healthCheck": {{"command": {command}}}"#));
    for right in [
        r#"["CMD-SHELL", "curl -f http://localhost/ || exit 1"]"#,
        r#"["CMD-SHELL", "curl --silent --fail localhost:80"]"#,
        r#"["CMD-SHELL", "test $(curl -s -o /dev/null -w '%{http_code}' localhost) = 200"]"#,
        r#"["CMD-SHELL", "curl -s localhost | grep -q ok"]"#,
        r#"["CMD", "node", "healthcheck.js"]"#,
        r#"["CMD", "/app"]"#,
    ] {
        assert_eq!(check(right), [""; 0], "{right}");
    }
    assert_eq!(
        check(r#"["CMD", "curl -f http://localhost/ || exit 1"]"#),
        ["QS413 the health check of app runs one program whose name is the whole line"]
    );
    assert_eq!(
        check(r#"["CMD", "curl", "-f", "http://localhost/", "||", "exit", "1"]"#),
        ["QS413 the health check of app has no shell that knows ||, && or a pipe"]
    );
    assert_eq!(
        check(r#"["CMD-SHELL", "curl", "-f", "http://localhost/"]"#),
        ["QS413 the health check of app gives the shell \"curl\" alone to run"]
    );
    assert_eq!(
        check(r#"["CMD-SHELL", "curl http://localhost/ || exit 1"]"#),
        ["QS413 the health check of app succeeds whatever the service answers"]
    );
    assert_eq!(
        judged(
            "",
            r#", "healthCheck": {"command": ["CMD", "x"], "interval": 10, "timeout": 20, "startPeriod": 9}"#
        ),
        ["QS413 the health check of app may take 20 s, and runs every 10 s"]
    );
}

#[test]
fn a_service_has_time_to_start() {
    let check = |numbers: &str| format!(r#", "healthCheck": {{"command": ["CMD", "x"]{numbers}}}"#);
    assert_eq!(judged("", &check("")), [""; 0], "the defaults give 90 s");
    assert_eq!(
        judged("", &check(r#", "interval": 5, "retries": 2"#)),
        ["QS411 app must be healthy 10 s after its start, or ECS ends the task"]
    );
    assert_eq!(judged("", &check(r#", "interval": 5, "retries": 2, "startPeriod": 30"#)), [""; 0]);
    let slow = with_rollout(Rollout { grace: Some(Duration::from_mins(2)), ..ROLLOUT });
    assert_eq!(
        judged_as(&slow, "", &check("")),
        ["QS411 ECS gives app up 90 s after its start, and it may take 120 s to be healthy"]
    );
}

const ROLLOUT: Rollout = Rollout {
    tasks: 2,
    minimum_healthy_percent: 100,
    maximum_percent: 200,
    drain_timeout: Duration::from_secs(10),
    grace: None,
};

fn with_rollout(rollout: Rollout) -> Subject {
    Subject { rollout: Some(rollout), platform: Some(Platform::Ecs), ..on_ecs() }
}

#[test]
fn a_program_that_the_image_lacks_is_found() {
    let text = |command: &str| {
        format!(
            r#"{{"family": "t", "containerDefinitions": [{{"name": "app", "image": "app:1", "healthCheck": {{"command": {command}}}}}]}}"#
        )
    };
    let missing = |command: &str, base: &str, rest: &str| {
        let definition = definition(&text(command));
        let container = definition.main(&on_ecs()).expect("a container");
        missing_program(&definition, container, base, rest).map(|finding| finding.message)
    };
    let curl = r#"["CMD-SHELL", "curl -f http://localhost || exit 1"]"#;
    assert_eq!(
        missing(curl, "node:20-slim", "").as_deref(),
        Some("the health check of app runs curl, which node:20-slim does not have")
    );
    assert_eq!(missing(curl, "node:18-alpine", "RUN apk add --no-cache curl"), None);
    assert_eq!(missing(curl, "node:18", ""), None);
    assert_eq!(
        missing(curl, "gcr.io/distroless/nodejs20", "").as_deref(),
        Some("the health check of app runs in a shell, and gcr.io/distroless/nodejs20 has none")
    );
    assert_eq!(missing(r#"["CMD", "/app", "health"]"#, "scratch", ""), None);
    let sidecar = r#"{"family": "t", "containerDefinitions": [{"name": "app", "memory": 4, "image": "redis:7-alpine@sha256:00"}, {"name": "side", "memory": 4, "image": "alpine:3@sha256:00", "healthCheck": {"command": ["CMD-SHELL", "curl -f localhost"]}}]}"#;
    let found = judge(&definition(sidecar), &on_ecs()).findings;
    assert_eq!(found.iter().filter(|finding| finding.code == Code::HEALTH_CHECK_PROGRAM).count(), 1);
}

#[test]
fn a_time_to_stop_fits_fargate_and_the_requests() {
    assert_eq!(
        on_fargate("", r#", "stopTimeout": 300"#),
        ["QS414 stopTimeout of app is 300 s, and Fargate waits at most 120 s"]
    );
    assert_eq!(on_fargate("", r#", "stopTimeout": 120"#), [""; 0]);
    let draining = with_rollout(Rollout { drain_timeout: Duration::from_mins(1), ..ROLLOUT });
    assert_eq!(
        judged_as(&draining, "", ""),
        ["QS414 app is killed 30 s after SIGTERM, the default, and requests may take 60 s to end"]
    );
    assert_eq!(judged_as(&draining, "", r#", "stopTimeout": 60"#), [""; 0]);
}

#[test]
fn fargate_has_its_sizes() {
    let size =
        |cpu: &str, memory: &str| on_fargate(&format!(r#", "cpu": "{cpu}", "memory": "{memory}""#), "");
    for (cpu, memory) in [
        ("256", "512"),
        ("256", "2048"),
        (".25 vCPU", "0.5 GB"),
        ("512", "4096"),
        ("1024", "8192"),
        ("1 vCPU", "2GB"),
        ("2048", "16384"),
        ("4096", "30720"),
        ("8192", "61440"),
        ("16384", "122880"),
        ("16 vCPU", "32 GB"),
        ("${CPU}", "100"),
        ("32768", "245760"),
    ] {
        assert_eq!(size(cpu, memory), [""; 0], "{cpu} {memory}");
    }
    for (cpu, memory) in [
        ("256", "4096"),
        ("256", "768"),
        ("512", "512"),
        ("1024", "1024"),
        ("2048", "4608"),
        ("4096", "31744"),
        ("8192", "17408"),
        ("16384", "36864"),
        ("300", "512"),
        ("128", "512"),
    ] {
        let found = size(cpu, memory);
        assert!(found.len() == 1 && found[0].starts_with("QS415"), "{cpu} {memory}: {found:?}");
    }
}

#[test]
fn containers_fit_into_their_task() {
    let size = r#", "cpu": "256", "memory": "512""#;
    assert_eq!(on_fargate(size, r#", "cpu": 256"#), [""; 0]);
    assert_eq!(
        on_fargate(size, r#", "cpu": 512, "memoryReservation": 1024"#),
        [
            "QS415 the containers ask for 512 CPU units together, and the task has 256",
            "QS415 the containers ask for 1024 MiB of memory together, and the task has 512",
        ]
    );
    let text = r#"{"family": "t", "memory": "512", "containerDefinitions": [{"name": "a", "image": "a@sha256:00", "memory": 1024, "memoryReservation": 64}]}"#;
    assert_eq!(
        judge(&definition(text), &on_ecs()).findings[0].message,
        "memory of a is 1024 MiB, and the task has 512"
    );
}

#[test]
fn a_container_on_ec2_has_a_limit() {
    let limits = |task: &str, container: &str| {
        let text = format!(
            r#"{{"family": "t", "containerDefinitions": [{{"name": "a", "image": "a@sha256:00"{container}}}]{task}}}"#
        );
        let findings = judge(&definition(&text), &on_ecs()).findings;
        findings.iter().map(|finding| (finding.code, finding.severity)).collect::<Vec<_>>()
    };
    assert_eq!(limits("", ""), [(Code::NO_LIMITS, Severity::Error)]);
    assert_eq!(limits("", r#", "memoryReservation": 64"#), [(Code::NO_LIMITS, Severity::Info)]);
    assert_eq!(limits("", r#", "memory": 64"#), []);
    assert_eq!(limits(r#", "memory": "512""#, ""), []);
}

#[test]
fn what_needs_the_execution_role_has_one() {
    let secret = r#", "secrets": [{"name": "A", "valueFrom": "a"}]"#;
    let logs = r#", "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p"}}"#;
    assert_eq!(judged("", secret), ["QS417 no executionRoleArn, which is needed for `secrets`"]);
    assert_eq!(judged("", logs), [""; 0], "on EC2 the instance's role writes logs");
    assert_eq!(
        on_fargate("", &format!("{secret}{logs}")),
        ["QS417 no executionRoleArn, which is needed for `secrets` and awslogs"]
    );
    assert_eq!(
        on_fargate(r#", "executionRoleArn": "ecsTaskExecutionRole""#, &format!("{secret}{logs}")),
        [""; 0]
    );
    assert_eq!(on_fargate("", ""), [""; 0]);
    let ecr = r#"{"family": "t", "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512", "containerDefinitions": [{"name": "a", "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/a@sha256:00"}]}"#;
    assert_eq!(
        judge(&definition(ecr), &on_ecs()).findings[0].message,
        "no executionRoleArn, which is needed for images of ECR"
    );
}

#[test]
fn code_that_calls_aws_has_a_role() {
    let without = definition(CASE_STUDY);
    assert!(no_task_role(&without, true).is_some() && no_task_role(&without, false).is_none());
    let with = definition(r#"{"taskRoleArn": "x", "containerDefinitions": []}"#);
    assert_eq!(no_task_role(&with, true), None);
}

#[test]
fn references_are_judged() {
    let secret = |value: &str| {
        let role = r#", "executionRoleArn": "arn:aws:iam::123456789012:role/x""#;
        let logs = r#", "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p"}}"#;
        judged(role, &format!(r#", "secrets": [{{"name": "A", "valueFrom": "{value}"}}]{logs}"#))
    };
    for right in [
        "/app/db",
        "db.url",
        "arn:aws:ssm:us-east-1:123456789012:parameter/app/db",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf:password::",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf:password:AWSCURRENT:",
        "arn:aws:secretsmanager:us-east-1:${ACCOUNT}:secret:db-AbCdEf",
    ] {
        assert_eq!(secret(right), [""; 0], "{right}");
    }
    let cases = [
        ("db url", "QS418 valueFrom of A is neither an ARN nor the name of a parameter"),
        ("db:password::", "QS418 valueFrom of A is neither an ARN nor the name of a parameter"),
        ("arn:aws:s3:us-east-1:123456789012:bucket", "QS418 valueFrom of A is of s3, which holds no secrets"),
        (
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf:password",
            "QS418 valueFrom of A must have all three of JSON key, stage and version after the name, or none",
        ),
        (
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf",
            "QS118 valueFrom of A is in the region eu-west-1, and the logs are in us-east-1",
        ),
        (
            "arn:aws:secretsmanager:us-east-1:999999999999:secret:db-AbCdEf",
            "QS118 valueFrom of A is in the account 999999999999, and the roles are in 123456789012",
        ),
        (
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-url",
            "QS118 valueFrom of A lacks the six random characters that end the ARN of a secret",
        ),
        (
            "arn:aws:ssm:us-east-1:<account>:parameter/x",
            "QS120 valueFrom of A holds <account>, which ECS takes as it is",
        ),
    ];
    for (value, expected) in cases {
        assert_eq!(secret(value), [expected], "{value}");
    }
    assert_eq!(
        judged(r#", "taskRoleArn": "arn:aws:iam::123:role/x""#, ""),
        ["QS418 taskRoleArn has the account \"123\", which is not 12 digits"]
    );
    assert_eq!(
        judged(r#", "taskRoleArn": "arn:aws:iam::123456789012:user/x""#, ""),
        ["QS418 taskRoleArn names no role"]
    );
}

#[test]
fn bounds_that_stop_everything_are_refused() {
    let stuck = Rollout { tasks: 1, maximum_percent: 150, ..ROLLOUT };
    let findings = progress::of_settings(&with_rollout(stuck));
    assert_eq!(
        findings[0].message,
        "of 1 task, at least 100 % stay and at most 150 % run: none can ever be replaced"
    );
    assert_eq!(findings[0].hint.as_deref(), Some("let 200 % or more run, or let less than 100 % stay"));
    assert_eq!(progress::of_settings(&with_rollout(ROLLOUT)), []);
    assert_eq!(progress::of_settings(&Subject::default()), []);
}

#[test]
fn a_service_beside_the_definition_is_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write(
        "task.json",
        r#"{"family": "t", "containerDefinitions": [{"name": "a", "image": "a@sha256:00", "memory": 64}]}"#,
    );
    write("package.json", "{}");
    write("broken-service.json", "{\"deploymentConfiguration\": ,}");
    write(
        "service.json",
        "{\n  \"serviceName\": \"s\",\n  \"desiredCount\": 1,\n  \"deploymentConfiguration\": {\n    \"maximumPercent\": 100\n  }\n}\n",
    );
    write(
        "service-well.json",
        r#"{"services": [{"serviceName": "w", "desiredCount": 2, "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": true}}}]}"#,
    );
    write(
        "service-codedeploy.json",
        r#"{"serviceName": "c", "desiredCount": 1, "deploymentController": {"type": "CODE_DEPLOY"}}"#,
    );
    let subject = Subject { root: folder.path().into(), ..on_ecs() };
    let (definition, mut findings) = read(&subject);
    findings.extend(judge(&definition.expect("a definition"), &subject).findings);
    crate::facts::sort(&mut findings);
    insta::assert_snapshot!(shown(&findings));
}

#[test]
fn what_ecs_would_reject_is_said_before() {
    let port = r#", "portMappings": [{"containerPort": 80, "hostPort": 8080}], "healthCheck": {"command": ["CMD", "x"]}"#;
    let awsvpc = r#", "networkMode": "awsvpc""#;
    let cases = [
        (judged(awsvpc, port), "QS422 hostPort 8080 of app is not its containerPort 80"),
        (
            judged(awsvpc, r#", "links": ["b"]"#),
            "QS422 `links` of app is not possible in the network mode awsvpc",
        ),
        (judged(r#", "networkMode": "vpc""#, ""), "QS422 there is no network mode \"vpc\""),
        (on_fargate("", r#", "privileged": true"#), "QS422 app is privileged, which nothing is on Fargate"),
        (
            on_fargate("", r#", "logConfiguration": {"logDriver": "json-file"}"#),
            "QS422 app logs by json-file, which Fargate does not have",
        ),
        (
            judged(
                "",
                r#", "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g"}}"#,
            ),
            "QS422 awslogs of app lacks awslogs-region",
        ),
        (on_fargate(r#", "pidMode": "host""#, ""), "QS422 Fargate does not have this `pidMode`"),
        (
            on_fargate(r#", "volumes": [{"name": "v", "host": {"sourcePath": "/"}}]"#, ""),
            "QS422 a volume on Fargate has no `sourcePath`",
        ),
        (
            judged(r#", "revision": 3, "status": "ACTIVE""#, ""),
            "QS422 `revision` and 1 more fields belong to an answer of ECS",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, [expected]);
    }
    assert_eq!(
        judged(r#", "requiresCompatibilities": ["FARGATE"], "cpu": "256""#, ""),
        [
            "QS422 Fargate needs the network mode awsvpc",
            "QS422 Fargate needs `memory` of the task, beside containerDefinitions",
        ]
    );
    assert_eq!(on_fargate(r#", "pidMode": "task""#, ""), [""; 0]);
    let family =
        judge(&definition(r#"{"family": "my app", "containerDefinitions": []}"#), &on_ecs()).findings;
    assert_eq!(family[0].message, "this is no name of a family");
    let none = judge(&definition(r#"{"containerDefinitions": []}"#), &on_ecs()).findings;
    assert_eq!((none[0].severity, &*none[0].message), (Severity::Warning, "the definition has no family"));
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
