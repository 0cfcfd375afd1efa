//! Torn records: what a machine leaves that lost power while it wrote.

use object_store::ObjectStoreExt;

use super::reading::{path, put, try_read};
use super::*;

async fn bytes(store: &Arc<dyn ObjectStore>, number: u64) -> bytes::Bytes {
    store.get(&path("records", number)).await.unwrap().bytes().await.unwrap()
}

/// A journal of a deployment that has not ended, of three records.
async fn unfinished(clock: &Arc<Hand>) -> Arc<dyn ObjectStore> {
    let store = in_memory();
    let mut ada = journal(&store, clock, "ada").await;
    ada.open(opened("ada")).await.unwrap();
    ada.append(completed(0)).await.unwrap();
    ada.append(completed(1)).await.unwrap();
    store
}

#[tokio::test]
async fn the_last_record_may_be_torn_at_any_byte() {
    let clock = Hand::new();
    let whole = bytes(&unfinished(&clock).await, 3).await;
    for length in 0..whole.len() {
        let store = unfinished(&clock).await;
        put(&store, &path("records", 3), whole.slice(..length)).await;
        let mut bob = journal(&store, &clock, "bob").await;
        assert_eq!(bob.state().last, 2, "a reader passes over what was torn at {length}");
        assert_eq!(bob.records(1).await.unwrap().len(), 2);
        assert_eq!(bob.take_over(owner("bob"), "gone".to_owned()).await.unwrap().0, 5);
        let records = journal(&store, &clock, "reader").await.records(1).await.unwrap();
        assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 2, 4, 5]);
        assert_eq!(records[2].entry.event(), Some(&Event::Repaired { torn: 3 }));
        assert_eq!(bytes(&store, 3).await, whole.slice(..length), "the torn record stays as it was");
    }
}

#[tokio::test]
async fn any_rubbish_is_torn() {
    for rubbish in ["\0\0\0\0", "[]", "null", "{}", r#"{"v":"1"}"#, r#"{"v":1,"seq":3}"#] {
        let clock = Hand::new();
        let store = unfinished(&clock).await;
        put(&store, &path("records", 3), rubbish).await;
        let mut bob = journal(&store, &clock, "bob").await;
        assert_eq!(bob.request(abort("bob")).await.unwrap(), 5, "{rubbish}");
    }
}

#[tokio::test]
async fn the_first_record_may_be_torn() {
    let (store, clock) = (in_memory(), Hand::new());
    put(&store, &path("records", 1), "").await;
    let mut ada = journal(&store, &clock, "ada").await;
    assert_eq!(ada.open(opened("ada")).await.unwrap().0, 3);
    assert_eq!(journal(&store, &clock, "reader").await.state(), ada.state());
}

#[tokio::test]
async fn the_record_that_repairs_may_be_torn_too() {
    let clock = Hand::new();
    let store = unfinished(&clock).await;
    put(&store, &path("records", 3), "{").await;
    put(&store, &path("records", 4), "{").await;
    let mut bob = journal(&store, &clock, "bob").await;
    assert_eq!(bob.state().last, 2);
    assert_eq!(bob.request(abort("bob")).await.unwrap(), 6);
    let reader = journal(&store, &clock, "reader").await;
    assert_eq!(reader.state(), bob.state());
    assert_eq!(reader.records(1).await.unwrap()[2].entry.event(), Some(&Event::Repaired { torn: 4 }));
}

#[tokio::test]
async fn two_who_repair_at_once_do_it_once() {
    let clock = Hand::new();
    let store = unfinished(&clock).await;
    put(&store, &path("records", 3), "{").await;
    let mut bob = journal(&store, &clock, "bob").await;
    let mut eve = journal(&store, &clock, "eve").await;
    assert_eq!(bob.request(abort("bob")).await.unwrap(), 5);
    assert_eq!(eve.request(abort("eve")).await.unwrap(), 6);
}

#[tokio::test]
async fn a_torn_record_in_the_middle_is_named() {
    let clock = Hand::new();
    let store = unfinished(&clock).await;
    put(&store, &path("records", 2), "{").await;
    let error = try_read(&store, &clock).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "a record in the middle of the journal is unreadable (key: \
         local/shop/records/00000000000000000002.json)"
    );
}
