//! One owner at a time, whoever is quick.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::JournalStage;
use super::scene::{abort, completed, ended, opened, owner, read};
use crate::contract::rule::{Held, ensure, refused, same};
use crate::error::ErrorKind;
use crate::fence::Epoch;
use crate::journal::{Journal, NoLiveness, OwnerStatus, OwnerWatch};
use crate::memory::MemoryClock;

/// How many records each of two writers appends.
const EACH: u32 = 15;

pub(super) async fn a_waiting_owner_is_told_who_is_busy(stage: &dyn JournalStage) -> Held {
    let clock = Arc::<MemoryClock>::default();
    let mut ada = read(stage.store(), &clock, "ada").await?;
    let mut bob = read(stage.store(), &clock, "bob").await?;
    ada.open(opened("ada")).await?;
    let busy = bob.open(opened("bob")).await;
    ensure(busy.as_ref().is_err_and(|error| error.to_string().starts_with("ada@runner holds")), || {
        format!("the answer is {busy:?}")
    })?;
    refused("a second owner", busy, ErrorKind::Busy)?;
    bob.request(abort("bob")).await?;
    ada.append(completed(0)).await?;
    ensure(ada.state().open.as_ref().is_some_and(|open| open.abort.is_some()), || {
        "the owner does not see what was asked of it".to_owned()
    })?;
    ada.append(ended()).await?;
    same("the epoch of the next owner", &bob.open(opened("bob")).await?, &Epoch(5))
}

pub(super) async fn of_two_that_open_at_once_exactly_one_owns(stage: &dyn JournalStage) -> Held {
    let clock = Arc::<MemoryClock>::default();
    for round in 0..5 {
        let mut ada = read(stage.store(), &clock, &format!("ada{round}")).await?;
        let mut bob = read(stage.store(), &clock, &format!("bob{round}")).await?;
        let (one, other) = tokio::join!(ada.open(opened("ada")), bob.open(opened("bob")));
        let (won, mut winner) = if one.is_ok() { (other, ada) } else { (one, bob) };
        refused("the slower of two", won, ErrorKind::Busy)?;
        winner.append(ended()).await?;
    }
    Ok(())
}

pub(super) async fn of_two_that_take_over_at_once_exactly_one_owns(stage: &dyn JournalStage) -> Held {
    let clock = Arc::<MemoryClock>::default();
    read(stage.store(), &clock, "ada").await?.open(opened("ada")).await?;
    let mut bob = read(stage.store(), &clock, "bob").await?;
    let mut eve = read(stage.store(), &clock, "eve").await?;
    let because = || "its lease ended".to_owned();
    let (one, other) =
        tokio::join!(bob.take_over(owner("bob"), because()), eve.take_over(owner("eve"), because()));
    let (lost, mut winner) = if one.is_ok() { (other, bob) } else { (one, eve) };
    refused("the slower of two", lost, ErrorKind::Conflict)?;
    winner.append(ended()).await?;
    Ok(())
}

async fn write_all(mut journal: Journal) -> crate::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for _ in 0..EACH {
        numbers.push(journal.request(abort("somebody")).await?);
    }
    Ok(numbers)
}

pub(super) async fn of_writers_that_race_no_record_is_lost_or_doubled(stage: &dyn JournalStage) -> Held {
    let clock = Arc::<MemoryClock>::default();
    read(stage.store(), &clock, "owner").await?.open(opened("owner")).await?;
    let ada = read(stage.store(), &clock, "ada").await?;
    let bob = read(stage.store(), &clock, "bob").await?;
    let (one, other) = tokio::join!(write_all(ada), write_all(bob));
    let mut numbers: Vec<u64> = one?.into_iter().chain(other?).collect();
    numbers.sort_unstable();
    same("the numbers that were answered", &numbers, &(2..2 + u64::from(2 * EACH)).collect())?;
    let records = read(stage.store(), &clock, "reader").await?.records(1).await?;
    let ids: BTreeSet<&String> = records.iter().map(|record| &record.id).collect();
    same("the records", &ids.len(), &(numbers.len() + 1))
}

pub(super) async fn a_stale_owner_is_fenced(stage: &dyn JournalStage) -> Held {
    let clock = Arc::<MemoryClock>::default();
    let mut ada = read(stage.store(), &clock, "ada").await?;
    ada.open(opened("ada")).await?;
    ensure(ada.lease_valid(), || "the owner has no lease".to_owned())?;
    clock.advance(ada.lease_ttl() + Duration::from_secs(1));
    let mut bob = read(stage.store(), &clock, "bob").await?;
    bob.take_over(owner("bob"), "its lease ended".to_owned()).await?;
    refused("a renewal by the former owner", ada.renew().await, ErrorKind::Fenced)?;
    ensure(!ada.lease_valid(), || "the former owner has a lease".to_owned())?;
    refused("a record of the former owner", ada.append(completed(0)).await, ErrorKind::Fenced)?;
    same("the number of the new owner's record", &bob.append(completed(0)).await?, &3)
}

pub(super) async fn an_owner_is_gone_when_its_lease_stands_still_on_the_watchers_clock(
    stage: &dyn JournalStage,
) -> Held {
    // The owner's clock is a day behind: nobody may compare the two.
    let (behind, clock) = (Arc::<MemoryClock>::default(), Arc::<MemoryClock>::default());
    clock.advance(Duration::from_hours(24));
    let mut ada = read(stage.store(), &behind, "ada").await?;
    ada.open(opened("ada")).await?;
    let bob = read(stage.store(), &clock, "bob").await?;
    let mut watch = OwnerWatch::new(Arc::new(NoLiveness), clock.clone());
    let third = ada.lease_ttl() / 3;
    for _ in 0..5 {
        watch.observe(&bob).await?;
        clock.advance(third);
        behind.advance(third);
        ada.renew().await?;
        same("an owner that renews", &watch.observe(&bob).await?, &OwnerStatus::Alive)?;
    }
    for _ in 0..3 {
        clock.advance(third);
        same("an owner of whom nothing is known", &watch.observe(&bob).await?, &OwnerStatus::Unknown)?;
    }
    clock.advance(third);
    let seen = watch.observe(&bob).await?;
    ensure(matches!(seen, OwnerStatus::Gone { .. }), || format!("the silent owner is {seen:?}"))
}
