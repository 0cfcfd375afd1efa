//! Snapshots: what the records up to one amount to, so that reading stays cheap.

use serde::{Deserialize, Serialize};

use super::state::State;
use super::store::{Folder, Shelf};
use crate::error::{Error, ErrorKind, Result};

/// A state and who folded it.
#[derive(Debug, Serialize, Deserialize)]
struct Snapshot {
    /// The version of QuickServe that folded it. Another one may know kinds that this one passed over, or fold
    /// differently, so it starts from the records instead.
    by: String,
    state: State,
}

const BY: &str = env!("CARGO_PKG_VERSION");

/// The newest state that this version has folded, if there is one. One that cannot be read is passed over.
pub(super) async fn newest(shelf: &Shelf) -> Result<Option<State>> {
    for number in shelf.numbers(Folder::Snapshots, 0).await?.into_iter().rev() {
        let Some(bytes) = shelf.get(Folder::Snapshots, number).await? else { continue };
        match serde_json::from_slice::<Snapshot>(&bytes) {
            Ok(snapshot) if snapshot.by == BY && snapshot.state.last == number => {
                return Ok(Some(snapshot.state));
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(number, %error, "a snapshot of the journal is unreadable"),
        }
    }
    Ok(None)
}

/// Writes the state up to its last record.
pub(super) async fn save(shelf: &Shelf, state: &State) -> Result<()> {
    let snapshot = Snapshot { by: BY.to_owned(), state: state.clone() };
    let bytes = serde_json::to_vec(&snapshot).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "write a snapshot of the journal as JSON").with_source(error)
    })?;
    shelf.overwrite(Folder::Snapshots, state.last, bytes.into()).await
}
