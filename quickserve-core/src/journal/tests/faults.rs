//! Faults, many at once and where they hurt; one at every call is among the contract of stores.

use super::*;
use crate::error::{ErrorKind, Result, Retry};

const FAULTS: [Fault; 6] = [
    Fault::Fail,
    Fault::Conflict,
    Fault::LoseAnswer,
    Fault::FalseConflict,
    Fault::Repeat,
    Fault::Delay(Duration::from_secs(5)),
];

/// A process of its own: a store whose calls are numbered and fail by this plan.
fn process(
    store: &Arc<dyn ObjectStore>,
    clock: &Arc<Hand>,
    plan: FaultPlan,
) -> (Arc<dyn ObjectStore>, Arc<Faults>) {
    let faults = Arc::new(Faults::new(plan, clock.clone()));
    (Arc::new(FaultyStore::new(Arc::clone(store), faults.clone())), faults)
}

/// A former deployment, which is why the next writes a snapshot.
async fn former(clock: &Arc<Hand>) -> Arc<dyn ObjectStore> {
    let store = in_memory();
    let mut zoe = journal(&store, clock, "zoe").await;
    zoe.open(opened("zoe")).await.unwrap();
    zoe.append(ended()).await.unwrap();
    store
}

/// Does what is temporary once more.
macro_rules! persist {
    ($call:expr) => {
        match $call {
            Err(error) if error.retry() != Retry::Permanent => $call,
            answer => answer,
        }
    };
}

/// A deployment: opens, makes three steps, renews, ends. Tells `done` what was answered.
async fn deploy(store: Arc<dyn ObjectStore>, clock: Arc<Hand>, done: &Mutex<Vec<u64>>) -> Result<()> {
    let key = key();
    let read = || Journal::read(Arc::clone(&store), &key, clock.clone(), "ada");
    let mut ada = persist!(read().await)?;
    let answered = |number| done.lock().unwrap().push(number);
    answered(persist!(ada.open(opened("ada")).await)?.0);
    for step in 0..3 {
        answered(persist!(ada.append(completed(step)).await)?);
        clock.pass(11);
        persist!(ada.renew().await)?;
    }
    answered(persist!(ada.append(ended()).await)?);
    Ok(())
}

#[tokio::test]
async fn many_faults_at_once_lose_and_double_nothing() {
    for seed in 0..200 {
        let clock = Hand::new();
        let store = former(&clock).await;
        let plan = FaultPlan::default().seeded(seed, 30, FAULTS);
        let (wrapped, _) = process(&store, &clock, plan);
        let done = Mutex::default();
        // Giving up is allowed; what was answered stands, in order and once.
        let ended = deploy(wrapped, clock.clone(), &done).await;
        let records = journal(&store, &clock, "reader").await.records(3).await.unwrap();
        let numbers: Vec<u64> = records.iter().map(|record| record.seq).collect();
        let done = done.into_inner().unwrap();
        assert!(numbers.starts_with(&done), "seed {seed}: {numbers:?} {done:?}");
        assert!(numbers.len() <= done.len() + 1, "seed {seed}: {numbers:?} {done:?}");
        assert!(ended.is_err() || done.len() == 5, "seed {seed}");
    }
}

/// Fails every put from the nth on.
fn outage(from: u64) -> FaultPlan {
    (from..from + 6).fold(FaultPlan::default(), |plan, nth| plan.on("journal", "put", nth, Fault::Fail))
}

#[tokio::test]
async fn an_undecided_record_is_decided_before_the_next() {
    let clock = Hand::new();
    let store = in_memory();
    let (wrapped, _) = process(&store, &clock, outage(3));
    let mut ada = journal(&wrapped, &clock, "ada").await;
    ada.open(opened("ada")).await.unwrap();
    let error = ada.append(completed(0)).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Exhausted));
    assert_eq!(ada.append(completed(1)).await.unwrap(), 3);
    let records = journal(&store, &clock, "reader").await.records(2).await.unwrap();
    assert_eq!(records[0].entry, completed(0).into());
    assert_eq!(records[1].entry, completed(1).into());
}

#[tokio::test]
async fn a_lease_outlasts_a_store_that_is_away_for_a_while() {
    let clock = Hand::new();
    let (wrapped, _) = process(&in_memory(), &clock, outage(3));
    let mut ada = journal(&wrapped, &clock, "ada").await;
    ada.open(opened("ada")).await.unwrap();
    let first = ada.fence(1).not_after;
    for _ in 0..2 {
        clock.pass(14);
        ada.renew().await.unwrap();
        assert_eq!(ada.fence(1).not_after, first);
    }
    clock.pass(14);
    assert_eq!(ada.renew().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(!ada.lease_valid());
}

#[tokio::test]
async fn the_same_append_again_is_answered_by_its_first_record() {
    let clock = Hand::new();
    let (wrapped, _) = process(&in_memory(), &clock, outage(3));
    let mut ada = journal(&wrapped, &clock, "ada").await;
    ada.open(opened("ada")).await.unwrap();
    ada.append(completed(0)).await.unwrap_err();
    assert_eq!(ada.append(completed(0)).await.unwrap(), 2);
    assert_eq!(ada.append(completed(0)).await.unwrap(), 3, "a third is another one");
}

#[tokio::test]
async fn an_undecided_record_whose_number_another_took_is_void() {
    let clock = Hand::new();
    let store = in_memory();
    let (wrapped, _) = process(&store, &clock, outage(3));
    let mut ada = journal(&wrapped, &clock, "ada").await;
    ada.open(opened("ada")).await.unwrap();
    ada.append(completed(0)).await.unwrap_err();
    journal(&store, &clock, "bob").await.request(abort("bob")).await.unwrap();
    assert_eq!(ada.append(completed(0)).await.unwrap(), 3);
    assert_eq!(journal(&store, &clock, "reader").await.records(1).await.unwrap().len(), 3);
}

#[tokio::test]
async fn an_append_that_was_dropped_is_decided_by_the_next() {
    let clock = Hand::new();
    let store = in_memory();
    let (wrapped, faults) = process(&store, &clock, FaultPlan::default());
    let mut ada = journal(&wrapped, &clock, "ada").await;
    ada.open(opened("ada")).await.unwrap();
    let next = faults.calls().len() as u64 + 1;
    faults.plan(FaultPlan::default().at(next, Fault::LoseAnswer));
    {
        // The answer is lost; the process is dropped while it reads the key back.
        let append = ada.append(completed(0));
        tokio::pin!(append);
        let _ = futures_util::poll!(&mut append);
    }
    assert_eq!(ada.append(completed(1)).await.unwrap(), 3);
    let records = journal(&store, &clock, "reader").await.records(2).await.unwrap();
    assert_eq!(records[0].entry, completed(0).into());
}

#[tokio::test]
async fn a_nonce_used_twice_is_noticed() {
    let (store, clock) = (in_memory(), Hand::new());
    journal(&store, &clock, "zoe").await.open(opened("zoe")).await.unwrap();
    let slow = FaultPlan::default().on("journal", "put", 1, Fault::Delay(Duration::from_secs(1)));
    let (wrapped, _) = process(&store, &clock, slow);
    let mut twin = journal(&wrapped, &clock, "ada").await;
    let mut ada = journal(&store, &clock, "ada").await;
    let (late, early) = tokio::join!(twin.request(abort("twin")), ada.request(abort("ada")));
    assert_eq!(early.unwrap(), 2);
    assert_eq!(late.unwrap_err().to_string(), "two writers of the journal use the same nonce (id: ada:1)");
}
