//! One request's way: choosing a task, reaching it, and trying another where that can do no harm.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::uri::Authority;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;

use super::answer::plain;
use super::body::{Download, Upload};
use super::counters::Tally;
use super::headers::{self, Client};
use super::routes::{NoTask, Tried, Wanted};
use super::traffic::{Claim, Traffic};
use super::tunnel::Tunnels;
use super::upstream::Trouble;
use super::wire::{IDLE_FOR_UNREPEATABLE, Wire};

/// For opening one connection.
const CONNECT: Duration = Duration::from_secs(2);

/// For reaching any task at all.
const REACH: Duration = Duration::from_secs(5);

/// How often a request that may have reached a task is sent again: one that brings down every task it
/// meets must not meet all of them.
const REPEATS: u32 = 2;

/// Sends the requests of one listening socket on their way.
#[derive(Debug)]
pub(super) struct Forwarder {
    pub(super) traffic: Arc<Traffic>,
    pub(super) tunnels: Tunnels,
    /// Whether it is the preview's socket.
    pub(super) preview: bool,
}

/// A request on its way.
struct Outbound {
    /// What is sent next; taken while it is being sent.
    request: Option<Request<Upload>>,
    /// What is sent again after a failure, where that can do no harm.
    spare: Option<Request<()>>,
    wanted: Wanted,
    ticket: u64,
    tried: Tried,
    repeats: u32,
    /// When we give up; set at the first failure.
    deadline: Option<Instant>,
    /// The release that was to answer first.
    first: Option<Arc<Tally>>,
    /// The release whose task it was just taken from.
    left: Option<Arc<Tally>>,
    /// Whether a task let us wait until a deadline.
    timed_out: bool,
    /// The client's side of an upgrade that it asks for.
    upgrade: Option<OnUpgrade>,
}

/// How sending to a task ended.
enum Sent {
    Answered(Response<Incoming>, Option<Wire>),
    /// The request came back, or its spare takes its place: it may go to another task.
    Unsent,
    /// Over an old connection that the task had closed; over a new one the same task may well answer.
    Stale,
    /// It may have reached the task, and sending it again could do harm.
    Lost,
}

impl Forwarder {
    /// Answers a request.
    pub(super) async fn answer(&self, request: Request<Incoming>, client: &Client) -> Response<Download> {
        match self.prepare(request, client) {
            Ok(outbound) => self.forward(outbound).await,
            Err(answer) => *answer,
        }
    }

    fn prepare(
        &self,
        mut request: Request<Incoming>,
        client: &Client,
    ) -> Result<Outbound, Box<Response<Download>>> {
        let refuse = |status, sentence| Box::new(plain(status, sentence));
        if request.method() == Method::CONNECT {
            return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "this is not a forward proxy"));
        }
        let encoding = request.headers().get(TRANSFER_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
            // RFC 9112, 6.1: passing on only a part of the encodings would change the message.
            return Err(refuse(
                StatusCode::NOT_IMPLEMENTED,
                "the only transfer encoding understood is chunked",
            ));
        }
        let wanted = if self.preview {
            Wanted::Preview
        } else if self.traffic.by_header()
            && let Some(release) = request.headers().get(headers::RELEASE)
        {
            Wanted::Named(String::from_utf8_lossy(release.as_bytes()).into_owned())
        } else {
            Wanted::Any
        };

        let protocol = headers::upgrade(request.headers());
        let upgrade = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let mut fields = parts.headers;
        headers::strip(&mut fields);
        let (target, authority) = target(parts.uri);
        headers::forwarded(&mut fields, client, authority.as_ref());
        if let Some(protocol) = protocol {
            fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            fields.insert(UPGRADE, protocol);
        }

        let upload = Upload::new(body);
        let repeatable = upload.is_none() && parts.method.is_idempotent() && upgrade.is_none();
        let spare = repeatable.then(|| head(parts.method.clone(), target.clone(), fields.clone(), ()));
        Ok(Outbound {
            request: Some(head(parts.method, target, fields, upload)),
            spare,
            wanted,
            ticket: self.traffic.ticket(),
            tried: Tried::default(),
            repeats: 0,
            deadline: None,
            first: None,
            left: None,
            timed_out: false,
            upgrade,
        })
    }

    async fn forward(&self, mut outbound: Outbound) -> Response<Download> {
        loop {
            let claim = self.traffic.claim(
                &outbound.wanted,
                outbound.ticket,
                &outbound.tried,
                outbound.spare.is_some(),
            );
            let claim = match claim {
                Ok(claim) => claim,
                Err(why) => return self.give_up(&outbound, why),
            };
            if let Some(left) = outbound.left.take() {
                left.retried();
            }
            if outbound.first.is_none() {
                outbound.first = Some(Arc::clone(&claim.tally));
            }
            match self.attempt(&mut outbound, &claim).await {
                Sent::Answered(answer, wire) => return self.pass_back(answer, wire, claim, outbound.upgrade),
                // The split changed while we were connecting, or the task can be tried over a new connection.
                Sent::Stale => {}
                Sent::Unsent => {
                    outbound.tried.add(&claim.upstream);
                    outbound.left = Some(Arc::clone(&claim.tally));
                    let deadline = *outbound.deadline.get_or_insert_with(|| Instant::now() + REACH);
                    if Instant::now() >= deadline {
                        return self.give_up(&outbound, NoTask::NoneLeft);
                    }
                }
                Sent::Lost => {
                    claim.tally.unanswered();
                    let sentence = "the task closed the connection before it answered; the request may have \
                                    had its effect, so it was not sent again";
                    return plain(StatusCode::BAD_GATEWAY, sentence);
                }
            }
        }
    }

    /// Sends the request to the claimed task: over an idle connection, and over a new one if that was closed.
    async fn attempt(&self, outbound: &mut Outbound, claim: &Claim) -> Sent {
        let idle = if outbound.upgrade.is_some() { None } else { take_idle(claim, outbound.spare.is_some()) };
        if let Some(wire) = idle {
            match self.send(outbound, claim, wire).await {
                // On to a new connection.
                Sent::Stale => {}
                sent => return sent,
            }
        }
        let limit = match outbound.deadline {
            Some(deadline) => CONNECT.min(deadline.saturating_duration_since(Instant::now())),
            None => CONNECT,
        };
        match Wire::connect(claim.upstream.address, limit).await {
            Ok(wire) => {
                // Connecting took its time: the request is still ours, so it need not go to a task that has
                // left the split meanwhile.
                if !self.traffic.holds(claim) {
                    claim.give_back(wire);
                    return Sent::Stale;
                }
                self.send(outbound, claim, wire).await
            }
            Err(error) => {
                tracing::debug!(%error, task = %claim.upstream.task, "connecting failed");
                outbound.timed_out |= error.kind() == io::ErrorKind::TimedOut;
                if let Some(trouble) = Trouble::of(&error) {
                    claim.upstream.failed(trouble);
                }
                Sent::Unsent
            }
        }
    }

    async fn send(&self, outbound: &mut Outbound, claim: &Claim, mut wire: Wire) -> Sent {
        let Some(request) = outbound.request.take() else { return Sent::Lost };
        let ended = request.body().ended();
        let reused = wire.is_reused();
        let sent = if outbound.upgrade.is_some() {
            send_upgrade(wire, request).await.map(|answer| (answer, None))
        } else {
            match wire.send(request).await {
                // An upload that goes on while the answer comes needs someone to move it even when the
                // client does not read.
                Ok(answer) if ended.is_some_and(|ended| !ended.get()) => {
                    wire.let_go();
                    Ok((answer, None))
                }
                Ok(answer) => Ok((answer, Some(wire))),
                Err(error) => Err(error),
            }
        };
        let mut failed = match sent {
            Ok((answer, wire)) => {
                claim.upstream.reached();
                return Sent::Answered(answer, wire);
            }
            Err(failed) => failed,
        };
        if let Some(request) = failed.take_message() {
            outbound.request = Some(request);
            return if reused { Sent::Stale } else { Sent::Unsent };
        }
        let error = failed.into_error();
        tracing::debug!(%error, task = %claim.upstream.task, reused, "a task did not answer");
        if !reused {
            claim.upstream.failed(Trouble::Deaf);
        }
        let Some(spare) = &outbound.spare else { return Sent::Lost };
        outbound.request =
            Some(head(spare.method().clone(), spare.uri().clone(), spare.headers().clone(), Upload::none()));
        if reused {
            return Sent::Stale;
        }
        if outbound.repeats == REPEATS {
            return Sent::Lost;
        }
        outbound.repeats += 1;
        Sent::Unsent
    }

    /// Hands a task's answer to the client.
    fn pass_back(
        &self,
        mut answer: Response<Incoming>,
        wire: Option<Wire>,
        claim: Claim,
        upgrade: Option<OnUpgrade>,
    ) -> Response<Download> {
        claim.tally.answered(answer.status());
        // What the client gets is ours to frame, in its own version.
        *answer.version_mut() = Version::HTTP_11;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let protocol = answer.headers().get(UPGRADE).cloned();
            let (Some(client), Some(protocol)) = (upgrade, protocol) else {
                return plain(StatusCode::BAD_GATEWAY, "the task changed the protocol without being asked");
            };
            self.tunnels.open(client, &mut answer, claim);
            let mut answer = answer.map(|_| Download::none());
            headers::strip(answer.headers_mut());
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
            answer.headers_mut().insert(UPGRADE, protocol);
            return answer;
        }
        headers::strip_answer(answer.headers_mut());
        answer.map(|body| Download::flow(body, wire, claim))
    }

    fn give_up(&self, outbound: &Outbound, why: NoTask) -> Response<Download> {
        if let Some(tally) = &outbound.first {
            tally.unanswered();
        }
        let service = &self.traffic.key;
        match (&outbound.wanted, why) {
            (Wanted::Any, NoTask::NoRelease) => {
                plain(StatusCode::SERVICE_UNAVAILABLE, &format!("no release of {service} serves yet"))
            }
            (Wanted::Preview, NoTask::NoRelease) => {
                plain(StatusCode::SERVICE_UNAVAILABLE, &format!("no release of {service} is being previewed"))
            }
            (Wanted::Named(name), NoTask::NoRelease) => {
                // Not the name itself: it is whatever the client sent.
                let known: Vec<String> = self.traffic.releases().iter().map(ToString::to_string).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let is_name = name.starts_with("r-");
                let hint = if is_name { "" } else { "; a release is named r- and 6 or 12 digits" };
                let sentence = format!("{service} has no such release here (it has: {known}){hint}");
                plain(StatusCode::NOT_FOUND, &sentence)
            }
            (_, NoTask::NoneLeft) if outbound.timed_out => plain(
                StatusCode::GATEWAY_TIMEOUT,
                &format!("no task of {service} took the connection in time"),
            ),
            (_, NoTask::NoneLeft) => {
                plain(StatusCode::BAD_GATEWAY, &format!("no task of {service} can be reached"))
            }
        }
    }
}

/// An idle connection to the task that is worth a try.
fn take_idle(claim: &Claim, repeatable: bool) -> Option<Wire> {
    if repeatable {
        return claim.upstream.pool.take(Duration::MAX);
    }
    // What cannot be sent again is worth a look at the socket first.
    claim.upstream.pool.take(IDLE_FOR_UNREPEATABLE).filter(Wire::is_silent)
}

/// Sends a request that may leave HTTP, on a connection that then moves on its own.
async fn send_upgrade(
    wire: Wire,
    request: Request<Upload>,
) -> Result<Response<Incoming>, hyper::client::conn::TrySendError<Request<Upload>>> {
    let (mut sender, driver) = wire.into_parts();
    if let Some(driver) = driver {
        tokio::spawn(async move {
            let _ = driver.with_upgrades().await;
        });
    }
    sender.try_send_request(request).await
}

/// A request as tasks get it.
fn head<B>(method: Method, target: Uri, fields: HeaderMap, body: B) -> Request<B> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = target;
    *request.headers_mut() = fields;
    request
}

/// The target as tasks get it, in origin form (RFC 9112, 3.2.1), and the host that it named.
fn target(uri: Uri) -> (Uri, Option<Authority>) {
    if uri.authority().is_none() {
        return (uri, None);
    }
    let parts = uri.into_parts();
    let path = parts.path_and_query.filter(|path| !path.as_str().is_empty());
    (path.map_or_else(Uri::default, Uri::from), parts.authority)
}
