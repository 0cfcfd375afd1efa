//! The control socket's side of the router.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use quickserve_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::task::TaskTracker;

use super::hub::Hub;
use super::protocol::{Answer, Call, MAX_LINE, Request, VERSION, line};

/// Answers calls for as long as it is polled. Calls that have begun are finished even when it is dropped.
pub(super) async fn serve(listener: UnixListener, hub: Arc<Hub>, calls: TaskTracker) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (hub, calls) = (Arc::clone(&hub), calls.clone());
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &hub, &calls).await {
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
async fn converse(stream: UnixStream, hub: &Arc<Hub>, calls: &TaskTracker) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut asked = Vec::new();
        (&mut reader).take(MAX_LINE).read_until(b'\n', &mut asked).await?;
        if asked.last() != Some(&b'\n') {
            // The end, a line that was cut, or one that is too long: nothing of it is done.
            return Ok(());
        }
        // Apart from the connection: a caller that goes away does not stop half-way what it asked for.
        let hub = Arc::clone(hub);
        let call = calls.spawn(async move { answer(&asked, &hub).await });
        let answer = call.await.unwrap_or_else(|error| {
            let failed = Error::new(ErrorKind::Unexpected, "the router failed at a call").with_source(error);
            Answer::Failed(failed.into())
        });
        let answer = line(&answer).map_err(io::Error::other)?;
        writer.write_all(&answer).await?;
    }
}

async fn answer(asked: &[u8], hub: &Hub) -> Answer {
    let answer = match parse(asked) {
        Ok(call) => hub.call(call).await,
        Err(error) => Err(error),
    };
    answer.unwrap_or_else(|error| Answer::Failed(error.into()))
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
