//! Health checks, and the time that starting and stopping have.

use super::*;

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
        check(r#"["CMD-SHELL", "curl -f -u admin:Tr0ub4dor3x http://localhost/", "|| exit 1"]"#),
        ["QS413 the health check of app gives the shell its first text alone to run"],
        "the password stays out"
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
    let installs = sidecar.replace(
        r#""name": "side","#,
        r#""name": "side", "command": ["sh", "-c", "apk add curl && exec serve"],"#,
    );
    let found = judge(&definition(&installs), &on_ecs()).findings;
    assert_eq!(found.iter().filter(|finding| finding.code == Code::HEALTH_CHECK_PROGRAM).count(), 0);
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
