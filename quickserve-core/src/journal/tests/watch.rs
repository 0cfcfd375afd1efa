//! Who decides that an owner is gone, and when.

use super::*;
use crate::fence::Epoch;

#[derive(Debug, Default)]
struct Says(Option<bool>, Option<Timestamp>);

impl Liveness for Says {
    fn check(&self, _: &Process) -> Option<bool> {
        self.0
    }

    fn restarted(&self, _: &Process) -> Option<Timestamp> {
        self.1
    }
}

fn watch(clock: &Arc<Hand>, says: Option<bool>) -> OwnerWatch {
    OwnerWatch::new(Arc::new(Says(says, None)), clock.clone())
}

fn local_owner() -> Opened {
    let process = Process { boot: "b".to_owned(), pid: 7, started: 1, machine: None };
    Opened { owner: Owner { process: Some(process), ..owner("ada") }, ..opened("ada") }
}

async fn two(clock: &Arc<Hand>) -> (Journal, Journal) {
    let store = in_memory();
    let mut ada = journal(&store, clock, "ada").await;
    ada.open(local_owner()).await.unwrap();
    let bob = journal(&store, clock, "bob").await;
    (ada, bob)
}

/// Looks every five seconds for so many seconds and answers with the last status.
async fn look(watch: &mut OwnerWatch, bob: &Journal, clock: &Hand, seconds: u64) -> OwnerStatus {
    let mut status = watch.observe(bob).await.unwrap();
    for _ in 0..seconds / 5 {
        clock.pass(5);
        status = watch.observe(bob).await.unwrap();
    }
    status
}

fn is_gone(status: &OwnerStatus) -> bool {
    matches!(status, OwnerStatus::Gone { .. })
}

#[tokio::test]
async fn an_owner_whose_lease_stands_still_is_gone_after_its_time() {
    let clock = Hand::new();
    let (_ada, bob) = two(&clock).await;
    let mut watch = watch(&clock, None);
    assert_eq!(look(&mut watch, &bob, &clock, 30).await, OwnerStatus::Unknown);
    let because = "the lease of ada@laptop was not renewed for 35 s".to_owned();
    assert_eq!(look(&mut watch, &bob, &clock, 5).await, OwnerStatus::Gone { because });
}

#[tokio::test]
async fn an_owner_that_renews_is_alive() {
    let clock = Hand::new();
    let (mut ada, bob) = two(&clock).await;
    let mut watch = watch(&clock, None);
    for _ in 0..20 {
        assert!(!is_gone(&look(&mut watch, &bob, &clock, 10).await));
        ada.renew().await.unwrap();
    }
    assert_eq!(watch.observe(&bob).await.unwrap(), OwnerStatus::Alive);
}

#[tokio::test]
async fn a_process_that_is_dead_is_gone_at_once() {
    let clock = Hand::new();
    let (_ada, bob) = two(&clock).await;
    assert!(is_gone(&watch(&clock, Some(false)).observe(&bob).await.unwrap()));
}

#[tokio::test]
async fn an_owner_of_an_earlier_boot_is_gone_at_once_unless_its_lease_speaks_for_a_clone() {
    let clock = Hand::new();
    let (_ada, bob) = two(&clock).await;
    clock.pass(20);
    let restarted = |at| OwnerWatch::new(Arc::new(Says(None, Some(at))), clock.clone());
    let mut rebooted = restarted(clock.now());
    // Nothing is known so soon, as if its lease had been written by another machine.
    assert_eq!(rebooted.observe(&bob).await.unwrap(), OwnerStatus::Unknown);
    clock.pass(11);
    let because = "the machine of ada@laptop was restarted since".to_owned();
    assert_eq!(rebooted.observe(&bob).await.unwrap(), OwnerStatus::Gone { because });
    // A lease that is younger than the boot is not of a process before it.
    let long_ago = "2025-06-01T11:00:00Z".parse().unwrap();
    assert_eq!(restarted(long_ago).observe(&bob).await.unwrap(), OwnerStatus::Unknown);
}

#[tokio::test]
async fn a_stopped_process_is_gone_by_its_lease() {
    let clock = Hand::new();
    let (_ada, bob) = two(&clock).await;
    let mut watch = watch(&clock, Some(true));
    assert_eq!(look(&mut watch, &bob, &clock, 30).await, OwnerStatus::Alive);
    assert!(is_gone(&look(&mut watch, &bob, &clock, 5).await));
}

#[tokio::test]
async fn a_process_that_was_stopped_long_ago_is_not_called_alive_at_the_first_look() {
    let clock = Hand::new();
    let (_ada, bob) = two(&clock).await;
    clock.pass(31);
    let mut watch = watch(&clock, Some(true));
    assert_eq!(look(&mut watch, &bob, &clock, 30).await, OwnerStatus::Unknown);
    assert!(is_gone(&look(&mut watch, &bob, &clock, 5).await));
}

#[tokio::test]
async fn a_machine_that_slept_gives_its_owner_time_to_renew() {
    let clock = Hand::new();
    let (mut ada, bob) = two(&clock).await;
    let mut watch = watch(&clock, Some(true));
    look(&mut watch, &bob, &clock, 10).await;
    clock.pass(8 * 3600);
    assert_eq!(watch.observe(&bob).await.unwrap(), OwnerStatus::Unknown);
    ada.renew().await.unwrap();
    assert_eq!(look(&mut watch, &bob, &clock, 30).await, OwnerStatus::Alive);
}

#[tokio::test]
async fn who_looks_rarely_comes_to_an_answer_too() {
    let clock = Hand::new();
    let (_ada, bob) = two(&clock).await;
    let mut watch = watch(&clock, None);
    for _ in 0..3 {
        assert_eq!(watch.observe(&bob).await.unwrap(), OwnerStatus::Unknown);
        clock.pass(60);
    }
    assert!(is_gone(&watch.observe(&bob).await.unwrap()));
}

#[tokio::test]
async fn who_takes_over_knows_when_the_last_lease_ends() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await.with_lease_ttl(Duration::from_mins(1));
    ada.open(opened("ada")).await.unwrap();
    assert_eq!(ada.former_lease_ends(), None);
    let mut bob = journal(&store, &clock, "bob").await;
    clock.pass(25);
    // Renewed at the last moment: nobody has seen it.
    ada.renew().await.unwrap();
    bob.take_over(owner("bob"), "gone".to_owned()).await.unwrap();
    assert!(bob.former_lease_ends() >= Some(clock::after(clock.now(), Duration::from_mins(1))));
}

#[tokio::test]
async fn a_new_owner_is_watched_from_the_start() {
    let clock = Hand::new();
    let (_ada, mut bob) = two(&clock).await;
    let mut watch = watch(&clock, None);
    look(&mut watch, &bob, &clock, 30).await;
    assert_eq!(bob.take_over(owner("bob"), "gone".to_owned()).await.unwrap(), Epoch(2));
    assert_eq!(look(&mut watch, &bob, &clock, 30).await, OwnerStatus::Unknown);
}

#[tokio::test]
async fn the_longer_of_two_lease_times_counts() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await.with_lease_ttl(Duration::from_mins(5));
    ada.open(opened("ada")).await.unwrap();
    let bob = journal(&store, &clock, "bob").await;
    let mut watch = watch(&clock, None);
    assert!(!is_gone(&look(&mut watch, &bob, &clock, 300).await));
    assert!(is_gone(&look(&mut watch, &bob, &clock, 5).await));
}

#[tokio::test]
async fn the_owner_of_a_deployment_that_has_ended_is_gone() {
    let clock = Hand::new();
    let (mut ada, mut bob) = two(&clock).await;
    ada.append(ended()).await.unwrap();
    bob.refresh().await.unwrap();
    assert!(is_gone(&watch(&clock, Some(true)).observe(&bob).await.unwrap()));
}
