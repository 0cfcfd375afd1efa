//! Ports that disagree, and ports of the host.

use super::*;

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
    assert_eq!(disagree(&claims, &Listener::default()), []);
    let dockerfile = Text::new("Dockerfile", "FROM x\nEXPOSE 8080\n");
    claims.push(PortClaim::new(&dockerfile, &(14..18), 8080, "EXPOSE"));
    let findings = disagree(&claims, &Listener::default());
    insta::assert_snapshot!(shown(&findings), @r#"
    Warning: QS203 EXPOSE is 8080, and containerPort of quickserve-app is 3000
      --> Dockerfile:2:8
      2 | EXPOSE 8080
        |        ^^^^
      hint: name the one port that the application listens on in both
    "#);
    assert_eq!(disagree(&[], &Listener::default()), []);
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
