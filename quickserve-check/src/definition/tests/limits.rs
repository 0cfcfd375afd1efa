//! Sizes, and what ECS would reject.

use super::*;

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
fn firelens_has_both_its_halves() {
    let router = r#"{"name": "router", "image": "r/fluent-bit:1", "memory": 64, "firelensConfiguration": {"type": "fluentbit"}}"#;
    let by_it = r#", "logConfiguration": {"logDriver": "awsfirelens"}"#;
    let missing = "QS422 app logs by awsfirelens, and no container has a firelensConfiguration";
    assert!(judged("", by_it).contains(&missing.to_owned()), "{:?}", judged("", by_it));
    let task = |app: &str| {
        let text = format!(
            r#"{{"family": "t", "containerDefinitions": [{{"name": "app", "image": "r/app:1", "memory": 64{app}}}, {router}]}}"#
        );
        let findings = judge(&definition(&text), &on_ecs()).findings;
        let firelens = findings.into_iter().filter(|finding| finding.message.contains("firelens"));
        firelens.map(|finding| finding.message).collect::<Vec<_>>()
    };
    assert_eq!(task(by_it), [""; 0]);
    assert_eq!(task(""), ["firelensConfiguration is there, and no container logs by awsfirelens"]);
    assert_eq!(task(r#", "logConfiguration": {"logDriver": "${DRIVER}"}"#), [""; 0]);
}
