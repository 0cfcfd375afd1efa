//! A connection between two of the router's processes, which carries messages and open sockets.
//!
//! A message is a line of JSON. The descriptors that belong to it travel beside it (`SCM_RIGHTS`), in the same
//! order, and the line says how many they are.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

/// No message carries more descriptors than this.
const MAX_FDS: usize = 4;

/// No line is longer than this: it may hold the splits of all services.
const MAX_LINE: usize = 64 * 1024 * 1024;

/// The side of a link that says. Once the other end is gone, what is said is dropped in silence: the receiver
/// tells of the end.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    queue: mpsc::UnboundedSender<Item>,
}

/// The side of a link that hears.
#[derive(Debug)]
pub(crate) struct Receiver {
    stream: Arc<UnixStream>,
    /// What has arrived and is no whole line yet.
    bytes: Vec<u8>,
    /// As far as it was searched for the end of a line.
    searched: usize,
    fds: VecDeque<OwnedFd>,
}

/// A message with the descriptors that belong to it.
#[derive(Debug)]
pub(crate) struct Heard<T> {
    pub(crate) message: T,
    pub(crate) fds: VecDeque<OwnedFd>,
}

#[derive(Debug)]
enum Item {
    Message(Vec<u8>, Vec<OwnedFd>),
    Flush(oneshot::Sender<()>),
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    #[serde(default)]
    fds: usize,
    say: T,
}

/// Two ends: one to keep, one to pass to another process.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = StdStream::pair()?;
    Ok((ours.into(), theirs.into()))
}

/// Speaks over a stream socket.
pub(crate) fn open(fd: OwnedFd) -> io::Result<(Sender, Receiver)> {
    let stream = StdStream::from(fd);
    stream.set_nonblocking(true)?;
    Ok(over(UnixStream::from_std(stream)?))
}

/// Speaks over a connection.
pub(crate) fn over(stream: UnixStream) -> (Sender, Receiver) {
    let stream = Arc::new(stream);
    let (queue, items) = mpsc::unbounded_channel();
    tokio::spawn(write(Arc::clone(&stream), items));
    let receiver = Receiver { stream, bytes: Vec::new(), searched: 0, fds: VecDeque::new() };
    (Sender { queue }, receiver)
}

impl Sender {
    /// Says something.
    pub(crate) fn say(&self, message: &impl Serialize) {
        self.pass(message, Vec::new());
    }

    /// Says something and passes descriptors along.
    pub(crate) fn pass(&self, message: &impl Serialize, fds: Vec<OwnedFd>) {
        match serde_json::to_vec(&Envelope { fds: fds.len(), say: message }) {
            Ok(mut line) => {
                line.push(b'\n');
                let _ = self.queue.send(Item::Message(line, fds));
            }
            Err(error) => tracing::error!(%error, "put a message between the router's processes into words"),
        }
    }

    /// Waits until all that was said has left this process, or cannot.
    pub(crate) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        let _ = self.queue.send(Item::Flush(done));
        let _ = flushed.await;
    }
}

async fn write(stream: Arc<UnixStream>, mut items: mpsc::UnboundedReceiver<Item>) {
    while let Some(item) = items.recv().await {
        match item {
            Item::Message(line, fds) => {
                if write_one(&stream, &line, &fds).await.is_err() {
                    return;
                }
            }
            Item::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

async fn write_one(stream: &UnixStream, mut line: &[u8], fds: &[OwnedFd]) -> io::Result<()> {
    let fds: Vec<BorrowedFd<'_>> = fds.iter().map(|fd| fd.as_fd()).collect();
    let mut fds = fds.as_slice();
    while !line.is_empty() {
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                Ok(sendmsg(stream, &[IoSlice::new(line)], &mut control, flags())?)
            })
            .await?;
        // They have left with the first byte.
        fds = &[];
        line = line.get(sent..).unwrap_or_default();
    }
    Ok(())
}

/// Rust's runtime ignores SIGPIPE; where it can be said for one call as well, it is.
fn flags() -> SendFlags {
    #[cfg(target_os = "linux")]
    {
        SendFlags::NOSIGNAL
    }
    #[cfg(not(target_os = "linux"))]
    {
        SendFlags::empty()
    }
}

impl Receiver {
    /// The next message; nothing when the other end is gone. What is not understood is passed over, so that
    /// the two ends may be of different versions. Dropped while it waits, it loses nothing.
    pub(crate) async fn hear<T: DeserializeOwned>(&mut self) -> Option<Heard<T>> {
        loop {
            let line = self.line().await?;
            let count = serde_json::from_slice::<Envelope<serde::de::IgnoredAny>>(&line);
            let count = count.map_or(0, |envelope| envelope.fds).min(self.fds.len());
            let fds: VecDeque<OwnedFd> = self.fds.drain(..count).collect();
            match serde_json::from_slice::<Envelope<T>>(&line) {
                Ok(envelope) => return Some(Heard { message: envelope.say, fds }),
                Err(error) => {
                    tracing::warn!(%error, "a message of another of the router's processes is not understood");
                }
            }
        }
    }

    async fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            let end = self.bytes.iter().skip(self.searched).position(|byte| *byte == b'\n');
            if let Some(end) = end.map(|end| self.searched + end) {
                let rest = self.bytes.split_off(end + 1);
                self.searched = 0;
                return Some(std::mem::replace(&mut self.bytes, rest));
            }
            self.searched = self.bytes.len();
            if self.bytes.len() > MAX_LINE {
                return None;
            }
            let (stream, bytes, fds) = (&self.stream, &mut self.bytes, &mut self.fds);
            match stream.async_io(Interest::READABLE, || read(stream, bytes, fds)).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

fn read(stream: &UnixStream, bytes: &mut Vec<u8>, fds: &mut VecDeque<OwnedFd>) -> io::Result<usize> {
    let mut buffer = [0; 16 * 1024];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    // Not to be inherited by a process that is started at this very moment.
    #[cfg(target_os = "linux")]
    let flags = RecvFlags::CMSG_CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = RecvFlags::empty();
    let got = recvmsg(stream, &mut [IoSliceMut::new(&mut buffer)], &mut control, flags)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            fds.extend(passed);
        }
    }
    #[cfg(not(target_os = "linux"))]
    for fd in fds.iter() {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?;
    }
    bytes.extend_from_slice(buffer.get(..got.bytes).unwrap_or_default());
    Ok(got.bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[tokio::test]
    async fn messages_arrive_in_order_with_what_was_passed_along() {
        let (a, b) = pair().expect("a pair");
        let (sender, heard_by_nobody) = open(a).expect("a link");
        let (_other, mut receiver) = open(b).expect("a link");
        let long = "x".repeat(300_000);
        let mut theirs = Vec::new();
        for name in ["one", "two"] {
            let (ours, end) = StdStream::pair().expect("a pair");
            theirs.push(ours);
            sender.say(&long);
            sender.pass(&name, vec![end.into()]);
        }
        // What the other end does not know is passed over, along with what came with it.
        sender.pass(&5, vec![pair().expect("a pair").0]);
        sender.say(&"end");
        for (name, ours) in ["one", "two"].into_iter().zip(&mut theirs) {
            assert_eq!(receiver.hear::<String>().await.expect("a message").message, long);
            let mut heard = receiver.hear::<String>().await.expect("a message");
            assert_eq!(heard.message, name);
            let mut passed = StdStream::from(heard.fds.pop_front().expect("a socket"));
            passed.write_all(name.as_bytes()).expect("written");
            let mut seen = [0; 3];
            ours.read_exact(&mut seen).expect("read");
            assert_eq!(seen, name.as_bytes());
        }
        let heard = receiver.hear::<String>().await.expect("a message");
        assert_eq!((heard.message.as_str(), heard.fds.len()), ("end", 0));
        drop((sender, heard_by_nobody));
        assert!(receiver.hear::<String>().await.is_none());
    }
}
