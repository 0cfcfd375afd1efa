//! `/ws`: a WebSocket that echoes, and says goodbye with 1001 at a drain.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::app::App;
use crate::body::{self, Body};
use crate::output;

/// The largest message that it echoes.
const MAX_MESSAGE: usize = 1024 * 1024;

/// How long a client may take to answer our close frame.
const GOODBYE: Duration = Duration::from_secs(5);

/// Answers the handshake and leaves the connection to a task of its own, which a drain waits for.
pub(crate) fn upgrade(app: &Arc<App>, mut request: Request<Incoming>) -> Response<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    let empty = || Empty::new().map_err(|never| match never {}).boxed_unsync();
    match create_response_with_body(&request, empty) {
        Ok(response) => {
            app.drain.spawn(serve(Arc::clone(app), upgrade));
            response
        }
        Err(_) => body::error(StatusCode::BAD_REQUEST, "expected a WebSocket handshake"),
    }
}

async fn serve(app: Arc<App>, upgrade: OnUpgrade) {
    // A client that leaves during the handshake has nothing left to be told.
    let Ok(upgraded) = upgrade.await else { return };
    let config =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    if let Err(error) = converse(&app, socket).await {
        output::line(&format!("websocket ended: {error}"));
    }
}

async fn converse(app: &App, mut socket: WebSocketStream<TokioIo<Upgraded>>) -> Result<(), Error> {
    loop {
        let message = tokio::select! {
            biased;
            () = app.drain.closing() => return say_goodbye(socket).await,
            message = socket.next() => message,
        };
        match message.transpose()? {
            Some(message @ (Message::Text(_) | Message::Binary(_))) => socket.send(message).await?,
            // Pings and the client's close frame are answered by the protocol itself.
            Some(_) => {}
            None => return Ok(()),
        }
    }
}

/// Sends a close frame and waits for the client's, so that the client never sees a connection cut.
async fn say_goodbye(mut socket: WebSocketStream<TokioIo<Upgraded>>) -> Result<(), Error> {
    let frame = CloseFrame { code: CloseCode::Away, reason: "draining".into() };
    timeout(GOODBYE, async {
        socket.close(Some(frame)).await?;
        // What the client sent before it heard of the close is past answering.
        while socket.next().await.transpose()?.is_some() {}
        Ok(())
    })
    .await
    .unwrap_or(Ok(()))
}
