//! A fake ECS that speaks AWS JSON 1.1 over a socket, holds every request against the service model, and fails as
//! it is told to. It runs nothing: a test says what becomes of a deployment.

mod model;
mod state;

use std::sync::{Arc, Mutex, MutexGuard};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) use state::{Seen, State};

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
        let state = Arc::new(Mutex::new(State::new(model::Model::of_ecs())));
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
    let header = |name: &str| {
        request.headers().get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned()
    };
    let operation = header("x-amz-target").rsplit('.').next().unwrap_or_default().to_owned();
    let signed = header("x-amz-date");
    let body = request.into_body().collect().await.map_err(|_| Lost)?.to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    let mut state = state.lock().expect("no test panicked meanwhile");
    state.seen.push(Seen { operation: operation.clone(), body: body.clone(), signed });
    let value: Value = serde_json::from_str(&body).unwrap_or_default();
    let faults = state.model.faults(&operation, &value);
    state.violations.extend(faults);
    let fault = state.fault(&operation);
    let (status, answer) = match fault {
        Some(Fault::Throttled(_)) => (400, error("ThrottlingException", "Rate exceeded")),
        Some(Fault::Unavailable) => return Ok(respond(503, "upstream is away".to_owned())),
        Some(Fault::Refused(code, message)) => (400, error(code, message)),
        Some(Fault::LostAnswer) => {
            drop(state.act(&operation, &value));
            return Err(Lost);
        }
        None => match state.act(&operation, &value) {
            Ok(answer) => (200, answer),
            Err((code, message)) => (400, error(code, &message)),
        },
    };
    Ok(respond(status, answer.to_string()))
}

fn error(code: &str, message: &str) -> Value {
    json!({ "__type": code, "message": message })
}

fn respond(status: u16, body: String) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("content-type", "application/x-amz-json-1.1");
    response.body(Full::new(Bytes::from(body))).expect("a response")
}
