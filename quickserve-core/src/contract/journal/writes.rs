//! Single objects, and the journal that they make up.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};

use super::JournalStage;
use super::scene::{completed, ended, opened, read};
use crate::contract::rule::{Broken, Held, ensure, same};
use crate::memory::MemoryClock;

const FOLDER: &str = "production/shop/records";

fn key(number: u32) -> Path {
    Path::from(format!("{FOLDER}/{number:020}.json"))
}

async fn put(
    store: &dyn ObjectStore,
    number: u32,
    bytes: &'static str,
    mode: PutMode,
) -> Result<(), StoreError> {
    let payload = PutPayload::from_static(bytes.as_bytes());
    store.put_opts(&key(number), payload, PutOptions::from(mode)).await.map(drop)
}

async fn bytes(store: &dyn ObjectStore, number: u32) -> Result<Bytes, StoreError> {
    store.get(&key(number)).await?.bytes().await
}

fn broken(what: &str) -> impl FnOnce(StoreError) -> Broken {
    let what = what.to_owned();
    move |error| Broken(format!("{what}: {error}"))
}

pub(super) async fn what_was_never_written_is_not_found(stage: &dyn JournalStage) -> Held {
    let read = bytes(&*stage.store(), 1).await;
    ensure(matches!(read, Err(StoreError::NotFound { .. })), || format!("a read of nothing is {read:?}"))?;
    let listed: Vec<_> = stage
        .store()
        .list(Some(&Path::from(FOLDER)))
        .try_collect()
        .await
        .map_err(broken("a list of nothing"))?;
    same("a list of nothing", &listed.len(), &0)
}

pub(super) async fn what_is_created_is_not_created_again(stage: &dyn JournalStage) -> Held {
    put(&*stage.store(), 1, "first", PutMode::Create).await.map_err(broken("the first write"))?;
    for bytes in ["second", "first"] {
        let again = put(&*stage.store(), 1, bytes, PutMode::Create).await;
        let refused = matches!(again, Err(StoreError::AlreadyExists { .. }));
        ensure(refused, || format!("the write of {bytes:?} over another is answered {again:?}"))?;
    }
    let read = bytes(&*stage.store(), 1).await.map_err(broken("the read after it"))?;
    same("what is there", &*read, b"first".as_slice())
}

pub(super) async fn what_is_written_over_is_read_back(stage: &dyn JournalStage) -> Held {
    for text in ["one", "two", "three"] {
        put(&*stage.store(), 7, text, PutMode::Overwrite).await.map_err(broken("a write over another"))?;
        let read = bytes(&*stage.store(), 7).await.map_err(broken("the read after it"))?;
        same("what another process reads", &*read, text.as_bytes())?;
    }
    Ok(())
}

pub(super) async fn keys_are_listed_from_one_on(stage: &dyn JournalStage) -> Held {
    for number in [1, 2, 9, 10, 11, 100] {
        put(&*stage.store(), number, "{}", PutMode::Create).await.map_err(broken("a write"))?;
    }
    let (folder, offset) = (Path::from(FOLDER), key(9));
    let listed: Vec<_> = stage
        .store()
        .list_with_offset(Some(&folder), &offset)
        .map_ok(|meta| meta.location)
        .try_collect()
        .await
        .map_err(broken("the list"))?;
    let mut sorted = listed.clone();
    sorted.sort();
    same("the keys after the ninth", &sorted, &vec![key(10), key(11), key(100)])
}

pub(super) async fn what_is_appended_is_read_by_another_process(stage: &dyn JournalStage) -> Held {
    let clock = Arc::<MemoryClock>::default();
    let mut ada = read(stage.store(), &clock, "ada").await?;
    ada.open(opened("ada")).await?;
    for index in 0..12 {
        same("the number of a record", &ada.append(completed(index)).await?, &u64::from(index + 2))?;
    }
    let bob = read(stage.store(), &clock, "bob").await?;
    ensure(bob.state() == ada.state(), || "two processes see different journals".to_owned())?;
    same("the records", &bob.records(1).await?.len(), &13)
}

pub(super) async fn snapshots_can_be_taken_away(stage: &dyn JournalStage) -> Held {
    let clock = Arc::<MemoryClock>::default();
    let mut ada = read(stage.store(), &clock, "ada").await?;
    for _ in 0..3 {
        ada.open(opened("ada")).await?;
        ada.append(ended()).await?;
    }
    let snapshots = ada.snapshots().await?;
    same("the snapshots", &snapshots, &vec![2, 4])?;
    for number in snapshots {
        ada.remove_snapshot(number).await?;
        ada.remove_snapshot(number).await?;
    }
    same("the snapshots that are left", &ada.snapshots().await?, &Vec::new())?;
    let bob = read(stage.store(), &clock, "bob").await?;
    ensure(bob.state() == ada.state(), || "the journal reads otherwise without its snapshots".to_owned())
}
