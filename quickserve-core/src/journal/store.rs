//! Where a journal is kept: its folders and keys, and what an object store's errors mean to us.

use std::error::Error as StdError;
use std::io;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::error::{Error, ErrorKind, Result};
use crate::retention::Usage;
use crate::service::ServiceKey;

/// A store in a folder of this machine, which is created where it is missing, for its user alone. Every write
/// is on the disk before it is answered.
///
/// # Errors
/// When the folder can neither be found nor created.
pub fn local(dir: &FilePath) -> Result<Arc<dyn ObjectStore>> {
    let failed = |error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            _ => ErrorKind::Unavailable,
        };
        Error::new(kind, "create the journal's folder")
            .with_context("folder", dir.display().to_string())
            .with_source(error)
    };
    create_private(dir).map_err(failed)?;
    let store = LocalFileSystem::new_with_prefix(dir).map_err(|error| mapped("open the journal", &error))?;
    Ok(Arc::new(store.with_fsync(true)))
}

/// As [`local`], for who only reads: where there is no folder, none is made, and the store is empty.
///
/// # Errors
/// When the folder is there and cannot be opened.
pub fn local_to_read(dir: &FilePath) -> Result<Arc<dyn ObjectStore>> {
    // Anything but its absence is told by whoever opens it.
    if dir.try_exists().is_ok_and(|exists| !exists) { Ok(in_memory()) } else { local(dir) }
}

/// A store that is gone with the process, for tests and rehearsals.
pub fn in_memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

fn create_private(dir: &FilePath) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// A kind of object, each in a folder of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folder {
    Records,
    Snapshots,
    Leases,
}

/// The folder of one service in a store.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl Shelf {
    pub(super) fn new(store: Arc<dyn ObjectStore>, key: &ServiceKey) -> Self {
        let prefix = Path::from_iter([key.environment(), key.service()]);
        Self { store, prefix }
    }

    /// The key of a number: zero-padded, so that keys sort as numbers do.
    pub(super) fn key(&self, folder: Folder, number: u64) -> Path {
        self.folder(folder).join(format!("{number:020}.json"))
    }

    fn folder(&self, folder: Folder) -> Path {
        self.prefix.clone().join(match folder {
            Folder::Records => "records",
            Folder::Snapshots => "snapshots",
            Folder::Leases => "leases",
        })
    }

    /// The bytes under a number, if there are any.
    pub(super) async fn get(&self, folder: Folder, number: u64) -> Result<Option<Bytes>> {
        let key = self.key(folder, number);
        let read = async { self.store.get(&key).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(mapped("read the journal", &error).with_context("key", key.to_string())),
        }
    }

    /// Writes where nothing is yet. An error decides nothing: it may be written, by us too.
    pub(super) async fn create(&self, folder: Folder, number: u64, bytes: Bytes) -> Result<()> {
        self.put(folder, number, bytes, PutMode::Create).await
    }

    /// Writes over what is there. A conflict with another write of the same moment may be tried again.
    pub(super) async fn overwrite(&self, folder: Folder, number: u64, bytes: Bytes) -> Result<()> {
        let put = self.put(folder, number, bytes, PutMode::Overwrite).await;
        put.map_err(|error| if error.kind() == ErrorKind::Conflict { error.temporary() } else { error })
    }

    async fn put(&self, folder: Folder, number: u64, bytes: Bytes, mode: PutMode) -> Result<()> {
        let key = self.key(folder, number);
        let options = PutOptions::from(mode);
        match self.store.put_opts(&key, PutPayload::from_bytes(bytes), options).await {
            Ok(_) => Ok(()),
            Err(error) => Err(mapped("write the journal", &error).with_context("key", key.to_string())),
        }
    }

    /// The numbers of a folder above another, in order. Names that are not ours are passed over.
    pub(super) async fn numbers(&self, folder: Folder, above: u64) -> Result<Vec<u64>> {
        let path = self.folder(folder);
        let offset = self.key(folder, above);
        let metas: Vec<_> = self
            .store
            .list_with_offset(Some(&path), &offset)
            .try_collect()
            .await
            .map_err(|error| mapped("list the journal", &error).with_context("key", path.to_string()))?;
        let mut numbers: Vec<u64> = metas
            .iter()
            .filter_map(|meta| {
                let number = meta.location.filename()?.strip_suffix(".json")?.parse().ok()?;
                (self.key(folder, number) == meta.location).then_some(number)
            })
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Takes a snapshot away; one that is not there is a success. Records and leases have no such call: their
    /// numbers are never used again.
    pub(super) async fn remove_snapshot(&self, number: u64) -> Result<()> {
        let key = self.key(Folder::Snapshots, number);
        match self.store.delete(&key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => {
                Err(mapped("remove a snapshot of the journal", &error).with_context("key", key.to_string()))
            }
        }
    }

    /// What everything in the service's folder amounts to.
    pub(super) async fn usage(&self) -> Result<Usage> {
        let metas: Vec<_> = self.store.list(Some(&self.prefix)).try_collect().await.map_err(|error| {
            mapped("list the journal", &error).with_context("key", self.prefix.to_string())
        })?;
        Ok(metas.iter().map(|meta| meta.size).collect())
    }

    /// The bytes under each of these numbers, several asked for at a time.
    pub(super) async fn get_all(&self, folder: Folder, numbers: &[u64]) -> Result<Vec<(u64, Option<Bytes>)>> {
        futures_util::stream::iter(numbers.iter().copied())
            .map(|number| async move { Ok((number, self.get(folder, number).await?)) })
            .buffered(16)
            .try_collect()
            .await
    }
}

/// What a store's error means to us. Its types go no further; its text is kept as the cause. A store that knows more,
/// such as the permission that is missing, brings an error of ours as the cause of its own.
fn mapped(what: &'static str, error: &object_store::Error) -> Error {
    use object_store::Error as Store;
    if let Some(told) = causes(error).find_map(|error| error.downcast_ref::<Error>()) {
        let mapped = Error::new(told.kind(), what).with_retry(told.retry());
        let mapped = mapped.with_source(told.causes().join(": "));
        return if let Some(hint) = told.hint() { mapped.with_hint(hint) } else { mapped };
    }
    let kind = match error {
        Store::AlreadyExists { .. } | Store::Precondition { .. } | Store::NotModified { .. } => {
            ErrorKind::Conflict
        }
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => ErrorKind::PermissionDenied,
        Store::NotFound { .. } => ErrorKind::NotFound,
        Store::NotSupported { .. } | Store::NotImplemented { .. } => ErrorKind::Unsupported,
        Store::InvalidPath { .. } | Store::UnknownConfigurationKey { .. } => ErrorKind::Unexpected,
        other if is_denied(other) => ErrorKind::PermissionDenied,
        _ => ErrorKind::Unavailable,
    };
    let mapped = Error::new(kind, what).with_source(error.to_string());
    if kind == ErrorKind::Unavailable { mapped.temporary() } else { mapped }
}

/// Whether the operating system said no: local stores wrap its answer in a general error.
fn is_denied(error: &(dyn StdError + 'static)) -> bool {
    causes(error)
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| StdError::source(*error))
}
