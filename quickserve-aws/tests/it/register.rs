//! Registering, as it looks on the wire.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use quickserve_aws::ecs::{Ecs, Setup};
use quickserve_aws::secrets::AwsSecrets;
use quickserve_core::ErrorKind;
use quickserve_core::clock::{Clock, SystemClock};
use quickserve_core::fence::Fence;
use quickserve_core::orchestrator::{Orchestrator as _, Revision};
use quickserve_core::release::{Digest, Release};
use quickserve_core::service::ServiceKey;
use serde_json::{Value, json};

use crate::fake::{Fake, Fault, State};
use crate::support::{clients, fence, release};

pub(crate) const DOCUMENT: &str = r#"{"family": "shop", "revision": 3, "status": "ACTIVE", "cpu": "256",
    "tags": [{"key": "team", "value": "shop"}],
    "containerDefinitions": [{"name": "app", "image": "ghcr.io/acme/shop:1", "portMappings": [{"containerPort": 3000}]}]}"#;

pub(crate) fn ecs(fake: &Fake) -> Ecs {
    ecs_at(fake, Arc::new(SystemClock))
}

pub(crate) fn ecs_at(fake: &Fake, clock: Arc<dyn Clock>) -> Ecs {
    ecs_watching(fake, clock, &[])
}

/// A service whose load balancer can move requests, and whose releases are asked on a test listener first.
pub(crate) fn ecs_shifting(fake: &Fake, clock: Arc<dyn Clock>) -> Ecs {
    let definition = json!({ "launchType": "FARGATE", "loadBalancers": balancers() }).to_string();
    Ecs::new(Setup {
        definition: Some(definition),
        test_listener: Some("127.0.0.1:9".into()),
        ..setup(fake, clock)
    })
}

/// Two target groups, and the rules that choose between them.
pub(crate) fn balancers() -> Value {
    json!([{ "targetGroupArn": "tg/1", "advancedConfiguration": {
        "alternateTargetGroupArn": "tg/2", "productionListenerRule": "rule/1", "testListenerRule": "rule/2",
        "roleArn": "role/1",
    }}])
}

pub(crate) fn ecs_watching(fake: &Fake, clock: Arc<dyn Clock>, alarms: &[&str]) -> Ecs {
    let alarms = alarms.iter().map(|name| (*name).to_owned()).collect();
    Ecs::new(Setup { alarms, ..setup(fake, clock) })
}

fn setup(fake: &Fake, clock: Arc<dyn Clock>) -> Setup {
    let clients = clients(fake.port, "test");
    Setup {
        key: ServiceKey::new("shop", "production").expect("a key"),
        secrets: Arc::new(AwsSecrets::new(clients.clone())),
        clients,
        cluster: "main".into(),
        service: "shop-web".into(),
        definition: Some(r#"{"launchType": "FARGATE", "tags": [{"key": "team", "value": "shop"}]}"#.into()),
        alarms: Vec::new(),
        test_listener: None,
        clock,
    }
}

pub(crate) fn version(tag: &str) -> Release {
    release(DOCUMENT, "ghcr.io/acme/shop", tag, Digest::of(tag.as_bytes()))
}

#[tokio::test]
async fn a_made_up_field_arrives_as_it_was_written() {
    let fake = Fake::start().await;
    let made_up = r#""quantumEntangled": {"pairs": [1.50, 1e3, 12345678901234567890]}"#;
    let document = DOCUMENT.replace(r#""cpu""#, &format!("{made_up}, \"cpu\""));
    let release = release(&document, "ghcr.io/acme/shop", "1", Digest::of(b"1"));
    ecs(&fake).register(&fence(), &release).await.expect("registered");
    let seen = fake.seen("RegisterTaskDefinition");
    assert!(seen[0].body.contains(&made_up.replace("\": {", "\":{")), "{}", seen[0].body);
    assert!(
        !seen[0].body.contains("\"status\""),
        "fields of descriptions are refused by ECS: {}",
        seen[0].body
    );
    assert_eq!(fake.state().violations, ["RegisterTaskDefinition.quantumEntangled is unknown"]);
}

#[tokio::test]
async fn a_registered_release_is_found_by_its_tag_and_another_is_registered() {
    let fake = Fake::start().await;
    let first = ecs(&fake).register(&fence(), &version("1")).await.expect("registered");
    assert_eq!(first, Revision(State::arn(1)));
    // Another process: nothing is remembered.
    assert_eq!(ecs(&fake).register(&fence(), &version("1")).await.expect("found"), first);
    assert_eq!(
        ecs(&fake).register(&fence(), &version("2")).await.expect("registered"),
        Revision(State::arn(2))
    );
    assert_eq!(ecs(&fake).register(&fence(), &version("1")).await.expect("found"), first);
    assert_eq!(fake.seen("RegisterTaskDefinition").len(), 2);
    assert_eq!(fake.state().violations, Vec::<String>::new());
}

#[tokio::test]
async fn a_throttled_call_is_made_again_and_one_that_stays_so_is_temporary() {
    let fake = Fake::start().await;
    fake.state().faults.insert("ListTaskDefinitions", Fault::Throttled(2));
    ecs(&fake).register(&fence(), &version("1")).await.expect("registered");
    for fault in [Fault::Throttled(99), Fault::Unavailable] {
        let several = matches!(fault, Fault::Throttled(_));
        fake.state().faults.insert("ListTaskDefinitions", fault);
        let answer = ecs(&fake).register(&fence(), &version("1")).await;
        if several {
            let error = answer.expect_err("throttled");
            assert!(error.is_temporary(), "{error}");
            assert_eq!(error.to_string(), "ecs:ListTaskDefinitions: ThrottlingException: Rate exceeded");
        } else {
            answer.expect("one that passes is made again");
        }
    }
}

#[tokio::test]
async fn a_refusal_names_the_call_and_the_missing_action() {
    let fake = Fake::start().await;
    let said =
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: iam:PassRole on resource: x";
    fake.state().faults.insert("RegisterTaskDefinition", Fault::Refused("AccessDeniedException", said));
    let error = ecs(&fake).register(&fence(), &version("1")).await.expect_err("denied");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().starts_with("ecs:RegisterTaskDefinition: AccessDeniedException: "), "{error}");
    assert!(error.hint().expect("a hint").contains("iam:PassRole"), "{error:?}");
}

#[tokio::test]
async fn an_owner_whose_lease_is_over_changes_nothing_and_is_told() {
    let fake = Fake::start().await;
    let late = Fence { not_after: Timestamp::UNIX_EPOCH, ..fence() };
    let error = ecs(&fake).register(&late, &version("1")).await.expect_err("fenced");
    assert_eq!(error.kind(), ErrorKind::Fenced);
    assert!(fake.seen("RegisterTaskDefinition").is_empty());
}

/// A clock that stands still, as that of a process that is suspended.
#[derive(Debug)]
struct Stopped(Timestamp);

#[async_trait]
impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }

    async fn sleep(&self, _: Duration) {}
}

#[tokio::test]
async fn what_changes_something_is_signed_with_the_time_at_which_its_lease_was_looked_at() {
    let fake = Fake::start().await;
    let then: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a time");
    let ecs = ecs_at(&fake, Arc::new(Stopped(then)));
    let fence = Fence { not_after: then + jiff::SignedDuration::from_secs(60), ..fence() };
    // What AWS answers to a signature that is older than five minutes; the SDK would sign anew with AWS's time.
    let said = "Signature expired: 20260102T030405Z is now earlier than 20261129T010000Z";
    fake.state().faults.insert("RegisterTaskDefinition", Fault::Refused("InvalidSignatureException", said));
    let error = ecs.register(&fence, &version("1")).await.expect_err("too old");
    assert!(error.hint().expect("a hint").contains("clock"), "{error:?}");
    let seen = fake.seen("RegisterTaskDefinition");
    assert!(seen.iter().all(|seen| seen.signed == "20260102T030405Z"), "{seen:?}");
    ecs.register(&fence, &version("1")).await.expect("registered");
}
