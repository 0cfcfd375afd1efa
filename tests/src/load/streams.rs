//! What lasts: slow uploads, WebSockets and event streams.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use http_body_util::{BodyDataStream, BodyExt as _, Empty, StreamBody};
use hyper::Method;
use hyper::body::Frame;
use serde_json::Value;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::clients::identity;
use super::connection::{self, Connection, Version, chain};
use super::{Kind, LIMIT, Shared};

/// A slow body: so many pieces, one after each pause.
const PIECES: usize = 12;
const PIECE: &str = "a piece of an order that takes its time; ";
const PAUSE: Duration = Duration::from_millis(50);

/// From one event to the next.
const INTERVAL_MS: u32 = 100;

/// From one message to the next.
const SILENCE: Duration = Duration::from_millis(100);

/// How often one looks whether streams may be opened again.
const NAP: Duration = Duration::from_millis(20);

/// Does something again and again while it may be done, and counts what fails.
async fn again<F>(shared: Arc<Shared>, kind: Kind, once: impl Fn(Arc<Shared>) -> F)
where
    F: Future<Output = Result<(), String>>,
{
    while shared.goes_on() {
        if let Some(_permit) = shared.unrepeatable() {
            shared.tally().sent += 1;
            if let Err(why) = once(Arc::clone(&shared)).await {
                shared.failed(kind, why);
            }
        }
        sleep(NAP).await;
    }
}

/// Sends one slow body after the other.
pub(super) async fn upload(shared: Arc<Shared>, number: u32) {
    sleep(PAUSE * number).await;
    again(shared, Kind::Upload, |shared| async {
        timeout(LIMIT, upload_once(shared)).await.unwrap_or_else(|_| Err("no end".to_owned()))
    })
    .await;
}

async fn upload_once(shared: Arc<Shared>) -> Result<(), String> {
    shared.tally().posts += 1;
    let pieces: Vec<String> = (0..PIECES).map(|piece| format!("{piece}: {PIECE}")).collect();
    let sent = pieces.concat();
    let pieces = stream::iter(pieces).then(|piece| async move {
        sleep(PAUSE).await;
        Ok::<_, Infallible>(Frame::data(Bytes::from(piece)))
    });
    let body = StreamBody::new(pieces).boxed_unsync();
    let mut open = Connection::open(shared.address, Version::Http1).await?;
    let answer = open.send(shared.address, Method::POST, "/echo", body).await?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await.map_err(|error| chain(&error))?.to_bytes();
    if !status.is_success() {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&bytes).trim()));
    }
    if bytes == sent { Ok(()) } else { Err(format!("{} of {} bytes came back", bytes.len(), sent.len())) }
}

/// Keeps a WebSocket; where the service closes it properly, opens the next.
pub(super) async fn echo(shared: Arc<Shared>, number: u32) {
    again(shared, Kind::WebSocket, |shared| converse(shared, number)).await;
}

async fn converse(shared: Arc<Shared>, number: u32) -> Result<(), String> {
    let url = format!("ws://{}/ws", shared.address);
    let opening = client_async(url, connection::stream(shared.address).await?);
    let opened = timeout(LIMIT, opening).await.map_err(|_| "no handshake".to_owned())?;
    let (mut socket, _) = opened.map_err(|error| format!("handshake: {}", chain(&error)))?;
    for turn in 0_u64.. {
        if shared.ended() || !shared.may_be_unrepeatable() {
            let goodbye = async {
                socket.close(None).await?;
                while let Some(message) = socket.next().await {
                    message?;
                }
                Ok::<_, tokio_tungstenite::tungstenite::Error>(())
            };
            let said = timeout(LIMIT, goodbye).await.map_err(|_| "our close is not answered".to_owned())?;
            return said.map_err(|error| format!("closing: {}", chain(&error)));
        }
        let text = format!("message {turn} of {number}");
        socket.send(Message::text(text.clone())).await.map_err(|error| format!("send: {}", chain(&error)))?;
        let message = timeout(LIMIT, socket.next()).await.map_err(|_| "no echo".to_owned())?;
        match message {
            Some(Ok(Message::Text(came))) if came.as_str() == text => shared.tally().messages += 1,
            other => return closed(&shared, socket, other).await,
        }
        // Nothing is expected now but a close.
        if let Ok(message) = timeout(SILENCE, socket.next()).await {
            return closed(&shared, socket, message).await;
        }
    }
    Ok(())
}

type Received = Option<Result<Message, tokio_tungstenite::tungstenite::Error>>;

/// Whether what came is the proper end of a WebSocket: a close frame that says why, and then nothing more.
async fn closed(
    shared: &Shared,
    mut socket: tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>,
    message: Received,
) -> Result<(), String> {
    match message {
        Some(Ok(Message::Close(Some(frame)))) if frame.code == CloseCode::Away => {
            // Our own close frame is sent by reading on.
            let rest =
                timeout(LIMIT, socket.next()).await.map_err(|_| "no end after the close".to_owned())?;
            match rest {
                None => {
                    shared.tally().ended += 1;
                    Ok(())
                }
                Some(other) => Err(format!("after the close: {other:?}")),
            }
        }
        Some(Ok(other)) => Err(format!("unexpected: {other:?}")),
        Some(Err(error)) => Err(format!("cut: {}", chain(&error))),
        None => Err("ended without a close".to_owned()),
    }
}

/// Listens to events until the service ends the stream, and then to the next.
pub(super) async fn listen(shared: Arc<Shared>) {
    again(shared, Kind::Events, listen_once).await;
}

async fn listen_once(shared: Arc<Shared>) -> Result<(), String> {
    let began = shared.begin();
    let mut open = Connection::open(shared.address, Version::Http1).await?;
    let path = format!("/events?interval_ms={INTERVAL_MS}");
    let asked = open.send(shared.address, Method::GET, &path, Empty::new().boxed_unsync());
    let answer = timeout(LIMIT, asked).await.map_err(|_| "no answer".to_owned())??;
    if !answer.status().is_success() {
        return Err(answer.status().to_string());
    }
    let mut pieces = BodyDataStream::new(answer.into_body());
    let (mut text, mut last) = (String::new(), String::new());
    loop {
        if shared.ended() || !shared.may_be_unrepeatable() {
            return Ok(());
        }
        match timeout(LIMIT, pieces.next()).await.map_err(|_| "no event".to_owned())? {
            Some(Ok(piece)) => text.push_str(&String::from_utf8_lossy(&piece)),
            Some(Err(error)) => return Err(format!("after {last:?}: {}", chain(&error))),
            None if last == "drain" && text.is_empty() => {
                shared.tally().ended += 1;
                return Ok(());
            }
            None => return Err(format!("ended after {last:?} without saying so")),
        }
        while let Some(end) = text.find("\n\n") {
            let event: String = text.drain(..end + 2).collect();
            let field =
                |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            let first = std::mem::replace(&mut last, field("event: ").to_owned()).is_empty();
            shared.tally().events += 1;
            if first {
                let data: Value = serde_json::from_str(field("data: ")).map_err(|error| error.to_string())?;
                let (version, release) = identity(&data)?;
                shared.answered(began, version, &release)?;
            }
        }
    }
}
