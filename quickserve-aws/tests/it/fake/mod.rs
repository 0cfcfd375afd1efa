//! A fake ECS, and what stands beside it, that speaks AWS's protocols over a socket, holds every request against the service model, and fails as
//! it is told to. It runs nothing: a test says what becomes of a deployment.

mod beside;
mod death;
mod fate;
mod model;
mod records;
mod stages;
mod state;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

pub(crate) use death::Moment;
pub(crate) use state::{Seen, State};
use wire::{Asked, Protocol};

/// What goes wrong with the next call of an operation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// Throttled, as often as this.
    Throttled(u32),
    /// An answer of a load balancer: 503 without a code.
    Unavailable,
    /// It is done, and the answer is lost.
    LostAnswer,
    /// Refused with a code and a message.
    Refused(&'static str, &'static str),
}

/// A running fake; it ends with the test's runtime.
pub(crate) struct Fake {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(Mutex::new(State::new()));
        let fake = Self { port, state: state.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = state.clone();
                let service = service_fn(move |request| answer(state.clone(), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        fake
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panicked meanwhile")
    }

    /// The requests of an operation.
    pub(crate) fn seen(&self, operation: &str) -> Vec<Seen> {
        self.state().seen.iter().filter(|seen| seen.operation == operation).cloned().collect()
    }
}

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost")]
struct Lost;

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Lost> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    let Asked { protocol, service, operation, request } = Asked::read(&head.headers, head.uri.path(), &body);
    let signed =
        head.headers.get("x-amz-date").and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    let mut state = state.lock().expect("no test panicked meanwhile");
    let dies = state.death.is_due();
    if dies == Some(Moment::Before) {
        return Err(Lost);
    }
    let at = state.clock.as_ref().map(|clock| clock.now());
    state.seen.push(Seen { operation: operation.clone(), body, signed, at });
    if let Some(service) = service {
        state.check(service, &operation, &request);
    }
    if dies == Some(Moment::After) {
        drop(state.act(&operation, &request));
        return Err(Lost);
    }
    let fault = state.fault(&operation);
    let (status, answer) = match fault {
        Some(Fault::Throttled(_)) => (400, protocol.error("ThrottlingException", "Rate exceeded")),
        Some(Fault::Unavailable) => return Ok(respond(503, protocol, "upstream is away".into())),
        Some(Fault::Refused(code, message)) => (400, protocol.error(code, message)),
        Some(Fault::LostAnswer) => {
            drop(state.act(&operation, &request));
            return Err(Lost);
        }
        None => match state.act(&operation, &request) {
            Ok(answer) => (200, protocol.answer(&operation, &answer)),
            Err((code, message)) => (400, protocol.error(code, &message)),
        },
    };
    Ok(respond(status, protocol, answer))
}

fn respond(status: u16, protocol: Protocol, body: Bytes) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("content-type", protocol.content_type());
    let response =
        if protocol == Protocol::Cbor { response.header("smithy-protocol", "rpc-v2-cbor") } else { response };
    response.body(Full::new(body)).expect("a response")
}
