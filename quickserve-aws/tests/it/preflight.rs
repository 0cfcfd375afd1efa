//! The checks of QS6xx beside an emulator, and what they call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use quickserve_aws::preflight::{Subject, again, check};
use quickserve_core::config::Strategy;
use quickserve_core::preflight::Report;
use quickserve_core::service::ServiceKey;
use quickserve_core::workload::{Reading, TaskDefinition};
use serde_json::json;

use crate::emulator::Emulator;
use crate::support::clients_over;

const ACCOUNT: &str = "000000600001";

/// Passes calls on and notes their names; those of one name are denied.
#[derive(Debug, Clone)]
struct Tap {
    calls: Arc<Mutex<Vec<String>>>,
    denied: Option<&'static str>,
    inner: SharedHttpClient,
}

#[derive(Debug)]
struct Connector {
    tap: Tap,
    inner: SharedHttpConnector,
}

impl Tap {
    fn new(denied: Option<&'static str>) -> Self {
        Self { calls: Arc::default(), denied, inner: quickserve_aws::https() }
    }

    /// The names of all calls, each once.
    fn calls(&self) -> Vec<String> {
        let mut calls = self.calls.lock().expect("no test panicked meanwhile").clone();
        calls.sort();
        calls.dedup();
        calls
    }
}

impl HttpClient for Tap {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { tap: self.clone(), inner })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let name = operation(&request);
        self.tap.calls.lock().expect("no test panicked meanwhile").push(name.clone());
        if self.tap.denied != Some(name.as_str()) {
            return self.inner.call(request);
        }
        let body = json!({ "__type": "AccessDeniedException", "message": "no policy allows it" });
        let status = 400.try_into().expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body.to_string()))))
    }
}

/// AWS JSON names it in a header, CBOR in the path, the query protocol in the body.
fn operation(request: &HttpRequest) -> String {
    let last = |text: &str, at: char| text.rsplit(at).next().unwrap_or_default().to_owned();
    if let Some(target) = request.headers().get("x-amz-target") {
        return last(target, '.');
    }
    if request.uri().contains("/operation/") {
        return last(request.uri(), '/');
    }
    // EC2's is asked by a query alone.
    if let Some((_, query)) = request.uri().split_once("?Action=") {
        return query.split('&').next().unwrap_or_default().to_owned();
    }
    let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
    let action = body.split('&').find_map(|part| part.strip_prefix("Action="));
    action.unwrap_or_default().to_owned()
}

fn subject() -> Subject {
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
    let definition = json!({
        "family": "shop", "networkMode": "awsvpc", "cpu": "256", "memory": "512",
        "executionRoleArn": role("execution"), "taskRoleArn": role("task"),
        "containerDefinitions": [{
            "name": "app", "image": "shop:1", "portMappings": [{ "containerPort": 3000 }],
            "logConfiguration": { "logDriver": "awslogs", "options": {
                "awslogs-group": "/ecs/shop", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "shop" } },
        }],
    });
    let read = TaskDefinition::read(&definition.to_string(), &Reading::default()).expect("a definition");
    Subject {
        key: ServiceKey::new("shop", "production").expect("a key"),
        journal: None,
        cluster: "main".into(),
        service: "shop".into(),
        family: "shop".into(),
        assume_role: None,
        workload: read.workload,
        images: BTreeMap::from([("app".into(), "shop:1".into())]),
        definition: Some(json!({ "launchType": "FARGATE" }).to_string()),
        strategy: Strategy::Rolling,
        tasks: Some(2),
        minimum_healthy_percent: 100,
        maximum_percent: 200,
        drain_timeout: Duration::from_secs(30),
        timeout: Duration::from_mins(15),
        alarms: Vec::new(),
        has_good_release: false,
    }
}

async fn checked(emulator: &Emulator, tap: &Tap) -> Report {
    checked_of(emulator, tap, &subject()).await
}

async fn checked_of(emulator: &Emulator, tap: &Tap, subject: &Subject) -> Report {
    let clients = clients_over(emulator.port, ACCOUNT, SharedHttpClient::new(tap.clone()));
    let report = check(&clients, subject).await;
    for call in tap.calls() {
        let reads = ["Describe", "Get", "List", "Simulate"];
        assert!(reads.iter().any(|read| call.starts_with(read)), "{call} may change something");
    }
    report
}

fn lines(report: &Report) -> String {
    let lines = report.findings.iter().map(|finding| format!("{:?} {finding}", finding.severity));
    lines.collect::<Vec<_>>().join("\n")
}

fn cluster(emulator: &Emulator) {
    let target = "AmazonEC2ContainerServiceV20141113.CreateCluster";
    emulator.aws(ACCOUNT, "ecs", target, &json!({ "clusterName": "main" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_not_there_is_told_and_nothing_that_follows_from_it() {
    let emulator = Emulator::start().await;
    let tap = Tap::new(None);
    insta::assert_snapshot!(lines(&checked(&emulator, &tap).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_missing_around_a_service_is_told_at_once_by_reads_alone() {
    let emulator = Emulator::start().await;
    cluster(&emulator);
    emulator.role(ACCOUNT, "execution", "ec2.amazonaws.com");
    let tap = Tap::new(None);
    let report = checked(&emulator, &tap).await;
    insta::assert_snapshot!(format!("{}\n\n{}", lines(&report), tap.calls().join(" ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_denied_is_told_with_its_action_and_the_rest_goes_on() {
    let emulator = Emulator::start().await;
    cluster(&emulator);
    let tap = Tap::new(Some("DescribeLogGroups"));
    let report = checked(&emulator, &tap).await;
    let denied = report.findings.iter().find(|it| it.message.contains("logs:DescribeLogGroups"));
    insta::assert_snapshot!(format!("{}", denied.expect("a finding")));
    assert!(report.findings.iter().any(|it| it.message == "role task does not exist"));
    let tap = Tap::new(Some("DescribeServices"));
    let needed = checked(&emulator, &tap).await;
    assert!(needed.refuses(), "without it nothing can be deployed");
    assert!(lines(&needed).contains("QS605 ecs:DescribeServices"), "{}", lines(&needed));
}

/// Makes something of a load balancer, and answers its ARN.
fn make(emulator: &Emulator, element: &str, form: &[(&str, &str)]) -> String {
    let answer = emulator.query(ACCOUNT, "elasticloadbalancing", form);
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let arn = answer.split(&open).nth(1).and_then(|rest| rest.split(&close).next());
    arn.unwrap_or_else(|| panic!("{form:?}: {answer}")).to_owned()
}

fn target_group(emulator: &Emulator, name: &str, kind: &str, path: &str) -> String {
    let form = [
        ("Action", "CreateTargetGroup"),
        ("Name", name),
        ("Protocol", "HTTP"),
        ("Port", "3000"),
        ("VpcId", "vpc-1"),
        ("TargetType", kind),
        ("HealthCheckPath", path),
    ];
    make(emulator, "TargetGroupArn", &form)
}

/// A service with this in front of it.
fn balanced(balancer: &serde_json::Value, subnet: &str) -> Subject {
    let definition = json!({
        "launchType": "FARGATE",
        "loadBalancers": [balancer],
        "networkConfiguration": { "awsvpcConfiguration": { "subnets": [subnet] } },
    });
    Subject { definition: Some(definition.to_string()), ..subject() }
}

fn of_codes(report: &Report, codes: &[&str]) -> String {
    let lines = report.findings.iter().filter(|finding| codes.contains(&&*finding.code.to_string()));
    lines.map(|finding| format!("{:?} {finding}", finding.severity)).collect::<Vec<_>>().join("\n")
}

const IN_FRONT: [&str; 4] = ["QS614", "QS615", "QS616", "QS621"];

#[tokio::test(flavor = "multi_thread")]
async fn target_groups_and_subnets_that_do_not_fit_are_told() {
    let emulator = Emulator::start().await;
    cluster(&emulator);
    let arn = target_group(&emulator, "instances", "instance", "/ready");
    let subject = balanced(
        &json!({ "targetGroupArn": arn, "containerName": "app", "containerPort": 8080 }),
        "subnet-0123456789abcdef0",
    );
    let subject =
        Subject { strategy: Strategy::BlueGreen, drain_timeout: Duration::from_mins(10), ..subject };
    let tap = Tap::new(None);
    let report = checked_of(&emulator, &tap, &subject).await;
    let told = of_codes(&report, &IN_FRONT).replace(&arn, "arn:instances");
    insta::assert_snapshot!(told);
    let calls = tap.calls();
    for call in ["DescribeTargetGroups", "DescribeTargetGroupAttributes", "DescribeSubnets"] {
        assert!(calls.iter().any(|it| it == call), "{calls:?}");
    }
    let gone = balanced(
        &json!({ "targetGroupArn": format!("{arn}0"), "containerName": "app", "containerPort": 3000 }),
        "subnet-0",
    );
    let told = of_codes(&checked_of(&emulator, &tap, &gone).await, &["QS615"]);
    assert!(told.contains("target group instances does not exist"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_can_be_shifted_where_rules_forward_to_both_groups() {
    let emulator = Emulator::start().await;
    cluster(&emulator);
    let [blue, green] = ["blue", "green"].map(|name| target_group(&emulator, name, "ip", "/health"));
    let form = [("Action", "CreateLoadBalancer"), ("Name", "front"), ("Type", "application")];
    let balancer = make(&emulator, "LoadBalancerArn", &form);
    let form = [
        ("Action", "CreateListener"),
        ("LoadBalancerArn", &*balancer),
        ("Protocol", "HTTP"),
        ("Port", "80"),
        ("DefaultActions.member.1.Type", "forward"),
        ("DefaultActions.member.1.TargetGroupArn", &*blue),
    ];
    let listener = make(&emulator, "ListenerArn", &form);
    let rule = |priority: &str, group: &str| {
        let form = [
            ("Action", "CreateRule"),
            ("ListenerArn", &*listener),
            ("Priority", priority),
            ("Conditions.member.1.Field", "path-pattern"),
            ("Conditions.member.1.Values.member.1", "/*"),
            ("Actions.member.1.Type", "forward"),
            ("Actions.member.1.TargetGroupArn", group),
        ];
        make(&emulator, "RuleArn", &form)
    };
    let (production, test) = (rule("1", &blue), rule("2", &green));
    let subject = |test: Option<&str>| {
        let balancer = json!({
            "targetGroupArn": blue, "containerName": "app", "containerPort": 3000,
            "advancedConfiguration": {
                "alternateTargetGroupArn": green, "productionListenerRule": production, "testListenerRule": test,
                "roleArn": format!("arn:aws:iam::{ACCOUNT}:role/shift"),
            },
        });
        Subject { strategy: Strategy::BlueGreen, ..balanced(&balancer, "subnet-0") }
    };
    let tap = Tap::new(None);
    let shift =
        async |test: Option<&str>| of_codes(&checked_of(&emulator, &tap, &subject(test)).await, &["QS614"]);
    assert_eq!(shift(Some(&test)).await, "");
    assert!(shift(None).await.contains("no rule forwards to target group green"));
    let absent = format!("{}0", &test[..test.len() - 1]);
    assert!(shift(Some(&absent)).await.contains("does not exist"));
    let bare = Subject { strategy: Strategy::Canary, definition: Some("{}".into()), ..self::subject() };
    let told = of_codes(&checked_of(&emulator, &tap, &bare).await, &["QS614"]);
    assert!(told.contains("the service has no load balancer"), "{told}");
    // A listener of a Network Load Balancer stands for a rule.
    assert_eq!(shift(Some(&listener)).await.matches("no rule forwards to target group green").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_the_lock_only_what_refuses_is_told() {
    let emulator = Emulator::start().await;
    cluster(&emulator);
    let tap = Tap::new(None);
    let clients = clients_over(emulator.port, ACCOUNT, SharedHttpClient::new(tap.clone()));
    let report = again(&clients, &subject()).await;
    let codes: Vec<String> = report.findings.iter().map(|finding| finding.code.to_string()).collect();
    assert_eq!(codes, ["QS613"]);
    assert_eq!(tap.calls(), ["DescribeLogGroups", "DescribeServices"]);
}
