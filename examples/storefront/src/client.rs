//! The smallest HTTP client: one GET with a deadline.

use std::error::Error;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// More than any answer that is asked for here.
const MAX_BODY: usize = 1024 * 1024;

/// Gets a path and reads the whole answer within the limit.
pub(crate) async fn get(
    host: &str,
    port: u16,
    path: &str,
    limit: Duration,
) -> Result<(StatusCode, Bytes), Box<dyn Error + Send + Sync>> {
    timeout(limit, async {
        let stream = TcpStream::connect((host, port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::get(path)
            .header(header::HOST, format!("{host}:{port}"))
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        Ok((status, Limited::new(response.into_body(), MAX_BODY).collect().await?.to_bytes()))
    })
    .await?
}
