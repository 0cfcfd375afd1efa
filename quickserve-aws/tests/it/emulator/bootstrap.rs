//! A journal's bucket on the emulator's S3.

use std::sync::Arc;

use quickserve_aws::bootstrap::{self, JournalBucket, Step, plan};
use quickserve_aws::journal::Location;
use quickserve_core::clock::SystemClock;
use quickserve_core::finding::{Code, Finding};

use super::journal::make_bucket;
use super::{ACCOUNT, Emulator};
use crate::support::clients;

fn place() -> Location {
    "s3://acme-deploy/journal".parse().expect("a place")
}

fn bucket(emulator: &Emulator) -> JournalBucket {
    JournalBucket::new(&clients(emulator.port, ACCOUNT), &place(), Arc::new(SystemClock)).expect("a bucket")
}

async fn steps(bucket: &JournalBucket) -> Vec<Step> {
    plan(bucket.look().await.expect("a look"), bucket.region()).expect("a plan")
}

async fn codes(emulator: &Emulator) -> Vec<Code> {
    let clients = clients(emulator.port, ACCOUNT);
    let found = bootstrap::inspect(&clients, &place(), Arc::new(SystemClock)).await.expect("findings");
    found.iter().map(|finding: &Finding| finding.code).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_made_once_and_nothing_is_wrong_with_it() {
    let emulator = Emulator::start().await;
    let bucket = bucket(&emulator);
    assert_eq!(codes(&emulator).await, [Code::JOURNAL_BUCKET]);
    let planned = steps(&bucket).await;
    assert_eq!(planned.len(), 4, "{planned:?}");
    for step in planned.iter().chain(&planned) {
        bucket.apply(step).await.unwrap_or_else(|error| panic!("{step}: {error:?}"));
    }
    assert!(steps(&bucket).await.is_empty());
    assert!(codes(&emulator).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_somebody_made_is_looked_over_and_gets_what_it_lacks() {
    let emulator = Emulator::start().await;
    make_bucket(&emulator, "acme-deploy");
    let rules = "<LifecycleConfiguration><Rule><ID>tidy</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>\
                 <Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>";
    let scope = format!("{ACCOUNT}/20261129/us-east-1/s3/aws4_request");
    let signature = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let path = "/acme-deploy?lifecycle";
    let (status, body) = emulator.http("PUT", path, &[("authorization", &*signature)], rules.as_bytes());
    assert_eq!(status, 200, "{body}");
    let found = codes(&emulator).await;
    for code in [Code::JOURNAL_EXPIRES, Code::JOURNAL_UNVERSIONED, Code::JOURNAL_PLAIN] {
        assert!(found.contains(&code), "{code}: {found:?}");
    }
    let bucket = bucket(&emulator);
    for step in steps(&bucket).await {
        bucket.apply(&step).await.unwrap_or_else(|error| panic!("{step}: {error:?}"));
    }
    // The rule is somebody's decision.
    assert_eq!(codes(&emulator).await, [Code::JOURNAL_EXPIRES]);
}
