//! One attempt at one task: reaching it, and what may be done when that fails.

use std::io;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::body::Upload;
use super::forward::{Forwarder, Outbound};
use super::multiplex::is_unprocessed;
use super::traffic::Claim;
use super::upstream::Trouble;
use super::wire::{Failed, IDLE_FOR_UNREPEATABLE, Wire};

/// For opening one connection.
const CONNECT: Duration = Duration::from_secs(2);

/// How often a request that may have reached a task is sent again: one that brings down every task it
/// meets must not meet all of them.
const REPEATS: u32 = 2;

/// How sending to a task ended.
pub(super) enum Sent {
    Answered(Response<Incoming>, Option<Wire>),
    /// The request came back, or its spare takes its place: it may go to another task.
    Unsent,
    /// Over an old connection that the task had closed; over a new one the same task may well answer.
    Stale,
    /// It may have reached the task, and sending it again could do harm.
    Lost,
    /// The task has it and did not begin to answer in time.
    Late,
    /// The client did not send the rest of it.
    Unfinished,
}

impl Forwarder {
    /// Sends the request to the claimed task: over an idle connection, and over a new one if that was closed.
    pub(super) async fn attempt(&self, outbound: &mut Outbound, claim: &Claim) -> Sent {
        if outbound.over_h2 {
            return Box::pin(self.attempt_over_h2(outbound, claim)).await;
        }
        let idle = if outbound.upgrade.is_some() { None } else { take_idle(claim, outbound.is_harmless()) };
        if let Some(wire) = idle {
            match self.send(outbound, claim, wire).await {
                // On to a new connection.
                Sent::Stale => {}
                sent => return sent,
            }
        }
        // In a box is what few requests need: the others' way takes less memory.
        match Box::pin(self.open(outbound, claim)).await {
            Ok(wire) => {
                // Connecting took its time: the request is still ours, so it need not go to a task that has
                // left the split meanwhile.
                if !self.traffic.holds(claim) {
                    claim.give_back(wire);
                    return Sent::Stale;
                }
                self.send(outbound, claim, wire).await
            }
            Err(error) => unreached(&error, outbound, claim),
        }
    }

    /// A connection to the task that is not known to be old. Where many are being opened, one that becomes idle
    /// meanwhile serves as well.
    async fn open(&self, outbound: &Outbound, claim: &Claim) -> io::Result<Wire> {
        let upstream = &claim.upstream;
        let limit = outbound.limit();
        let slot = if let Ok(slot) = upstream.opening.try_acquire() {
            slot
        } else {
            let waited = tokio::time::timeout(limit, upstream.opening.acquire()).await;
            let slot = waited?.map_err(io::Error::other)?;
            if outbound.upgrade.is_none()
                && let Some(wire) = take_idle(claim, false)
            {
                return Ok(wire);
            }
            slot
        };
        let opened = Wire::connect(upstream.address, limit).await;
        drop(slot);
        opened
    }

    /// Sends the request over the connection that all such requests to the task share.
    async fn attempt_over_h2(&self, outbound: &mut Outbound, claim: &Claim) -> Sent {
        let upstream = &claim.upstream;
        let mut lane = match upstream.multiplex.lane(upstream.address, outbound.limit()).await {
            Ok(lane) => lane,
            Err(error) => return unreached(&error, outbound, claim),
        };
        if !self.traffic.holds(claim) {
            return Sent::Stale;
        }
        let Some(request) = outbound.request.take() else { return Sent::Lost };
        let answer = lane.sender.try_send_request(request);
        let answer = match outbound.patience {
            Some(limit) => match tokio::time::timeout(limit, answer).await {
                Ok(answer) => answer,
                Err(_) => return Sent::Late,
            },
            None => answer.await,
        };
        let mut failed = match answer {
            Ok(answer) => {
                upstream.reached();
                outbound.settle();
                return Sent::Answered(answer, None);
            }
            Err(failed) => failed,
        };
        // The connection has ended meanwhile.
        let unsent = failed.take_message();
        let error = failed.into_error();
        tracing::debug!(%error, task = %upstream.task, reused = lane.reused, "a task did not answer");
        if unsent.is_some() {
            outbound.request = unsent;
            return if lane.reused { Sent::Stale } else { Sent::Unsent };
        }
        let unprocessed = is_unprocessed(&error);
        if !unprocessed && !lane.reused {
            upstream.failed(Trouble::Deaf);
        }
        // Of one that was not processed, or got lost with an old connection, a task had no work.
        let is_free = unprocessed || lane.reused;
        if !outbound.take_spare(unprocessed) || !self.may_repeat(outbound, is_free) {
            return Sent::Lost;
        }
        outbound.repeats += 1;
        // One that refuses a stream may take the next; one that said goodbye takes a new connection.
        if unprocessed || lane.reused { Sent::Stale } else { Sent::Unsent }
    }

    /// Whether a request that was sent, and that can be sent again, may be: not too often, and unless it is free, not
    /// beyond the service's budget.
    fn may_repeat(&self, outbound: &Outbound, is_free: bool) -> bool {
        outbound.repeats < REPEATS && (is_free || self.traffic.may_repeat(outbound.retry_budget))
    }

    async fn send(&self, outbound: &mut Outbound, claim: &Claim, mut wire: Wire) -> Sent {
        let Some(request) = outbound.request.take() else { return Sent::Lost };
        let ended = request.body().ended();
        let reused = wire.is_reused();
        let sent = if outbound.upgrade.is_some() {
            let answer = Box::pin(send_upgrade(wire, request));
            let answer = match outbound.patience {
                Some(limit) => tokio::time::timeout(limit, answer).await,
                None => Ok(answer.await),
            };
            answer.map_or(Err(Failed::Late), |answer| {
                answer.map(|answer| (answer, None)).map_err(|failed| Failed::Sending(Box::new(failed)))
            })
        } else {
            match wire.send(request, outbound.patience).await {
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
            Err(Failed::Sending(failed)) => failed,
            Err(Failed::Late) => return Sent::Late,
        };
        if let Some(request) = failed.take_message() {
            outbound.request = Some(request);
            return if reused { Sent::Stale } else { Sent::Unsent };
        }
        let error = failed.into_error();
        if error.is_user() {
            return Sent::Unfinished;
        }
        tracing::debug!(%error, task = %claim.upstream.task, reused, "a task did not answer");
        if !reused {
            claim.upstream.failed(Trouble::Deaf);
        }
        if reused {
            return if outbound.take_spare(false) { Sent::Stale } else { Sent::Lost };
        }
        if !outbound.take_spare(false) || !self.may_repeat(outbound, false) {
            return Sent::Lost;
        }
        outbound.repeats += 1;
        Sent::Unsent
    }
}

impl Outbound {
    /// How long opening a connection may take now.
    fn limit(&self) -> Duration {
        match self.deadline {
            Some(deadline) => CONNECT.min(deadline.saturating_duration_since(Instant::now())),
            None => CONNECT,
        }
    }
}

/// No connection could be opened.
fn unreached(error: &io::Error, outbound: &mut Outbound, claim: &Claim) -> Sent {
    tracing::debug!(%error, task = %claim.upstream.task, "connecting failed");
    outbound.timed_out |= error.kind() == io::ErrorKind::TimedOut;
    if let Some(trouble) = Trouble::of(error) {
        claim.upstream.failed(trouble);
    }
    Sent::Unsent
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
