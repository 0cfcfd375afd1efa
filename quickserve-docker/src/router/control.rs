//! The control socket's side of the router.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use quickserve_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};

use super::hub::Hub;
use super::process::whole;
use super::protocol::{Answer, Call, MAX_LINE, Request, VERSION, line};

/// For a caller to read its answer.
const READ: Duration = Duration::from_secs(5);

/// Answers calls for as long as it is polled. Calls that have begun are finished even when it is dropped.
pub(super) async fn serve(listener: UnixListener, hub: Arc<Hub>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let hub = Arc::clone(&hub);
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &hub).await {
                        tracing::debug!(%error, "a control connection ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept a control connection");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Answers one line after the other.
async fn converse(stream: UnixStream, hub: &Arc<Hub>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut asked = Vec::new();
        (&mut reader).take(MAX_LINE).read_until(b'\n', &mut asked).await?;
        if asked.last() != Some(&b'\n') {
            // The end, a line that was cut, or one that is too long: nothing of it is done.
            return Ok(());
        }
        let answered = match parse(&asked) {
            Ok(Call::Adopt) => {
                hub.offer(whole(reader.into_inner(), writer)?);
                return Ok(());
            }
            // It ends with calls being answered by another process, so it is not one of those that must end
            // before that.
            Ok(Call::Upgrade(upgrade)) => {
                let _waits = hub.upgrades.token();
                let upgraded = hub.upgrade(upgrade).await.map(|()| Answer::Done);
                say(&mut writer, upgraded).await?;
                continue;
            }
            Ok(call) => {
                // Another process answers calls from now on; the caller tries again and reaches it.
                let Some(open) = hub.enter().await else { return Ok(()) };
                // Apart from the connection: a caller that goes away does not stop half-way what it asked for.
                let hub = Arc::clone(hub);
                let call = tokio::spawn(async move { (hub.call(call).await, open) });
                let (answered, _open) = call.await.map_err(io::Error::other)?;
                say(&mut writer, answered).await?;
                continue;
            }
            Err(error) => Err(error),
        };
        say(&mut writer, answered).await?;
    }
}

async fn say(writer: &mut OwnedWriteHalf, answered: Result<Answer>) -> io::Result<()> {
    let answer = answered.unwrap_or_else(|error| Answer::Failed(error.into()));
    let answer = line(&answer).map_err(io::Error::other)?;
    tokio::time::timeout(READ, writer.write_all(&answer)).await?
}

fn parse(asked: &[u8]) -> Result<Call> {
    let invalid = |error: serde_json::Error| {
        Error::new(ErrorKind::Invalid, "the router does not understand the call").with_source(error)
    };
    let request: Request = serde_json::from_slice(asked).map_err(invalid)?;
    if request.v != VERSION {
        let message = format!("the router speaks version {VERSION} of its protocol, not {}", request.v);
        let hint = "upgrade the older of the two: quickserve --version, quickserve router status";
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint));
    }
    serde_json::from_value(request.call).map_err(invalid)
}
