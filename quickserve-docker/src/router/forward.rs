//! One request's way: choosing a task, reaching it, and trying another where that can do no harm.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HOST, HeaderValue, SET_COOKIE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;

use super::access_log::{AccessLog, Entry, Logged};
use super::answer::plain;
use super::attempt::Sent;
use super::body::{Download, Upload};
use super::counters::Tally;
use super::headers::{self, Client};
use super::options::{Limits, Options};
use super::replay::Replay;
use super::routes::{NoTask, Tried, Wanted};
use super::sticky;
use super::traffic::{Claim, Traffic, Wishes};
use super::tunnel::Tunnels;
use super::wire::Wire;

/// For reaching any task at all.
const REACH: Duration = Duration::from_secs(5);

/// How long the target of a request may be, in bytes.
const MAX_TARGET: usize = 16 * 1024;

/// Sends the requests of one listening socket on their way.
#[derive(Debug)]
pub(super) struct Forwarder {
    pub(super) traffic: Arc<Traffic>,
    pub(super) tunnels: Tunnels,
    /// Whether it is the preview's socket.
    pub(super) preview: bool,
    pub(super) log: AccessLog,
}

/// A request on its way.
pub(super) struct Outbound {
    /// What is sent next; taken while it is being sent.
    pub(super) request: Option<Request<Upload>>,
    /// What takes its place after a failure.
    pub(super) spare: Option<Spare>,
    /// Whether it is a gRPC call, which every task gets over HTTP/2.
    is_grpc: bool,
    /// Whether its task gets it over HTTP/2.
    pub(super) over_h2: bool,
    wanted: Wanted,
    ticket: u64,
    tried: Tried,
    pub(super) repeats: u32,
    /// How long a task may take until it begins to answer.
    pub(super) patience: Option<Duration>,
    /// How many percent of all requests may be sent again.
    pub(super) retry_budget: u32,
    /// Until when it waits for a release to serve; set when it begins to.
    held: Option<Instant>,
    /// When we give up; set at the first failure.
    pub(super) deadline: Option<Instant>,
    /// The release that was to answer first, and since when.
    first: Option<(Arc<Tally>, Instant)>,
    /// The release whose task it was just taken from.
    left: Option<Arc<Tally>>,
    /// Whether a task let us wait until a deadline.
    pub(super) timed_out: bool,
    /// The client's side of an upgrade that it asks for.
    pub(super) upgrade: Option<OnUpgrade>,
}

/// What is sent after a failure in place of a request that is gone.
pub(super) struct Spare {
    head: Request<()>,
    /// Its body, where it has one.
    body: Option<Replay>,
    /// Whether sending it twice does no harm (RFC 9110, 9.2.2). Otherwise it is sent again only when the task
    /// said that it did not process it.
    harmless: bool,
}

impl Forwarder {
    /// What is asked for of connections to this socket: the preview's speaks plain HTTP, as it is this machine's own.
    pub(super) fn wishes(&self) -> Arc<Wishes> {
        let wishes = self.traffic.wishes();
        if !self.preview || wishes.options.tls.is_none() {
            return wishes;
        }
        let mut options = wishes.options.clone();
        options.tls = None;
        Arc::new(Wishes { options, secure: None })
    }

    /// Answers a request.
    pub(super) async fn answer(&self, request: Request<Incoming>, client: &Client) -> Response<Download> {
        // As they are now, not as they were when its connection began: that may have been another service's.
        let wishes = self.traffic.wishes();
        let options = &wishes.options;
        let entry = || Logged::new(Entry::new(Some(&self.traffic.key), &request), &self.log);
        let mut logged = options.access_log.then(entry);
        let answer = match self.prepare(request, client, options) {
            Ok(outbound) => self.forward(outbound, options, logged.as_mut().and_then(Logged::entry)).await,
            Err(answer) => *answer,
        };
        match logged {
            Some(logged) => logged.follow(answer),
            None => answer,
        }
    }

    fn prepare(
        &self,
        mut request: Request<Incoming>,
        client: &Client,
        options: &Options,
    ) -> Result<Box<Outbound>, Box<Response<Download>>> {
        let refuse = |status, sentence| Box::new(plain(status, sentence));
        if request.method() == Method::CONNECT {
            return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "this is not a forward proxy"));
        }
        if request.headers().get_all(HOST).iter().nth(1).is_some() {
            // RFC 9112, 3.2: the task could take it for another host than we do.
            return Err(refuse(StatusCode::BAD_REQUEST, "the request names several hosts"));
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
        } else if options.sticky
            && let Some(release) = sticky::release(request.headers(), &self.traffic.cookie)
        {
            Wanted::Kept(release)
        } else {
            Wanted::Any
        };

        if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > MAX_TARGET) {
            return Err(refuse(StatusCode::URI_TOO_LONG, "the target is longer than 16 KiB"));
        }
        let Limits { upload_pause, answer_timeout, retry_budget, .. } = &options.limits;
        let is_grpc = request.version() == Version::HTTP_2 && headers::is_grpc(request.headers());
        let ticket = self.traffic.ticket();
        let over_h2 = is_grpc || self.traffic.speaks_h2(&wanted, ticket);
        // A connection that many requests share cannot leave HTTP: such a request goes on without (RFC 9110, 7.8).
        let protocol = if over_h2 { None } else { headers::upgrade(request.headers()) };
        let upgrade = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let mut fields = parts.headers;
        headers::strip(&mut fields);
        if parts.version == Version::HTTP_2 {
            headers::join_cookies(&mut fields);
        }
        let (mut target, authority) = target(parts.uri);
        headers::forwarded(&mut fields, client, authority.as_ref());
        if over_h2 {
            target = absolute(target, fields.remove(HOST).as_ref());
        }
        if let Some(protocol) = protocol {
            fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            fields.insert(UPGRADE, protocol);
        }

        let mut upload = Upload::new(body);
        if !upload.is_none() {
            upload.counted(client.work.piece());
        }
        if !over_h2 && !upload.is_none() {
            upload.limit(*upload_pause);
        }
        let harmless = upload.is_none() && parts.method.is_idempotent() && upgrade.is_none();
        let spare = (harmless || over_h2).then(|| Spare {
            head: head(parts.method.clone(), target.clone(), fields.clone(), ()),
            body: upload.replayable(),
            harmless,
        });
        Ok(Box::new(Outbound {
            request: Some(head(parts.method, target, fields, upload)),
            spare,
            is_grpc,
            over_h2,
            wanted,
            ticket,
            tried: Tried::default(),
            repeats: 0,
            retry_budget: *retry_budget,
            patience: (!is_grpc && !answer_timeout.is_zero()).then_some(*answer_timeout),
            held: None,
            deadline: None,
            first: None,
            left: None,
            timed_out: false,
            upgrade,
        }))
    }

    /// Waits for a release to serve, where the service asks for that. Answers whether to look again.
    async fn is_held(&self, outbound: &mut Outbound, hold: Duration) -> bool {
        if hold.is_zero() || !outbound.wanted.is_any() {
            return false;
        }
        let until = *outbound.held.get_or_insert_with(|| Instant::now() + hold);
        self.traffic.next_switch(until).await
    }

    async fn forward(
        &self,
        mut outbound: Box<Outbound>,
        options: &Options,
        mut entry: Option<&mut Entry>,
    ) -> Response<Download> {
        let limits = &options.limits;
        loop {
            let claim = self.traffic.claim(
                &outbound.wanted,
                outbound.ticket,
                &outbound.tried,
                outbound.is_harmless(),
            );
            let claim = match claim {
                Ok(claim) => claim,
                Err(NoTask::NoRelease) if Box::pin(self.is_held(&mut outbound, options.hold)).await => {
                    continue;
                }
                Err(why) => return self.give_up(&outbound, why),
            };
            outbound.speak(claim.speaks_h2);
            if let Some(left) = outbound.left.take() {
                left.retried();
                if let Some(entry) = &mut entry {
                    entry.retried();
                }
            }
            if let Some(entry) = &mut entry {
                entry.given_to(&claim);
            }
            let (_, since) = outbound.first.get_or_insert_with(|| (Arc::clone(&claim.tally), Instant::now()));
            let since = *since;
            match self.attempt(&mut outbound, &claim).await {
                Sent::Answered(answer, wire) => {
                    claim.tally.answered(answer.status(), since.elapsed());
                    claim.upstream.answered(answer.status().is_server_error(), limits.eject_after);
                    let cookie = self.cookie(&outbound.wanted, &claim, options);
                    let mut answer = self.pass_back(answer, wire, claim, outbound.upgrade);
                    if let Some(cookie) = cookie {
                        answer.headers_mut().append(SET_COOKIE, cookie);
                    }
                    return answer;
                }
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
                Sent::Late => {
                    claim.tally.unanswered(since.elapsed());
                    claim.upstream.answered(true, limits.eject_after);
                    let sentence = "the task took the request and did not begin to answer in time";
                    return plain(StatusCode::GATEWAY_TIMEOUT, sentence);
                }
                Sent::Unfinished => {
                    let sentence = "the request's body made no progress for too long";
                    let mut answer = plain(StatusCode::REQUEST_TIMEOUT, sentence);
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    return answer;
                }
                Sent::Lost => {
                    claim.tally.unanswered(since.elapsed());
                    claim.upstream.answered(true, limits.eject_after);
                    let sentence = "the task closed the connection before it answered; the request may have \
                                    had its effect, so it was not sent again";
                    return plain(StatusCode::BAD_GATEWAY, sentence);
                }
            }
        }
    }

    /// The cookie that keeps the client with the release which has answered, where it has to be set.
    fn cookie(&self, wanted: &Wanted, claim: &Claim, options: &Options) -> Option<HeaderValue> {
        if !options.sticky || !self.traffic.is_shared() {
            return None;
        }
        let release = &claim.tally.release;
        match wanted {
            Wanted::Kept(kept) if kept == release => None,
            Wanted::Any | Wanted::Kept(_) => sticky::cookie(&self.traffic.cookie, release),
            Wanted::Preview | Wanted::Named(_) => None,
        }
    }

    /// Hands a task's answer to the client.
    fn pass_back(
        &self,
        mut answer: Response<Incoming>,
        wire: Option<Wire>,
        claim: Claim,
        upgrade: Option<OnUpgrade>,
    ) -> Response<Download> {
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
        if let Some((tally, since)) = &outbound.first {
            tally.unanswered(since.elapsed());
        }
        let service = &self.traffic.key;
        match (&outbound.wanted, why) {
            (Wanted::Any | Wanted::Kept(_), NoTask::NoRelease) => {
                plain(StatusCode::SERVICE_UNAVAILABLE, &format!("no release of {service} serves"))
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

impl Outbound {
    /// Whether sending it twice does no harm.
    pub(super) fn is_harmless(&self) -> bool {
        self.spare.as_ref().is_some_and(|spare| spare.harmless)
    }

    /// Words it for a task that speaks HTTP/2, or does not: another one than it was first meant for, perhaps.
    fn speak(&mut self, h2: bool) {
        let over_h2 = h2 || self.is_grpc;
        if over_h2 == self.over_h2 {
            return;
        }
        self.over_h2 = over_h2;
        if over_h2 {
            self.upgrade = None;
        }
        let spare = self.spare.as_mut().map(|spare| reword(&mut spare.head, over_h2));
        debug_assert!(spare.is_some() || self.request.is_some(), "something is left to be sent");
        if let Some(request) = &mut self.request {
            reword(request, over_h2);
        }
    }

    /// Puts the spare in the place of a request that is gone. `unprocessed` says that the task did nothing
    /// with that. Answers whether there is a request now.
    pub(super) fn take_spare(&mut self, unprocessed: bool) -> bool {
        let Some(spare) = &self.spare else { return false };
        if !spare.harmless && !unprocessed {
            return false;
        }
        let upload = match &spare.body {
            None => Some(Upload::none()),
            Some(replay) => replay.play().map(Upload::again),
        };
        let Some(upload) = upload else { return false };
        let (method, target) = (spare.head.method().clone(), spare.head.uri().clone());
        self.request = Some(head(method, target, spare.head.headers().clone(), upload));
        true
    }

    /// The task has begun to answer: it will not be sent again.
    pub(super) fn settle(&self) {
        if let Some(Spare { body: Some(replay), .. }) = &self.spare {
            replay.forget();
        }
    }
}

/// A request as tasks get it.
fn head<B>(method: Method, target: Uri, fields: HeaderMap, body: B) -> Request<B> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = target;
    *request.headers_mut() = fields;
    request
}

/// Puts the host where the version wants it, and asks for no upgrade over HTTP/2.
fn reword<B>(request: &mut Request<B>, over_h2: bool) {
    let uri = std::mem::take(request.uri_mut());
    if over_h2 {
        let fields = request.headers_mut();
        fields.remove(CONNECTION);
        fields.remove(UPGRADE);
        let host = fields.remove(HOST);
        *request.uri_mut() = absolute(uri, host.as_ref());
        return;
    }
    let (origin, host) = target(uri);
    *request.uri_mut() = origin;
    if let Some(host) = host.and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        request.headers_mut().insert(HOST, host);
    }
}

/// The target as tasks get it over HTTP/2, where it names the host.
fn absolute(target: Uri, host: Option<&HeaderValue>) -> Uri {
    let mut parts = target.into_parts();
    let host = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    parts.authority = Some(host.unwrap_or_else(|| Authority::from_static("localhost")));
    parts.scheme = Some(Scheme::HTTP);
    parts.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
    Uri::from_parts(parts).unwrap_or_default()
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
