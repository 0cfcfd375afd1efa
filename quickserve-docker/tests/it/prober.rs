//! What the prober sees.

use std::net::SocketAddr;
use std::time::Duration;

use quickserve_core::ErrorKind;
use quickserve_core::health::{HealthProber as _, ProbeReport, ProbeRequest};
use quickserve_docker::prober::HttpProber;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const PATIENT: Duration = Duration::from_secs(20);

fn probe(address: SocketAddr, path: Option<&str>) -> ProbeRequest {
    ProbeRequest { address, path: path.map(str::to_owned), headers: Vec::new(), timeout: PATIENT }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// A task that answers one request with these bytes and closes; it tells what it was asked.
async fn says(answer: impl Into<Vec<u8>>) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let (listener, address) = listener().await;
    let answer = answer.into();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut asked = vec![0; 4096];
        let length = stream.read(&mut asked).await.expect("a request");
        let _ = stream.write_all(&answer).await;
        String::from_utf8(asked[..length].to_vec()).expect("text")
    });
    (address, asked)
}

#[tokio::test]
async fn an_answer_is_reported_with_its_status_and_body() {
    for (status, healthy) in [(200, true), (302, true), (404, false), (503, false)] {
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 8\r\n\r\nDEGRADED");
        let (address, asked) = says(answer).await;
        let mut request = probe(address, Some("/health?deep=1"));
        request.headers =
            vec![("X-Probe".to_owned(), "yes".to_owned()), ("Host".to_owned(), "shop".to_owned())];
        let report = HttpProber::default().probe(&request).await.expect("a report");
        assert_eq!(report, ProbeReport::Answered { status, body: "DEGRADED".to_owned() });
        assert_eq!(report.is_healthy(), healthy);
        let asked = asked.await.expect("a request");
        assert!(asked.starts_with("GET /health?deep=1 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("x-probe: yes\r\n") && asked.contains("host: shop\r\n"), "{asked}");
    }
}

#[tokio::test]
async fn no_more_than_the_beginning_of_a_body_is_read() {
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 1_000_000]].concat();
    let (address, _) = says(endless).await;
    let report = HttpProber::default().probe(&probe(address, Some("/"))).await.expect("a report");
    let ProbeReport::Answered { body, .. } = report else { panic!("{report:?}") };
    assert_eq!(body.len(), 64 * 1024);
}

#[tokio::test]
async fn silence_says_what_was_seen() {
    let (gone, refused) = listener().await;
    drop(gone);
    let (closed, _) = says("").await;
    let (nonsense, _) = says("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    for (address, why) in [
        (refused, "connection refused"),
        (closed, "the connection was closed without an answer"),
        (nonsense, "the answer is not HTTP"),
    ] {
        let report = HttpProber::default().probe(&probe(address, Some("/"))).await.expect("a report");
        assert_eq!(report, ProbeReport::Silent { why: why.to_owned() });
    }
    let (_mute, address) = listener().await;
    let mut request = probe(address, Some("/"));
    request.timeout = Duration::from_millis(20);
    let report = HttpProber::default().probe(&request).await.expect("a report");
    assert_eq!(report.to_string(), "no answer within 20ms");
}

#[tokio::test]
async fn without_a_path_a_connection_is_enough() {
    let (_listening, address) = listener().await;
    assert_eq!(
        HttpProber::default().probe(&probe(address, None)).await.expect("a report"),
        ProbeReport::Connected
    );
    let (gone, refused) = listener().await;
    drop(gone);
    assert!(!HttpProber::default().probe(&probe(refused, None)).await.expect("a report").is_healthy());
}

#[tokio::test]
async fn what_cannot_be_sent_is_the_callers_mistake() {
    let (_listening, address) = listener().await;
    for path in ["health", "/a b", "", "http://other/"] {
        let error = HttpProber::default().probe(&probe(address, Some(path))).await.expect_err(path);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{path}");
    }
    let mut request = probe(address, Some("/"));
    request.headers = vec![("Authorization".to_owned(), "secret\nvalue".to_owned())];
    let error = HttpProber::default().probe(&request).await.expect_err("a header");
    assert!(error.causes().iter().all(|cause| !cause.contains("secret")), "{:?}", error.causes());
}
