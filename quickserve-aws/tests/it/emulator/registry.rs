//! The registry's contract, held by ECR.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use quickserve_aws::registry::{Anonymous, Ecr, RemoteRegistry, Setup};
use quickserve_core::clock::SystemClock;
use quickserve_core::contract::{RegistryFixture, RegistryStage, registry};
use quickserve_core::registry::Registry;
use quickserve_core::release::Digest;
use quickserve_core::service::ServiceKey;
use quickserve_core::{ErrorKind, Result};
use serde_json::{Value, json};

use super::{ACCOUNT, Emulator};
use crate::support::clients;

pub(super) fn remote(emulator: &Emulator, repositories: &[&str]) -> Result<RemoteRegistry> {
    let host = format!("localhost:{}", emulator.port);
    RemoteRegistry::new(Setup {
        key: ServiceKey::new("shop", "production").expect("a key"),
        repositories: repositories.iter().map(|name| format!("{host}/{name}")).collect(),
        credentials: Arc::new(Anonymous),
        ecr: Some(Ecr::new(clients(emulator.port, ACCOUNT)).with_address(&host)),
        platform: "linux/amd64".into(),
        mirrors: BTreeMap::from([("docker.io".to_owned(), host)]),
        clock: Arc::new(SystemClock),
    })
}

/// Puts an image with one layer into a repository, with nothing of what is under test.
fn put(emulator: &Emulator, repository: &str, tag: &str, content: &str) {
    let config = json!({ "os": "linux", "architecture": "amd64", "config": { "Labels": { "content": content } },
        "rootfs": { "type": "layers", "diff_ids": [] } });
    let blob = |bytes: &[u8], kind: &str| -> Value {
        let digest = Digest::of(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let headers = [("content-type", "application/octet-stream")];
        let (status, body) = emulator.http("POST", &path, &headers, bytes);
        assert_eq!(status, 201, "{path}: {body}");
        json!({ "mediaType": kind, "digest": digest.as_str(), "size": bytes.len() })
    };
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": kind,
        "config": blob(config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json"),
        "layers": [blob(content.as_bytes(), "application/vnd.oci.image.layer.v1.tar")],
    });
    let path = format!("/v2/{repository}/manifests/{tag}");
    let (status, body) =
        emulator.http("PUT", &path, &[("content-type", kind)], manifest.to_string().as_bytes());
    assert_eq!(status, 201, "{path}: {body}");
}

struct Fixture {
    emulator: Arc<Emulator>,
    stages: AtomicU32,
}

struct Stage {
    emulator: Arc<Emulator>,
    repository: String,
    registry: Arc<RemoteRegistry>,
}

#[async_trait]
impl RegistryFixture for Fixture {
    async fn fresh(&self) -> Box<dyn RegistryStage> {
        let repository = format!("stage-{}", self.stages.fetch_add(1, Ordering::Relaxed));
        self.emulator.repository(&repository);
        self.emulator.repository(&format!("{repository}-pushed"));
        let registry = Arc::new(remote(&self.emulator, &[&repository]).expect("a registry"));
        Box::new(Stage { emulator: self.emulator.clone(), repository, registry })
    }
}

#[async_trait]
impl RegistryStage for Stage {
    fn registry(&self) -> Arc<dyn Registry> {
        self.registry.clone()
    }

    async fn put(&self, name: &str, content: &str) -> String {
        put(&self.emulator, &self.repository, name, content);
        format!("localhost:{}/{}:{name}", self.emulator.port, self.repository)
    }

    async fn forget(&self, reference: &str) {
        let tag = reference.rsplit(':').next().expect("a tag");
        let target = "AmazonEC2ContainerRegistry_V20150921.BatchDeleteImage";
        let request = json!({ "repositoryName": self.repository, "imageIds": [{ "imageTag": tag }] });
        self.emulator.aws(ACCOUNT, "ecr", target, &request);
    }

    fn push_target(&self) -> Option<String> {
        Some(format!("localhost:{}/{}-pushed:1", self.emulator.port, self.repository))
    }

    fn keeps_documents(&self) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ecr_holds_the_contract_of_registries() {
    let emulator = Arc::new(Emulator::start().await);
    registry(&Fixture { emulator, stages: AtomicU32::new(0) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_told_with_what_is_near() {
    let emulator = Emulator::start().await;
    emulator.repository("storefront");
    put(&emulator, "storefront", "1.8.2", "content");
    let remote = remote(&emulator, &["storefront"]).expect("a registry");
    let host = format!("localhost:{}", emulator.port);
    let tag = remote.resolve(&format!("{host}/storefront:1.8.3")).await.expect_err("no tag");
    assert_eq!(tag.hint(), Some(&*format!("{host}/storefront has 1.8.2")));
    let repository = remote.resolve(&format!("{host}/storefrnt:1.8.2")).await.expect_err("no repository");
    assert_eq!(repository.kind(), ErrorKind::NotFound);
    assert_eq!(repository.hint(), Some("there is no repository storefrnt; did you mean storefront"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_tag_is_not_pushed_over() {
    let emulator = Emulator::start().await;
    emulator.repository("shop");
    put(&emulator, "shop", "1", "one");
    put(&emulator, "shop", "2", "two");
    let target = "AmazonEC2ContainerRegistry_V20150921.PutImageTagMutability";
    let request = json!({ "repositoryName": "shop", "imageTagMutability": "IMMUTABLE" });
    emulator.aws(ACCOUNT, "ecr", target, &request);
    let remote = remote(&emulator, &["shop"]).expect("a registry");
    let reference = |tag: &str| format!("localhost:{}/shop:{tag}", emulator.port);
    let image = remote.resolve(&reference("1")).await.expect("found").image;
    let error = remote.push(&image, &reference("2")).await.expect_err("immutable");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.hint().expect("a hint").contains("new tag"), "{error:?}");
    assert_eq!(remote.push(&image, &reference("1")).await.expect("the same image"), image.digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_will_delete_a_kept_image_is_found() {
    let emulator = Emulator::start().await;
    emulator.repository("shop");
    put(&emulator, "shop", "1", "one");
    let remote = remote(&emulator, &["shop"]).expect("a registry");
    let image = remote.resolve(&format!("localhost:{}/shop:1", emulator.port)).await.expect("found").image;
    assert_eq!(remote.expiry(&image).await.expect("asked"), None);
    let rule = json!({ "rules": [{ "rulePriority": 1, "action": { "type": "expire" }, "selection":
        { "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5 } }] });
    let target = "AmazonEC2ContainerRegistry_V20150921.PutLifecyclePolicy";
    let request = json!({ "repositoryName": "shop", "lifecyclePolicyText": rule.to_string() });
    emulator.aws(ACCOUNT, "ecr", target, &request);
    let expiry = remote.expiry(&image).await.expect("asked").expect("a rule");
    assert_eq!((expiry.rule, expiry.when.as_str()), (1, "when 5 newer images have been pushed"));
}
