//! Connections that last: server-sent events and web sockets.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::http::Connection;
use crate::process::{PATIENCE, Storefront};

fn read_to(connection: &mut Connection, wanted: &str) {
    while connection.line() != wanted {}
}

#[test]
fn events_carry_the_version_and_end_at_a_drain() {
    for path in ["/events", "/sse"] {
        let mut storefront = Storefront::start(&[("IMAGE_TAG", "1.8.2")]);
        let mut connection = Connection::open(storefront.address);
        connection.request("GET", &format!("{path}?interval_ms=10"));
        let head = connection.head();
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
        for sequence in 1..=3 {
            read_to(&mut connection, &format!("id: {sequence}"));
            assert_eq!(connection.line(), "event: version");
            let data = connection.line();
            assert!(data.starts_with("data: {") && data.contains("\"version\":\"1.8.2\""), "{data}");
        }
        storefront.terminate();
        let rest = connection.rest();
        assert!(rest.contains("event: drain\n") && rest.ends_with("\r\n0\r\n\r\n"), "{rest}");
        assert_eq!(storefront.wait().code(), Some(0));
    }
}

async fn websocket(storefront: &Storefront) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(storefront.address).await.expect("connect");
    let (socket, response) = client_async("ws://storefront/ws", stream).await.expect("a handshake");
    assert_eq!(response.status(), 101);
    socket
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Option<Message> {
    timeout(PATIENCE, socket.next()).await.expect("in time").transpose().expect("no protocol error")
}

#[tokio::test]
async fn a_websocket_echoes_and_is_closed_by_its_client() {
    let storefront = Storefront::start(&[]);
    let mut socket = websocket(&storefront).await;
    for message in [Message::text("hello"), Message::binary(vec![1, 2, 3])] {
        socket.send(message.clone()).await.expect("send");
        assert_eq!(next(&mut socket).await, Some(message));
    }
    socket.close(None).await.expect("close");
    assert!(matches!(next(&mut socket).await, Some(Message::Close(_))));
    assert_eq!(next(&mut socket).await, None);
}

#[tokio::test]
async fn a_drain_says_goodbye_with_1001() {
    let mut storefront = Storefront::start(&[]);
    let mut socket = websocket(&storefront).await;
    socket.send(Message::text("hello")).await.expect("send");
    assert_eq!(next(&mut socket).await, Some(Message::text("hello")));
    storefront.terminate();
    let Some(Message::Close(Some(frame))) = next(&mut socket).await else { panic!("no close frame") };
    assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Away, "draining"));
    assert_eq!(next(&mut socket).await, None);
    assert_eq!(storefront.wait().code(), Some(0));
}
