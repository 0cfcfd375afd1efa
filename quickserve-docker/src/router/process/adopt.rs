//! A worker whose parent has died gets another one: the next `quickserve router run` in its folder.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::link::{self, Receiver, Sender};
use super::messages::FromWorker;
use super::supervised::Supervised;
use crate::router::folder::Folder;
use crate::router::protocol::{Call, Request, VERSION, line};

/// For a worker to hand over all it holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// All that a worker without a parent brings along.
#[derive(Debug)]
pub(crate) struct Adoption {
    pub(super) pid: u32,
    pub(super) version: String,
    pub(super) link: Sender,
    pub(super) receiver: Receiver,
    pub(super) lock: OwnedFd,
    pub(super) control: OwnedFd,
    pub(super) listeners: BTreeMap<SocketAddr, OwnedFd>,
}

impl Adoption {
    /// Offers to be the parent of the worker that runs in the folder; nothing where it has one.
    pub(super) async fn offer(folder: &Folder) -> Option<Self> {
        timeout(PATIENCE, Self::converse(folder)).await.ok().flatten()
    }

    async fn converse(folder: &Folder) -> Option<Self> {
        let mut stream = folder.connect().await.ok()?;
        let call = serde_json::to_value(Call::Adopt).ok()?;
        stream.write_all(&line(&Request { v: VERSION, call }).ok()?).await.ok()?;
        let (link, mut receiver) = link::over(stream);
        let first = receiver.hear().await?;
        let link::Heard { message: FromWorker::Adopted { version, pid, .. }, mut fds } = first else {
            return None;
        };
        let (lock, control) = (fds.pop_front()?, fds.pop_front()?);
        let mut listeners = BTreeMap::new();
        loop {
            let mut heard = receiver.hear().await?;
            match heard.message {
                FromWorker::Holds { address } => {
                    listeners.insert(address, heard.fds.pop_front()?);
                }
                FromWorker::AllHeld => break,
                _ => {}
            }
        }
        Some(Self { pid, version, link, receiver, lock, control, listeners })
    }
}

/// Takes whoever is at the other end as the parent.
pub(super) fn accept(
    parent: &Arc<Supervised>,
    stream: UnixStream,
    keys: Vec<OwnedFd>,
    sockets: Vec<(SocketAddr, OwnedFd)>,
    grace: Duration,
) {
    let (link, receiver) = link::over(stream);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    link.pass(&FromWorker::Adopted { version, pid: std::process::id(), grace }, keys);
    for (address, socket) in sockets {
        link.pass(&FromWorker::Holds { address }, vec![socket]);
    }
    link.say(&FromWorker::AllHeld);
    tracing::info!("the router has a parent again");
    parent.attend(link, receiver, None);
}

/// A socket that reads and writes on its own, as it was before it was taken apart.
pub(crate) fn whole(
    reader: tokio::net::unix::OwnedReadHalf,
    writer: tokio::net::unix::OwnedWriteHalf,
) -> io::Result<UnixStream> {
    reader.reunite(writer).map_err(io::Error::other)
}
