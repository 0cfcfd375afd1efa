//! Tasks that behave in one way each, over the network.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Whom a prober may meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// Nobody listens: connections are refused.
    Nobody,
    /// It answers every request with this status.
    Answers(u16),
    /// It answers its first request with this status, and every later one with 200.
    AnswersOnce(u16),
    /// It takes connections and never says anything.
    Mute,
    /// It answers 200 and sends a byte of the body now and then, for ever.
    Trickles,
    /// It answers 200 with a body of this byte that never ends.
    Endless(u8),
    /// It takes a request and closes the connection.
    HangsUp,
    /// It says something that is not HTTP.
    Babbles,
}

/// Makes such a target on a port of its own, for as long as the tokio runtime lives.
///
/// # Panics
/// When the machine gives no port.
pub async fn imitate(target: Target) -> SocketAddr {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    if target == Target::Nobody {
        // Held and not listened on, so that nobody else gets the port.
        let socket = TcpSocket::new_v4().and_then(|socket| socket.bind(any).map(|()| socket));
        let socket = socket.unwrap_or_else(|error| panic!("a socket: {error}"));
        let address = socket.local_addr().unwrap_or_else(|error| panic!("an address: {error}"));
        tokio::spawn(async move {
            let _held = socket;
            std::future::pending::<()>().await;
        });
        return address;
    }
    let listener = TcpListener::bind(any).await.unwrap_or_else(|error| panic!("a listener: {error}"));
    let address = listener.local_addr().unwrap_or_else(|error| panic!("an address: {error}"));
    let asked = Arc::new(AtomicBool::new(false));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let asked = Arc::clone(&asked);
            // The other side may leave at any time.
            tokio::spawn(async move { behave(target, stream, &asked).await.ok() });
        }
    });
    address
}

async fn behave(target: Target, mut stream: TcpStream, asked: &AtomicBool) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let first = !asked.swap(true, Ordering::SeqCst);
    match target {
        Target::Answers(status) => answer(&mut stream, status).await,
        Target::AnswersOnce(status) => answer(&mut stream, if first { status } else { 200 }).await,
        Target::Mute => std::future::pending().await,
        Target::Trickles => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(b"x").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Target::Endless(byte) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(&[byte; 4096]).await?;
            }
        }
        Target::Babbles => stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await,
        Target::HangsUp | Target::Nobody => Ok(()),
    }
}

async fn answer(stream: &mut TcpStream, status: u16) -> std::io::Result<()> {
    let place = if (300..400).contains(&status) { "location: /elsewhere\r\n" } else { "" };
    let body = if status == 204 { "" } else { "content-length: 2\r\n\r\nok" };
    let end = if body.is_empty() { "\r\n" } else { "" };
    stream
        .write_all(format!("HTTP/1.1 {status} X\r\n{place}connection: close\r\n{body}{end}").as_bytes())
        .await
}
