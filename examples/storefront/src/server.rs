//! The life of the service: start, listen, serve, drain, end.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::app::App;
use crate::config::Settings;
use crate::drain::{Drain, Signals};
use crate::identity::Identity;
use crate::{faults, output, routes};

/// How long a connection may be idle: longer than a load balancer keeps one (ALB: 60 s), so that it is never
/// the service that closes a connection on which a request is already on its way.
const IDLE: Duration = Duration::from_mins(2);

/// How long a connection that was just made may take to send its first byte once the service drains.
const FIRST_BYTE_GRACE: Duration = Duration::from_millis(500);

/// Serves until a signal, or a switch, ends it.
pub(crate) async fn run(settings: Settings) -> ExitCode {
    if settings.switches.crash_at_start {
        output::line("crashing at start (STOREFRONT_FAIL_CRASH_AT_START)");
        if settings.switches.log_escapes {
            output::line(faults::ESCAPES);
        }
        return ExitCode::from(settings.switches.crash_code);
    }
    match live(settings).await {
        Ok(code) => code,
        Err(reason) => {
            output::error(&format!("error: {reason}"));
            ExitCode::FAILURE
        }
    }
}

async fn live(settings: Settings) -> Result<ExitCode, String> {
    let switches = settings.switches.clone();
    let mut signals = Signals::listen(switches.ignore_sigterm)
        .map_err(|error| format!("cannot listen to signals: {error}"))?;
    if !switches.start_delay.is_zero() {
        output::line("starting slowly (STOREFRONT_FAIL_START_DELAY)");
        tokio::select! {
            () = signals.received() => return Ok(ExitCode::SUCCESS),
            () = sleep(switches.start_delay) => {}
        }
    }
    let identity = Identity::learn(&settings).await;
    let listener = listen(settings.port)
        .await
        .map_err(|error| format!("cannot listen on 0.0.0.0:{}: {error}", settings.port))?;
    let app = Arc::new(App::new(identity, settings.database, settings.switches));
    announce(&app, &listener);
    if switches.log_escapes {
        output::line(faults::ESCAPES);
    }
    if switches.log_lines_per_second > 0 {
        tokio::spawn(faults::flood(switches.log_lines_per_second));
    }
    if switches.leak_mib_per_second > 0 {
        tokio::spawn(faults::leak(switches.leak_mib_per_second));
    }
    let serve_and_drain = async {
        let ((), ()) = tokio::join!(accept(&app, listener), async {
            signals.received().await;
            app.drain.begin(settings.drain_delay).await;
        });
        let in_time = app.drain.finish(settings.drain_timeout).await;
        if in_time { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    };
    tokio::select! {
        code = serve_and_drain => Ok(code),
        () = crash_after(switches.crash_after) => Ok(ExitCode::from(switches.crash_code)),
    }
}

async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
}

fn announce(app: &App, listener: &TcpListener) {
    if let Ok(address) = listener.local_addr() {
        let identity = &app.identity;
        output::line(&format!(
            "listening on {address}, version {}, release {}",
            identity.version, identity.release
        ));
    }
}

async fn crash_after(delay: Option<Duration>) {
    match delay {
        Some(delay) => {
            sleep(delay).await;
            output::line("crashing (STOREFRONT_FAIL_CRASH_AFTER)");
        }
        None => std::future::pending().await,
    }
}

/// Accepts until the drain closes the door, and then those whom the kernel has already let in.
async fn accept(app: &Arc<App>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = app.drain.closing() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => app.drain.spawn(connection(Arc::clone(app), stream)),
            Err(error) => {
                // Out of file descriptors, as a rule: give connections a moment to end.
                output::line(&format!("cannot accept: {error}"));
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    for stream in queued(listener) {
        app.drain.spawn(connection(Arc::clone(app), stream));
    }
}

/// Connections in the listener's queue would be reset when it is closed, although their clients believe
/// themselves connected.
fn queued(listener: TcpListener) -> Vec<TcpStream> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    let accept = || {
        let (stream, _) = listener.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        TcpStream::from_std(stream).ok()
    };
    std::iter::from_fn(accept).collect()
}

async fn connection(app: Arc<App>, stream: TcpStream) {
    if !sends_something(&app.drain, &stream).await {
        return;
    }
    // Without it small answers may wait for an acknowledgement; a failure costs only time.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(routes::answer(app, request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(serving);
    // How a connection ends is its client's business: an error here is a client that went away.
    tokio::select! {
        biased;
        _ = serving.as_mut() => return,
        () = app.drain.closing() => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

/// Waits for the first byte: a drain closes idle connections at once, but one that was only just made has
/// its request on the way.
///
/// It looks at the byte, because readiness alone may be a false alarm.
async fn sends_something(drain: &Drain, stream: &TcpStream) -> bool {
    let first_byte = async { matches!(stream.peek(&mut [0]).await, Ok(1)) };
    tokio::pin!(first_byte);
    tokio::select! {
        biased;
        sent = first_byte.as_mut() => sent,
        () = drain.closing() => timeout(FIRST_BYTE_GRACE, first_byte).await.unwrap_or(false),
        () = sleep(IDLE) => false,
    }
}
