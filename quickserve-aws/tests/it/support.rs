//! What both have in common.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use jiff::Timestamp;
use quickserve_aws::Clients;
use quickserve_core::clock::{Clock, SystemClock};
use quickserve_core::fence::{Epoch, Fence};
use quickserve_core::orchestrator::Revision;
use quickserve_core::release::{Digest, Image, Release};
use quickserve_core::rollout::{RolloutSpec, Way};
use quickserve_core::workload::{Reading, TaskDefinition};
pub(crate) use quickserve_tests::tool;

/// Clients of whatever listens on a port of this machine. An access key of 12 digits is the account to the emulator.
pub(crate) fn clients(port: u16, access_key: &str) -> Clients {
    clients_over(port, access_key, quickserve_aws::https())
}

/// The same, by another HTTP client.
pub(crate) fn clients_over(port: u16, access_key: &str, http: SharedHttpClient) -> Clients {
    let credentials = Credentials::new(access_key, "secret", None, None, "test");
    let timeouts =
        TimeoutConfig::builder().operation_attempt_timeout(std::time::Duration::from_secs(20)).build();
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .retry_config(RetryConfig::standard().with_initial_backoff(std::time::Duration::from_millis(1)))
        .timeout_config(timeouts)
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .http_client(http)
        .build();
    Clients::new(sdk)
}

pub(crate) fn fence() -> Fence {
    let not_after =
        SystemClock.now().checked_add(jiff::SignedDuration::from_mins(1)).unwrap_or(Timestamp::MAX);
    Fence { epoch: Epoch(3), op: 7, not_after }
}

/// A release of one container from a definition; `tag` is its version.
pub(crate) fn release(document: &str, repository: &str, tag: &str, digest: Digest) -> Release {
    let read = TaskDefinition::read(document, &Reading::default()).expect("a definition");
    let container = read.workload.containers[0].name.clone();
    let image = Image { reference: format!("{repository}:{tag}"), digest, manifest: None };
    Release::new(tag, BTreeMap::from([(container, image)]), Vec::new(), read.workload, None)
        .expect("a release")
}

pub(crate) fn spec(release: &Release, revision: &Revision, tasks: Option<u32>) -> RolloutSpec {
    RolloutSpec {
        release: Some(Arc::new(release.clone())),
        revision: revision.clone(),
        tasks,
        fresh: false,
        minimum_healthy_percent: 100,
        maximum_percent: 200,
        way: Way::Rolling,
        gates: Vec::new(),
        gate_timeout: std::time::Duration::from_mins(15),
    }
}
