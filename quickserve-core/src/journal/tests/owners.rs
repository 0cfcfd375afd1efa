//! One owner at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::error::ErrorKind;
use crate::fence::Epoch;

#[tokio::test]
async fn what_is_appended_is_read_by_the_next() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    assert_eq!(ada.open(opened("ada")).await.unwrap(), Epoch(1));
    assert_eq!(ada.append(completed(0)).await.unwrap(), 2);
    let bob = journal(&store, &clock, "bob").await;
    assert_eq!(bob.state(), ada.state());
    assert_eq!(bob.records(0).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_second_deployment_is_told_who_is_busy() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    let mut bob = journal(&store, &clock, "bob").await;
    ada.open(opened("ada")).await.unwrap();
    let error = bob.open(opened("bob")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(
        error.to_string(),
        "ada@laptop holds the service with d-20250601-1 since 12:00:00Z, now at: planning"
    );
    ada.append(ended()).await.unwrap();
    assert_eq!(bob.open(opened("bob")).await.unwrap(), Epoch(3));
    assert_eq!(ada.append(completed(0)).await.unwrap_err().kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn what_was_decided_before_another_deployment_is_not_opened_after_it() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut slow = journal(&store, &clock, "slow").await;
    let mut ada = journal(&store, &clock, "ada").await;
    ada.open(opened("ada")).await.unwrap();
    ada.append(ended()).await.unwrap();
    assert_eq!(slow.open(opened("slow")).await.unwrap_err().kind(), ErrorKind::Busy);
    assert!(slow.open(opened("slow")).await.is_ok(), "it has read what happened");
}

#[tokio::test]
async fn a_request_is_folded_in_by_the_owner() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    ada.open(opened("ada")).await.unwrap();
    let mut bob = journal(&store, &clock, "bob").await;
    assert_eq!(bob.request(abort("bob")).await.unwrap(), 2);
    assert_eq!(ada.append(completed(0)).await.unwrap(), 3);
    assert!(ada.state().open.as_ref().unwrap().abort.is_some());
    ada.append(ended()).await.unwrap();
    assert_eq!(bob.request(abort("bob")).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn an_owner_that_wakes_after_a_take_over_is_fenced() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    ada.open(opened("ada")).await.unwrap();
    assert!(ada.lease_valid());
    clock.pass(31);
    assert!(!ada.lease_valid());
    let mut bob = journal(&store, &clock, "bob").await;
    assert_eq!(bob.take_over(owner("bob"), "its lease ended".to_owned()).await.unwrap(), Epoch(2));
    assert_eq!(ada.renew().await.unwrap_err().kind(), ErrorKind::Fenced);
    assert!(!ada.lease_valid());
    assert!(ada.fence(1).not_after < clock.now());
    assert_eq!(ada.append(completed(0)).await.unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(bob.append(completed(0)).await.unwrap(), 3);
}

async fn write_all(mut journal: Journal, count: u32) -> Vec<u64> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(journal.request(abort("somebody")).await.unwrap());
        tokio::task::yield_now().await;
    }
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_racing_writers_no_record_is_lost_or_doubled() {
    let (store, clock) = (in_memory(), Hand::new());
    journal(&store, &clock, "owner").await.open(opened("owner")).await.unwrap();
    let writers = ["ada", "bob"].map(|nonce| {
        let (store, clock) = (Arc::clone(&store), Arc::clone(&clock));
        tokio::spawn(async move { write_all(journal(&store, &clock, nonce).await, 200).await })
    });
    let mut numbers = BTreeSet::new();
    for writer in writers {
        for number in writer.await.unwrap() {
            assert!(numbers.insert(number), "{number} was answered twice");
        }
    }
    assert_eq!(numbers, (2..=401).collect());
    let records = journal(&store, &clock, "reader").await.records(1).await.unwrap();
    let ids: BTreeSet<_> = records.iter().map(|record| &record.id).collect();
    assert_eq!(ids.len(), 401);
}

#[tokio::test]
async fn what_somebody_else_took_over_meanwhile_is_not_taken_over_again() {
    let (store, clock) = (in_memory(), Hand::new());
    journal(&store, &clock, "ada").await.open(opened("ada")).await.unwrap();
    let mut bob = journal(&store, &clock, "bob").await;
    let mut eve = journal(&store, &clock, "eve").await;
    bob.take_over(owner("bob"), "gone".to_owned()).await.unwrap();
    let error = eve.take_over(owner("eve"), "gone".to_owned()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    // A second try would judge the new owner, whom nobody has watched: it is allowed only on a fresh look.
    assert_eq!(eve.state().open.as_ref().unwrap().owner, owner("bob"));
    bob.append(ended()).await.unwrap();
    let error = eve.take_over(owner("eve"), "gone".to_owned()).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no unfinished deployment to take over");
}

#[tokio::test]
async fn a_deployment_that_needs_a_newer_version_is_not_taken_over() {
    let (store, clock) = (in_memory(), Hand::new());
    for (needs, allowed) in [("99.0.0", false), ("0.99.0", false), ("nonsense", false), ("0.1.0-rc.1", true)]
    {
        let mut ada = journal(&store, &clock, "ada").await;
        ada.open(Opened { needs: needs.to_owned(), ..opened("ada") }).await.unwrap();
        let mut bob = journal(&store, &clock, "bob").await;
        match bob.take_over(owner("bob"), "gone".to_owned()).await {
            Ok(_) => assert!(allowed, "{needs}"),
            Err(error) => {
                assert!(!allowed, "{needs}: {error}");
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                assert!(error.to_string().contains(needs), "{error}");
                ada.append(ended()).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn who_owns_nothing_writes_nothing_and_its_fence_has_ended() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    assert_eq!(ada.append(completed(0)).await.unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(ada.renew().await.unwrap_err().kind(), ErrorKind::Fenced);
    assert!(!ada.lease_valid());
    assert_eq!(ada.fence(1).not_after, Timestamp::MIN);
    ada.open(opened("ada")).await.unwrap();
    for forbidden in [Event::Opened(Box::new(opened("ada"))), Event::Repaired { torn: 1 }] {
        assert!(ada.append(forbidden.clone()).await.is_err());
        assert!(ada.request(forbidden).await.is_err());
    }
    assert_eq!(ada.state().last, 1);
}

#[tokio::test]
async fn a_lease_is_renewed_when_a_third_of_it_has_passed() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    ada.open(opened("ada")).await.unwrap();
    let first = ada.fence(1).not_after;
    clock.pass(9);
    ada.renew().await.unwrap();
    assert_eq!(ada.fence(1).not_after, first);
    clock.pass(1);
    ada.renew().await.unwrap();
    assert_eq!(ada.fence(1).not_after, clock::after(first, Duration::from_secs(10)));
}

#[tokio::test]
async fn a_renewal_brings_requests_along() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    ada.open(opened("ada")).await.unwrap();
    journal(&store, &clock, "bob").await.request(abort("bob")).await.unwrap();
    clock.pass(10);
    ada.renew().await.unwrap();
    assert!(ada.state().open.as_ref().unwrap().abort.is_some());
}
