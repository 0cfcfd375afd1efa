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
use quickserve_aws::preflight::{Subject, check};
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
    let report =
        check(&clients_over(emulator.port, ACCOUNT, SharedHttpClient::new(tap.clone())), &subject()).await;
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

fn role(emulator: &Emulator, name: &str, trusted: &str) {
    let policy = format!(
        "%7B%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22sts%3AAssumeRole%22%2C\
         %22Principal%22%3A%7B%22Service%22%3A%22{trusted}%22%7D%7D%5D%7D"
    );
    let body =
        format!("Action=CreateRole&Version=2010-05-08&RoleName={name}&AssumeRolePolicyDocument={policy}");
    let scope = format!("{ACCOUNT}/20261129/us-east-1/iam/aws4_request");
    let signature = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", &*signature)];
    let (status, answer) = emulator.http("POST", "/", &headers, body.as_bytes());
    assert_eq!(status, 200, "{answer}");
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
    role(&emulator, "execution", "ec2.amazonaws.com");
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
