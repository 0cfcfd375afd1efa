//! A lock keeps deployments from beginning, and nothing else.

use super::*;
use crate::error::ErrorKind;
use crate::plan::Goal;

fn deploy(nonce: &str) -> Opened {
    Opened { act: Act::Deploy, ..opened(nonce) }
}

#[tokio::test]
async fn whoever_would_deploy_is_told_who_has_locked_the_service_since_when_and_why() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    assert!(ada.lock("ada@laptop", "the database moves").await.unwrap().1);
    let mut bob = journal(&store, &clock, "bob").await;
    for act in [Act::Deploy, Act::Down] {
        let error = bob.open(Opened { act, ..opened("bob") }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert_eq!(
            error.to_string(),
            "ada@laptop has locked the service since 2025-06-01 12:00:00Z: the database moves"
        );
    }
}

#[tokio::test]
async fn the_ways_back_stay_open() {
    for act in [Act::Rollback, Act::Resume] {
        let (store, clock) = (in_memory(), Hand::new());
        let mut ada = journal(&store, &clock, "ada").await;
        ada.lock("ada@laptop", "why").await.unwrap();
        assert!(ada.open(Opened { act, ..opened("ada") }).await.is_ok(), "{act:?}");
    }
}

#[tokio::test]
async fn a_deployment_in_flight_goes_on_and_the_lock_outlives_it() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    ada.open(deploy("ada")).await.unwrap();
    let mut bob = journal(&store, &clock, "bob").await;
    bob.lock("bob@laptop", "why").await.unwrap();
    ada.append(completed(0)).await.unwrap();
    ada.append(ended()).await.unwrap();
    assert_eq!(ada.open(deploy("ada")).await.unwrap_err().kind(), ErrorKind::Busy);
}

#[tokio::test]
async fn a_lock_is_kept_by_snapshots() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    ada.open(deploy("ada")).await.unwrap();
    ada.append(ended()).await.unwrap();
    ada.lock("ada@laptop", "why").await.unwrap();
    // A snapshot is written whenever a deployment begins.
    ada.open(Opened { act: Act::Rollback, goal: Goal::Nothing, ..opened("ada") }).await.unwrap();
    let snapshot = snapshot::newest(&ada.shelf).await.unwrap().unwrap();
    assert_eq!(snapshot.lock(), ada.state().lock());
    assert!(snapshot.lock().is_some());
}

#[tokio::test]
async fn a_lock_is_not_written_over_and_asking_again_changes_nothing() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    ada.lock("ada@laptop", "why").await.unwrap();
    let mut bob = journal(&store, &clock, "bob").await;
    assert_eq!(bob.lock("bob@laptop", "other").await.unwrap_err().kind(), ErrorKind::Busy);
    assert!(!ada.lock("ada@laptop", "why").await.unwrap().1);
    assert_eq!(ada.state().last, 1);
}

#[tokio::test]
async fn anybody_lifts_it_and_is_named() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    assert_eq!(ada.unlock("ada@laptop").await.unwrap(), None);
    ada.lock("ada@laptop", "why").await.unwrap();
    let lock = journal(&store, &clock, "bob").await.unlock("bob@laptop").await.unwrap().unwrap();
    assert_eq!(lock.lifted.unwrap().by, "bob@laptop");
    assert!(ada.open(deploy("ada")).await.is_ok());
}

#[tokio::test]
async fn of_a_lock_and_a_deployment_at_the_same_time_one_is_first() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    let mut bob = journal(&store, &clock, "bob").await;
    // Bob has read the journal before the lock.
    ada.lock("ada@laptop", "why").await.unwrap();
    assert_eq!(bob.open(deploy("bob")).await.unwrap_err().kind(), ErrorKind::Busy);
}
