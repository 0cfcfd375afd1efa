//! TLS from clients.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use quickserve_core::ErrorKind;
use quickserve_core::health::{HealthProber as _, ProbeReport, ProbeRequest};
use quickserve_core::traffic::Role;
use quickserve_docker::prober::HttpProber;
use quickserve_docker::router::{ListenSpec, Tls};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::support::{Body, Router, Task, empty, eventually, fence, get, request, route, send};

/// A certificate of a name, and its key, in two files.
pub(super) fn make(dir: &Path, name: &str) -> Tls {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let pem = |label: &str, der: &[u8]| {
        let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    };
    let (certificate, key) = (dir.join("certificate.pem"), dir.join("key.pem"));
    fs::write(&key, pem("PRIVATE KEY", &made.signing_key.serialize_der())).expect("written");
    fs::write(&certificate, pem("CERTIFICATE", made.cert.der())).expect("written");
    Tls::Files { certificate, key }
}

/// A connection of a client that trusts this certificate, and nothing else.
pub(super) async fn connect(
    public: SocketAddr,
    trusted: &Path,
    name: &'static str,
    offers: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).expect("a certificate")).expect("it is trusted");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = offers.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(public).await?;
    let name = ServerName::try_from(name).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn ask_h1(stream: TlsStream<TcpStream>, path: &str) -> String {
    ask(stream, request(Method::GET, path, empty())).await
}

/// What is answered at the root of a host.
pub(super) async fn ask_h1_of(stream: TlsStream<TcpStream>, host: &str) -> String {
    let mut asked = request(Method::GET, "/", empty());
    asked.headers_mut().insert("host", host.parse().expect("a host"));
    ask(stream, asked).await
}

async fn ask(stream: TlsStream<TcpStream>, asked: Request<Body>) -> String {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    let answer = sender.send_request(asked).await.expect("an answer");
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}

#[tokio::test]
async fn both_versions_are_spoken_over_tls_as_the_client_chooses() {
    let router = Router::start().await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let tls = make(folder.path(), "shop.example");
    let public = router.listen_with(|options| options.tls = Some(tls)).await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let trusted = folder.path().join("certificate.pem");

    let stream = connect(public, &trusted, "shop.example", &[b"http/1.1"]).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let seen = ask_h1(stream, "/headers").await;
    assert!(seen.contains("x-forwarded-proto: https\n"), "{seen}");
    // One that does not say what it speaks speaks HTTP/1.1.
    let stream = connect(public, &trusted, "shop.example", &[]).await.expect("a handshake");
    assert_eq!(ask_h1(stream, "/").await, "a");

    let stream = connect(public, &trusted, "shop.example", &[b"h2", b"http/1.1"]).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("a handshake");
    tokio::spawn(connection);
    let asked = Request::get("https://shop.example/headers").body(Empty::<Bytes>::new()).expect("a request");
    let answer = sender.send_request(asked).await.expect("an answer");
    let seen = answer.into_body().collect().await.expect("a body").to_bytes();
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("x-forwarded-proto: https\n") && seen.contains("host: shop.example\n"), "{seen}");

    let status = router.control.status().await.expect("the status");
    assert!(status.services[0].secure);
}

#[tokio::test]
async fn the_prober_asks_the_public_address_over_tls() {
    let router = Router::start().await;
    let public = router.listen_with(|options| options.tls = Some(Tls::Local)).await.public;
    let task = Task::start("a").await;
    router.route([route('a', Role::Serving(1), &[task.address])]).await;
    let asked = ProbeRequest {
        address: public,
        path: Some("/".to_owned()),
        headers: Vec::new(),
        timeout: Duration::from_secs(20),
    };
    let report = HttpProber::for_public(public, None, true).probe(&asked).await.expect("a report");
    assert_eq!(report, ProbeReport::Answered { status: 200, body: "a".to_owned() });
    let report = HttpProber::default().probe(&asked).await.expect("a report");
    assert!(matches!(report, ProbeReport::Answered { status: 308, .. }), "{report:?}");
}

#[tokio::test]
async fn a_client_without_tls_is_sent_to_where_it_is_spoken_and_the_preview_stays_plain() {
    let router = Router::start().await;
    let listening = router.listen_with(|options| options.tls = Some(Tls::Local)).await;
    let seen = send(listening.public, request(Method::GET, "/cart?item=7", empty())).await;
    assert_eq!(seen.status, 308);
    let target = format!("https://shop.example:{}/cart?item=7", listening.public.port());
    assert_eq!(seen.headers["location"], target);
    assert_eq!(get(listening.preview.expect("a preview"), "/").await.status, 503);
}

#[tokio::test]
async fn the_routers_own_certificate_outlives_it_and_its_key_is_nobodys_to_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let router = Router::start().await;
    let public = router.listen_with(|options| options.tls = Some(Tls::Local)).await.public;
    let folder = router.dir.join("tls");
    let trusted = folder.join("certificate.pem");
    let mode = |name: &str| fs::metadata(folder.join(name)).expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode("key.pem"), mode("certificate.pem")), (0o600, 0o600));
    let before = fs::read(&trusted).expect("a certificate");
    for name in ["localhost", "127.0.0.1"] {
        connect(public, &trusted, name, &[b"h2"]).await.expect("a handshake");
    }
    let router = Router::start_in(router.kill().await, "router").await;
    eventually("it is back", || async { connect(public, &trusted, "localhost", &[]).await.is_ok() }).await;
    assert_eq!(fs::read(&trusted).expect("a certificate"), before);
    drop(router);
}

#[tokio::test]
async fn a_certificate_is_read_again_when_its_files_change() {
    let router = Router::start().await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let tls = make(folder.path(), "old.example");
    let public = router.listen_with(|options| options.tls = Some(tls)).await.public;
    let trusted = folder.path().join("certificate.pem");
    connect(public, &trusted, "old.example", &[]).await.expect("a handshake");
    // Half of a change: the old certificate stays.
    fs::write(folder.path().join("key.pem"), "nothing yet").expect("written");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    connect(public, &trusted, "old.example", &[]).await.expect("a handshake");
    make(folder.path(), "new.example");
    let renewed = || async { connect(public, &trusted, "new.example", &[]).await.is_ok() };
    eventually("the new certificate holds", renewed).await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_refused_without_a_word_of_its_key() {
    let router = Router::start().await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let ask = async |tls: &Tls| {
        let mut spec = ListenSpec::new("127.0.0.1:0".parse().expect("an address"));
        spec.options.tls = Some(tls.clone());
        let client = router.client();
        client.configure(&fence(1), &spec).await.expect_err("refused")
    };
    let tls = make(folder.path(), "shop.example");
    let key = folder.path().join("key.pem");
    fs::remove_file(&key).expect("removed");
    assert_eq!(ask(&tls).await.kind(), ErrorKind::NotFound);
    fs::write(&key, "-----BEGIN PRIVATE KEY-----\nMIIhunter2\n-----END PRIVATE KEY-----\n").expect("written");
    let error = ask(&tls).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let words = format!("{error:?} {:?}", error.causes());
    assert!(words.contains("key.pem") && !words.contains("hunter2"), "{words}");
}
