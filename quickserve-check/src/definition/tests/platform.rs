//! Roles, references, and the service beside the definition.

use super::*;

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
