//! The header fields that a router must take out, keep and add.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::Authority;
use quickserve_core::traffic::RELEASE_HEADER;

use super::idle::Work;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The header by which a request chooses a release.
pub(super) const RELEASE: HeaderName = HeaderName::from_static(RELEASE_HEADER);

/// What is known of a client, put into words once per connection.
#[derive(Debug)]
pub(super) struct Client {
    /// Its address, as `X-Forwarded-For` names it.
    name: HeaderValue,
    /// Whether it is on this machine, as a proxy that ends TLS in front of us would be.
    is_local: bool,
    /// Whether it speaks TLS with us.
    is_secure: bool,
    /// The address that it connected to, for one that names no host.
    ours: HeaderValue,
    /// What its connection has to do.
    pub(super) work: Arc<Work>,
}

impl Client {
    pub(super) fn new(client: SocketAddr, ours: SocketAddr, is_secure: bool) -> Self {
        // A socket for both families sees IPv4 clients as mapped addresses.
        let ip = client.ip().to_canonical();
        Self {
            name: value(&ip.to_string()),
            is_local: ip.is_loopback(),
            is_secure,
            ours: value(&ours.to_string()),
            work: Arc::default(),
        }
    }
}

/// A value of text that holds only what an address is written with.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// The protocol that a request asks to change to, if it asks.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let protocol = headers.get(UPGRADE)?;
    let asked = tokens(headers).any(|token| token.eq_ignore_ascii_case("upgrade"));
    // Tasks get requests over HTTP/1.1 from us; whether a client would rather speak HTTP/2 is our matter.
    let is_h2c = protocol.as_bytes().eq_ignore_ascii_case(b"h2c");
    (asked && !is_h2c).then(|| protocol.clone())
}

/// The fields that [`strip`] looks at.
static FOR_ONE_HOP: [HeaderName; 8] = [
    CONNECTION,
    TRANSFER_ENCODING,
    KEEP_ALIVE,
    UPGRADE,
    TE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
];

/// Takes out the fields that are meant for one hop only (RFC 9110, 7.6.1).
pub(super) fn strip(headers: &mut HeaderMap) {
    // Most messages have none, and to look is less than to look each up.
    if !headers.keys().any(|name| FOR_ONE_HOP.contains(name)) {
        return;
    }
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = tokens(headers)
            .filter_map(|token| token.parse().ok())
            // Not a field that decides where a request goes and where it ends.
            .filter(|name| *name != HOST && *name != CONTENT_LENGTH && *name != TE && *name != UPGRADE)
            .collect();
        for name in named {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    if headers.remove(TRANSFER_ENCODING).is_some() {
        // Where both were given the encoding has decided (RFC 9112, 6.3), and the length is a lie.
        headers.remove(CONTENT_LENGTH);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, UPGRADE] {
        headers.remove(name);
    }
    if let Some(te) = headers.remove(TE)
        && te.to_str().is_ok_and(|te| te.split(',').any(|te| te.trim().eq_ignore_ascii_case("trailers")))
    {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Puts the parts of a cookie that came in several fields together, as HTTP/1.1 needs it (RFC 9113, 8.2.3).
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    let mut parts = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (parts.next(), parts.next()) else { return };
    let mut whole = first.as_bytes().to_vec();
    for part in std::iter::once(second).chain(parts) {
        whole.extend_from_slice(b"; ");
        whole.extend_from_slice(part.as_bytes());
    }
    if let Ok(whole) = HeaderValue::from_maybe_shared(Bytes::from(whole)) {
        headers.insert(COOKIE, whole);
    }
}

/// Whether it is a gRPC call, which its task gets over HTTP/2 (gRPC-Web is none).
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.strip_prefix(b"application/grpc")
        .is_some_and(|rest| rest.first().is_none_or(|next| matches!(next, b'+' | b';' | b' ')))
}

/// The same for an answer, whose length is that of what it stands for when it has no body (HEAD).
pub(super) fn strip_answer(headers: &mut HeaderMap) {
    if headers.keys().any(|name| FOR_ONE_HOP.contains(name)) {
        strip(headers);
        headers.remove(TE);
    }
}

fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Adds what tells a task whom it serves.
///
/// A client on this machine may be a proxy that ends TLS: what it says about protocol and host is kept.
/// Any other is overwritten, so that no stranger can claim to have come through TLS.
pub(super) fn forwarded(headers: &mut HeaderMap, client: &Client, authority: Option<&Authority>) {
    if let Some(host) = authority.and_then(|authority| HeaderValue::from_str(authority.as_str()).ok()) {
        // RFC 9112, 3.2.2: the host of an absolute target replaces the field.
        headers.insert(HOST, host);
    }
    let host = headers.entry(HOST).or_insert_with(|| client.ours.clone()).clone();
    let line = if headers.contains_key(FORWARDED_FOR) {
        let mut line = Vec::new();
        for value in headers.get_all(FORWARDED_FOR) {
            line.extend_from_slice(value.as_bytes());
            line.extend_from_slice(b", ");
        }
        line.extend_from_slice(client.name.as_bytes());
        HeaderValue::from_maybe_shared(Bytes::from(line)).unwrap_or_else(|_| client.name.clone())
    } else {
        client.name.clone()
    };
    headers.insert(FORWARDED_FOR, line);
    if client.is_local {
        headers.entry(FORWARDED_HOST).or_insert(host);
    } else {
        headers.insert(FORWARDED_HOST, host);
        headers.remove(FORWARDED);
    }
    if client.is_secure {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
    } else if client.is_local {
        headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
    } else {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            })
    }

    #[test]
    fn what_is_meant_for_one_hop_is_taken_out() {
        let mut headers = map(&[
            ("connection", "close, X-Private"),
            ("connection", "host, content-length"),
            ("x-private", "1"),
            ("host", "example.org"),
            ("content-length", "3"),
            ("keep-alive", "timeout=5"),
            ("te", "gzip, trailers"),
            ("accept", "*/*"),
        ]);
        strip(&mut headers);
        let expected =
            map(&[("host", "example.org"), ("content-length", "3"), ("te", "trailers"), ("accept", "*/*")]);
        assert_eq!(headers, expected);
    }

    #[test]
    fn the_parts_of_a_cookie_are_put_together() {
        let mut headers = map(&[("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2"), ("cookie", "c=3")]);
        join_cookies(&mut headers);
        assert_eq!(headers, map(&[("accept", "*/*"), ("cookie", "a=1; b=2; c=3")]));
    }

    #[test]
    fn a_grpc_call_is_told_by_its_type() {
        for (kind, is_it) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            assert_eq!(is_grpc(&map(&[("content-type", kind)])), is_it, "{kind}");
        }
    }

    #[test]
    fn a_length_beside_an_encoding_is_not_passed_on() {
        let mut headers = map(&[("content-length", "3"), ("transfer-encoding", "chunked")]);
        strip(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn strangers_cannot_claim_to_come_through_tls() {
        let ours: SocketAddr = "10.0.0.1:80".parse().expect("an address");
        let claim = [("host", "a"), ("x-forwarded-proto", "https"), ("x-forwarded-for", "1.2.3.4")];
        for (client, proto, line) in [
            ("[::ffff:10.9.9.9]:5", "http", "1.2.3.4, 10.9.9.9"),
            ("127.0.0.1:5", "https", "1.2.3.4, 127.0.0.1"),
        ] {
            let mut headers = map(&claim);
            forwarded(&mut headers, &Client::new(client.parse().expect("an address"), ours, false), None);
            assert_eq!(headers["x-forwarded-proto"], proto);
            assert_eq!(headers["x-forwarded-for"], line);
            assert_eq!(headers["x-forwarded-host"], "a");
        }
    }

    #[test]
    fn an_absolute_target_names_the_host() {
        let client = Client::new(
            "10.9.9.9:5".parse().expect("an address"),
            "10.0.0.1:80".parse().expect("an address"),
            false,
        );
        let mut headers = map(&[("host", "a")]);
        forwarded(&mut headers, &client, Some(&Authority::from_static("b:81")));
        assert_eq!(headers["host"], "b:81");
        let mut headers = HeaderMap::new();
        forwarded(&mut headers, &client, None);
        assert_eq!(headers["host"], "10.0.0.1:80");
    }
}
