//! Reading: snapshots, gaps, and what newer versions wrote.

use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use serde_json::json;

use super::*;
use crate::Error;
use crate::error::{ErrorKind, Result};

pub(super) fn path(folder: &str, number: u64) -> Path {
    Path::from(format!("local/shop/{folder}/{number:020}.json"))
}

pub(super) async fn put(store: &Arc<dyn ObjectStore>, path: &Path, bytes: impl Into<PutPayload>) {
    store.put(path, bytes.into()).await.unwrap();
}

pub(super) async fn try_read(store: &Arc<dyn ObjectStore>, clock: &Arc<Hand>) -> Result<Journal> {
    Journal::read(Arc::clone(store), &key(), clock.clone(), "reader").await
}

async fn fails(store: &Arc<dyn ObjectStore>, clock: &Arc<Hand>) -> Error {
    try_read(store, clock).await.unwrap_err()
}

/// A journal of three deployments, of three records each.
async fn three(clock: &Arc<Hand>) -> Arc<dyn ObjectStore> {
    let store = in_memory();
    for nonce in ["ada", "bob", "eve"] {
        let mut journal = journal(&store, clock, nonce).await;
        journal.open(opened(nonce)).await.unwrap();
        journal.append(completed(0)).await.unwrap();
        journal.append(ended()).await.unwrap();
    }
    store
}

#[tokio::test]
async fn a_snapshot_amounts_to_the_records_before_it() {
    let clock = Hand::new();
    let store = three(&clock).await;
    let state = journal(&store, &clock, "reader").await.state().clone();
    assert_eq!((state.last, state.deployments.len()), (9, 3));
    // With the first records gone, only the snapshot can have told of them.
    store.delete(&path("records", 1)).await.unwrap();
    assert_eq!(*journal(&store, &clock, "reader").await.state(), state);
    for number in [3, 6] {
        store.get(&path("snapshots", number)).await.unwrap();
    }
}

#[tokio::test]
async fn an_unreadable_snapshot_is_passed_over() {
    let clock = Hand::new();
    let store = three(&clock).await;
    let state = journal(&store, &clock, "reader").await.state().clone();
    let foreign = json!({"by": "99.0.0", "state": State { last: 6, ..State::default() }}).to_string();
    for spoilt in [String::new(), "{".to_owned(), "{}".to_owned(), foreign] {
        put(&store, &path("snapshots", 6), spoilt).await;
        assert_eq!(*journal(&store, &clock, "reader").await.state(), state);
    }
    put(&store, &path("snapshots", 3), "").await;
    assert_eq!(*journal(&store, &clock, "reader").await.state(), state);
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_written_hinders_nobody() {
    let clock = Hand::new();
    let store = three(&clock).await;
    let faults = Faults::new(FaultPlan::default().on("journal", "put", 3, Fault::Fail), clock.clone());
    let wrapped: Arc<dyn ObjectStore> = Arc::new(FaultyStore::new(Arc::clone(&store), Arc::new(faults)));
    journal(&wrapped, &clock, "zoe").await.open(opened("zoe")).await.unwrap();
    assert!(store.get(&path("snapshots", 9)).await.is_err());
    assert_eq!(journal(&store, &clock, "reader").await.state().last, 10);
}

#[tokio::test]
async fn a_missing_record_is_named() {
    let clock = Hand::new();
    let store = three(&clock).await;
    store.delete(&path("records", 8)).await.unwrap();
    let error = fails(&store, &clock).await;
    assert_eq!(
        error.to_string(),
        "a record of the journal is missing (key: local/shop/records/00000000000000000008.json)"
    );
    let whole = journal(&three(&clock).await, &clock, "reader").await;
    assert_eq!(whole.records(8).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_end_that_is_missing_is_noticed_by_its_snapshot() {
    let clock = Hand::new();
    let store = three(&clock).await;
    for number in 7..=9 {
        store.delete(&path("records", number)).await.unwrap();
    }
    assert!(fails(&store, &clock).await.to_string().contains("00000000000000000007"));
}

#[tokio::test]
async fn a_kind_of_a_later_version_is_kept_and_passed_over() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    ada.open(opened("ada")).await.unwrap();
    let later = json!({
        "v": 1, "seq": 2, "epoch": 1, "id": "z:1", "at": "2025-06-01T12:00:00Z", "kind": "of_another_time",
        "until": {"then": [1, 2.5, null]},
    });
    put(&store, &path("records", 2), later.to_string()).await;
    assert_eq!(ada.append(completed(0)).await.unwrap(), 3);
    let records = journal(&store, &clock, "reader").await.records(2).await.unwrap();
    assert!(matches!(&records[0].entry, Entry::Unknown(_)));
    assert_eq!(serde_json::to_value(&records[0]).unwrap(), later);
}

#[tokio::test]
async fn a_later_kind_may_begin_an_epoch() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    ada.open(opened("ada")).await.unwrap();
    let later = json!({
        "v": 1, "seq": 2, "epoch": 2, "id": "z:1", "at": "2025-06-01T12:00:00Z", "kind": "seized",
    });
    put(&store, &path("records", 2), later.to_string()).await;
    assert_eq!(ada.append(completed(0)).await.unwrap_err().kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn what_only_a_newer_version_can_read_is_never_taken_for_torn() {
    for (newer, says) in [
        (json!({"v": 2, "number": 2}), "newer version"),
        (
            json!({
                "v": 1, "seq": 2, "epoch": 1, "id": "z:1", "at": "2025-06-01T12:00:00Z",
                "kind": "ended", "outcome": "superb", "serving": [],
            }),
            "newer version",
        ),
        (
            json!({
                "v": 1, "seq": 3, "epoch": 1, "id": "z:1", "at": "2025-06-01T12:00:00Z", "kind": "removed",
            }),
            "not under its own key",
        ),
        (
            json!({
                "v": 1, "seq": 2, "epoch": 2, "id": "z:1", "at": "2025-06-01T12:00:00Z", "kind": "removed",
            }),
            "does not fit its kind",
        ),
        (
            json!({
                "v": 1, "seq": 2, "epoch": 0, "id": "z:1", "at": "2025-06-01T12:00:00Z", "kind": "removed",
            }),
            "an epoch that had ended",
        ),
    ] {
        let (store, clock) = (in_memory(), Hand::new());
        let mut ada = journal(&store, &clock, "ada").await;
        ada.open(opened("ada")).await.unwrap();
        put(&store, &path("records", 2), newer.to_string()).await;
        let errors = [fails(&store, &clock).await, ada.append(completed(0)).await.unwrap_err()];
        for error in errors {
            assert!(error.to_string().contains(says), "{newer}: {error}");
        }
        assert!(store.get(&path("records", 3)).await.is_err(), "nothing was written after {newer}");
    }
}

#[tokio::test]
async fn names_that_are_not_ours_are_passed_over() {
    let clock = Hand::new();
    let store = three(&clock).await;
    for name in
        ["records/.DS_Store", "records/99.json", "snapshots/x.json", "records/0000000000000000009x.json"]
    {
        put(&store, &Path::from(format!("local/shop/{name}")), "x").await;
    }
    assert_eq!(journal(&store, &clock, "reader").await.state().last, 9);
}
