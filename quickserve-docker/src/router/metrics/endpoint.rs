//! The ports of this machine that show metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use quickserve_core::Result;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use super::{families, text};
use crate::router::answer::plain;
use crate::router::body::Download;
use crate::router::hub::Hub;
use crate::router::listen::loopback;
use crate::router::process::{Hold, Listeners};

/// How many are served at a time; others wait.
const READERS: usize = 16;

/// For one to ask and to be answered.
const PATIENCE: Duration = Duration::from_secs(10);

/// The open endpoints, by their ports. Each shows the services that name it.
pub(in crate::router) type Endpoints = BTreeMap<u16, Endpoint>;

/// A port that shows metrics. Dropped, it closes.
#[derive(Debug)]
pub(in crate::router) struct Endpoint {
    hold: Hold,
    serving: AbortOnDropHandle<()>,
}

impl Endpoint {
    /// Opens the endpoints of these ports that are not open yet.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](quickserve_core::ErrorKind::Conflict) when something else listens on one; those
    /// before it are open then.
    pub(in crate::router) async fn open_all(
        open: &mut Endpoints,
        ports: &BTreeSet<u16>,
        listeners: &Arc<Listeners>,
        hub: &Arc<Hub>,
    ) -> Result<()> {
        for port in ports {
            if !open.contains_key(port) {
                let (listener, hold) = listeners.open(loopback(*port)).await?;
                let serving = tokio::spawn(serve(listener, *port, Arc::downgrade(hub)));
                open.insert(*port, Self { hold, serving: AbortOnDropHandle::new(serving) });
            }
        }
        Ok(())
    }

    /// Closes those that no service names any more.
    pub(in crate::router) async fn close_others(open: &mut Endpoints, ports: &BTreeSet<u16>) {
        let unused: Vec<u16> = open.keys().filter(|port| !ports.contains(port)).copied().collect();
        for endpoint in unused.iter().filter_map(|port| open.remove(port)) {
            endpoint.stop().await.let_go().await;
        }
    }

    /// Stops accepting, for another process to do so.
    pub(in crate::router) async fn shut(self) {
        self.stop().await.leave();
    }

    async fn stop(self) -> Hold {
        let Self { hold, serving } = self;
        serving.abort();
        let _ = serving.await;
        hold
    }
}

async fn serve(listener: TcpListener, port: u16, hub: Weak<Hub>) {
    let readers = Arc::new(Semaphore::new(READERS));
    loop {
        let Ok(place) = Arc::clone(&readers).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let hub = Weak::clone(&hub);
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(move |request| answer(request, port, Weak::clone(&hub)));
            let mut server = http1::Builder::new();
            let server = server.timer(TokioTimer::new()).keep_alive(false);
            let _ =
                tokio::time::timeout(PATIENCE, server.serve_connection(TokioIo::new(stream), service)).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    port: u16,
    hub: Weak<Hub>,
) -> std::result::Result<Response<Download>, Infallible> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if request.uri().path() != "/metrics" || !is_read {
        return Ok(plain(StatusCode::NOT_FOUND, "metrics are at /metrics"));
    }
    let Some(hub) = hub.upgrade() else {
        return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "the router ends"));
    };
    let status = hub.status().await;
    let shown = status.services.iter().filter(|service| service.metrics == Some(loopback(port)));
    let shown: Vec<_> = shown.cloned().collect();
    let text = families::write(&status, &shown, &hub.doors);
    let mut answer = Response::new(Download::own(text));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(text::CONTENT_TYPE));
    Ok(answer)
}
