//! Keep-alive connections, each with one short request at a time.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::connection::{Connection, Version, chain};
use super::{Kind, LIMIT, Shared};

/// One connection, from the first request to the last.
pub(super) async fn keep_alive(shared: Arc<Shared>, number: u32) {
    let mut connection = None;
    let size = shared.size;
    // Spread among the others, so that both versions do everything.
    let is_http2 = (number * size.http2) % size.connections < size.http2;
    let version = if is_http2 { Version::Http2 } else { Version::Http1 };
    // They do not march in step.
    sleep(size.pause * number / size.connections).await;
    for turn in number.. {
        if !shared.goes_on() {
            return;
        }
        let permit = if turn % 5 == 4 { shared.unrepeatable() } else { None };
        let kind = match turn % 5 {
            _ if permit.is_some() => Kind::Echo,
            0 | 2 => Kind::Version,
            _ => Kind::Home,
        };
        shared.tally().sent += 1;
        shared.tally().posts += u64::from(kind == Kind::Echo);
        let began = shared.begin();
        let answer = timeout(LIMIT, request(&mut connection, &shared, version, kind, turn)).await;
        drop(permit);
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs())));
        let counted = answer.and_then(|identity| match identity {
            Some((version, release)) => shared.answered(began, version, &release),
            None => Ok(()),
        });
        if let Err(why) = counted {
            connection = None;
            shared.failed(kind, why);
        }
        sleep(size.pause).await;
    }
}

/// One request; answers the version and the release that served it, where the answer says so. Nothing is sent
/// twice, but for a GET whose connection was lost while clients may repeat such.
async fn request(
    connection: &mut Option<Connection>,
    shared: &Shared,
    version: Version,
    kind: Kind,
    turn: u32,
) -> Result<Option<(String, String)>, String> {
    let mut kept = connection.take();
    if let Some(open) = &mut kept
        && !open.is_ready().await
    {
        kept = None;
    }
    let mut open = match kept {
        Some(open) => open,
        None => Connection::open(shared.address, version).await?,
    };
    let mut answer = exchange(&mut open, shared.address, kind, turn).await;
    // RFC 9110, 9.2.2: a client may repeat what is safe when a connection was lost.
    if answer.is_err() && kind != Kind::Echo && shared.may_repeat() {
        shared.tally().repeated += 1;
        open = Connection::open(shared.address, version).await?;
        answer = exchange(&mut open, shared.address, kind, turn).await;
    }
    let (status, bytes) = answer?;
    if !status.is_success() {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&bytes).trim()));
    }
    *connection = Some(open);
    match kind {
        Kind::Echo if bytes != order(turn) => Err("came back changed".to_owned()),
        Kind::Version => {
            let answer: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
            identity(&answer).map(Some)
        }
        _ => Ok(None),
    }
}

/// One request and its whole answer; an error when the connection does not bring it.
async fn exchange(
    open: &mut Connection,
    address: SocketAddr,
    kind: Kind,
    turn: u32,
) -> Result<(StatusCode, Bytes), String> {
    let (method, path, body) = match kind {
        Kind::Echo => (Method::POST, "/echo", order(turn)),
        Kind::Version => (Method::GET, "/version", String::new()),
        _ => (Method::GET, "/", String::new()),
    };
    let answer = open.send(address, method, path, Full::from(body).boxed_unsync()).await?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await;
    Ok((status, bytes.map_err(|error| format!("{status}, then {}", chain(&error)))?.to_bytes()))
}

fn order(turn: u32) -> String {
    format!("order {turn}")
}

/// The version and the release that an answer tells.
pub(super) fn identity(answer: &Value) -> Result<(String, String), String> {
    let version = answer["version"].as_str().ok_or("no version in the answer")?;
    let release = answer["release"].as_str().ok_or("no release in the answer")?;
    Ok((version.to_owned(), release.to_owned()))
}
