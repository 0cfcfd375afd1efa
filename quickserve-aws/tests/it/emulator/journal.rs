//! Journals on the emulator's S3.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use object_store::ObjectStore;
use quickserve_aws::journal;
use quickserve_core::clock::SystemClock;
use quickserve_core::contract::{self, JournalFixture, JournalStage};
use quickserve_core::journal::Journal;
use quickserve_core::service::ServiceKey;
use quickserve_core::{ErrorKind, Result};

use super::{ACCOUNT, Emulator};
use crate::journal::{abort, opened};
use crate::proxy::Proxy;
use crate::support::clients;

pub(crate) fn make_bucket(emulator: &Emulator, name: &str) {
    let scope = format!("{ACCOUNT}/20261129/us-east-1/s3/aws4_request");
    let signature = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let (status, body) = emulator.http("PUT", &format!("/{name}"), &[("authorization", &*signature)], b"");
    assert_eq!(status, 200, "{name}: {body}");
}

pub(crate) fn store(port: u16, place: &str) -> Arc<dyn ObjectStore> {
    let place = place.parse().expect("a place");
    journal::store(&clients(port, ACCOUNT), &place, Arc::new(SystemClock)).expect("a store")
}

async fn read(store: Arc<dyn ObjectStore>, nonce: &str) -> Result<Journal> {
    let key = ServiceKey::new("shop", "production")?;
    Journal::read(store, &key, Arc::new(SystemClock), nonce).await
}

struct Fixture {
    emulator: Emulator,
    stages: AtomicU32,
}

struct Stage {
    port: u16,
    place: String,
}

#[async_trait]
impl JournalFixture for Fixture {
    async fn fresh(&self) -> Box<dyn JournalStage> {
        let bucket = format!("stage-{}", self.stages.fetch_add(1, Ordering::Relaxed));
        make_bucket(&self.emulator, &bucket);
        Box::new(Stage { port: self.emulator.port, place: format!("s3://{bucket}/team/journal") })
    }
}

impl JournalStage for Stage {
    fn store(&self) -> Arc<dyn ObjectStore> {
        store(self.port, &self.place)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_holds_the_contract_of_journals() {
    contract::journal(&Fixture { emulator: Emulator::start().await, stages: AtomicU32::new(0) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_is_told_with_how_to_make_it() {
    let emulator = Emulator::start().await;
    let error = read(store(emulator.port, "s3://acme-deploy/journal"), "ada").await.expect_err("no bucket");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let because = error.causes().pop();
    assert_eq!(because.as_deref(), Some("s3:ListBucket: there is no bucket acme-deploy"));
    assert!(error.hint().expect("a hint").contains("quickserve aws bootstrap s3://acme-deploy"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_after_a_write_lose_and_double_no_record() {
    let emulator = Emulator::start().await;
    make_bucket(&emulator, "acme-deploy");
    let proxy = Proxy::before(emulator.port).await;
    let place = "s3://acme-deploy/journal";
    let mut ada = read(store(proxy.port, place), "ada").await.expect("a journal");
    proxy.lose_answers("PUT", 2);
    ada.open(opened("ada")).await.expect("an epoch");
    for number in 2..6 {
        // The first write of each record has its effect, and nobody learns of it.
        proxy.lose_answers("PUT", 1);
        assert_eq!(ada.request(abort("ada")).await.expect("a record"), number);
    }
    assert_eq!(proxy.lost(), 6);
    let reader = read(store(emulator.port, place), "reader").await.expect("a journal");
    assert_eq!(reader.records(1).await.expect("records").len(), 5);
    assert_eq!(reader.state(), ada.state());
}
