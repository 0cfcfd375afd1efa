//! Faults on purpose: what in-memory platforms and a wrapped journal store ask before and after every call.
//!
//! One [`Faults`] is shared by everything that one process calls, so that its calls have one numbering: a test
//! runs once without faults, reads [`Faults::calls`], and then runs again with a fault at each number.
//!
//! ```
//! # use std::sync::Arc;
//! # use quickserve_core::{clock::SystemClock, fault::{Fault, FaultPlan, Faults, intercept}};
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let faults = Faults::new(FaultPlan::default().at(2, Fault::LoseAnswer), Arc::new(SystemClock));
//! let mut done = 0;
//! for _ in 0..2 {
//!     let answer = intercept(&faults, "sets", "advance", true, || {
//!         done += 1;
//!         async { Ok(()) }
//!     });
//!     println!("{:?}", answer.await.is_ok());
//! }
//! assert_eq!(done, 2, "the second call was made, and nobody learnt of it");
//! # });
//! ```

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::error::{Error, ErrorKind};

/// One call to something outside the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What is called: `journal`, `sets`, `router`, `registry` and so on.
    pub target: &'static str,
    /// The operation, such as `put` or `advance`.
    pub operation: &'static str,
    /// Its number among all calls of the process, from 1.
    pub number: u64,
    /// Whether it can change anything.
    pub mutating: bool,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It has no effect and is answered with an error.
    Fail,
    /// It has no effect and is answered as if somebody else had been first.
    Conflict,
    /// It has its effect and is answered with an error.
    LoseAnswer,
    /// It has its effect and is answered as if somebody else had been first: a retry inside the client met
    /// its own first attempt.
    FalseConflict,
    /// It takes its time.
    Delay(Duration),
    /// It has its effect twice.
    Repeat,
    /// The process dies before it has its effect: neither it nor any later call returns.
    Crash,
    /// The process dies after it had its effect: neither it nor any later call returns.
    CrashAfter,
}

/// How a call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// As if nothing were between.
    Proceed,
    /// Before the call: it is made twice. After it: the same as [`Verdict::Proceed`].
    Repeat,
    /// It is answered with an error.
    Fail,
    /// It is answered as if somebody else had been first.
    Conflict,
}

/// Asked before and after every call. It may wait, and a dead process waits for ever.
#[async_trait]
pub trait Interceptor: Debug + Send + Sync + 'static {
    /// The number of the next call, from 1, counted over everything that shares the interceptor.
    fn number(&self) -> u64;

    /// How the call begins. Anything but [`Verdict::Proceed`] and [`Verdict::Repeat`] is its answer, and it has
    /// no effect.
    async fn before(&self, call: &Call) -> Verdict;

    /// How the call, having had its effect, is answered.
    async fn after(&self, call: &Call) -> Verdict;
}

/// Lets everything through.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

#[async_trait]
impl Interceptor for NoFaults {
    fn number(&self) -> u64 {
        0
    }

    async fn before(&self, _: &Call) -> Verdict {
        Verdict::Proceed
    }

    async fn after(&self, _: &Call) -> Verdict {
        Verdict::Proceed
    }
}

/// Makes a call under an interceptor; its faults become [`ErrorKind::Unavailable`] (temporary) and
/// [`ErrorKind::Conflict`].
pub async fn intercept<T, F, Fut>(
    interceptor: &dyn Interceptor,
    target: &'static str,
    operation: &'static str,
    mutating: bool,
    effect: F,
) -> crate::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = crate::Result<T>>,
{
    let answer = |call: &Call, verdict| {
        let (kind, message) = match verdict {
            Verdict::Conflict => (ErrorKind::Conflict, "somebody else was first (an injected fault)"),
            _ => (ErrorKind::Unavailable, "no answer (an injected fault)"),
        };
        let error =
            Error::new(kind, message).with_context("call", format!("{} {}", call.target, call.operation));
        if kind == ErrorKind::Unavailable { error.temporary() } else { error }
    };
    intercept_with(interceptor, (target, operation, mutating), effect, answer).await
}

/// [`intercept`] for calls with another error type: `answer` makes the error of a verdict.
pub async fn intercept_with<T, E, F, Fut>(
    interceptor: &dyn Interceptor,
    (target, operation, mutating): (&'static str, &'static str, bool),
    mut effect: F,
    answer: impl FnOnce(&Call, Verdict) -> E,
) -> Result<T, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let call = Call { target, operation, number: interceptor.number(), mutating };
    let verdict = interceptor.before(&call).await;
    let mut result = match verdict {
        Verdict::Proceed | Verdict::Repeat => effect().await,
        Verdict::Fail | Verdict::Conflict => return Err(answer(&call, verdict)),
    };
    if verdict == Verdict::Repeat {
        result = effect().await;
    }
    match interceptor.after(&call).await {
        Verdict::Proceed | Verdict::Repeat => result,
        verdict => Err(answer(&call, verdict)),
    }
}

/// Which calls go wrong, and how.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    at: BTreeMap<u64, Fault>,
    on: Vec<(&'static str, &'static str, u64, Fault)>,
    seeded: Option<(u64, u8, Vec<Fault>)>,
}

impl FaultPlan {
    /// A fault at the call with this number.
    #[must_use]
    pub fn at(mut self, number: u64, fault: Fault) -> Self {
        self.at.insert(number, fault);
        self
    }

    /// A fault at the nth call, from 1, of an operation of a target.
    #[must_use]
    pub fn on(mut self, target: &'static str, operation: &'static str, nth: u64, fault: Fault) -> Self {
        self.on.push((target, operation, nth, fault));
        self
    }

    /// One of these faults at so many percent of all calls, the same ones for the same seed.
    #[must_use]
    pub fn seeded(mut self, seed: u64, percent: u8, faults: impl Into<Vec<Fault>>) -> Self {
        self.seeded = Some((seed, percent, faults.into()));
        self
    }

    fn fault(&self, call: &Call, nth: u64) -> Option<Fault> {
        let named = |(target, operation, wanted, _): &&(&str, &str, u64, Fault)| {
            (*target, *operation, *wanted) == (call.target, call.operation, nth)
        };
        let planned = self.at.get(&call.number).copied();
        planned.or_else(|| self.on.iter().find(named).map(|on| on.3)).or_else(|| self.drawn(call.number))
    }

    fn drawn(&self, number: u64) -> Option<Fault> {
        let (seed, percent, faults) = self.seeded.as_ref()?;
        let draw = scramble(seed ^ scramble(number));
        let which = usize::try_from((draw / 100) % (faults.len().max(1) as u64)).unwrap_or_default();
        if draw % 100 < u64::from(*percent) { faults.get(which).copied() } else { None }
    }
}

/// The `SplitMix64` finaliser: neighbouring numbers come out unrelated.
pub(crate) fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Injects the faults of a [`FaultPlan`] and keeps the calls of one process.
#[derive(Debug)]
pub struct Faults {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    crashed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Inner {
    plan: FaultPlan,
    numbered: u64,
    calls: Vec<Call>,
    faults: BTreeMap<u64, Fault>,
}

impl Faults {
    /// Faults by this plan, delayed by this clock.
    pub fn new(plan: FaultPlan, clock: Arc<dyn Clock>) -> Self {
        let inner = Mutex::new(Inner { plan, ..Inner::default() });
        Self { clock, inner, crashed: watch::Sender::new(false) }
    }

    /// The calls that were begun so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.inner().calls.clone()
    }

    /// The faults that were injected so far, by the number of their call.
    pub fn injected(&self) -> BTreeMap<u64, Fault> {
        self.inner().faults.clone()
    }

    /// Goes on with another plan; the numbering continues.
    pub fn plan(&self, plan: FaultPlan) {
        self.inner().plan = plan;
    }

    /// Whether the process is dead.
    pub fn has_crashed(&self) -> bool {
        *self.crashed.borrow()
    }

    /// Kills the process now: no call that is under way or to come returns.
    pub fn crash(&self) {
        self.crashed.send_replace(true);
    }

    /// Waits until the process is dead.
    pub async fn crashed(&self) {
        // The sender lives as long as `self`, so this can only end well.
        let _ = self.crashed.subscribe().wait_for(|crashed| *crashed).await;
    }

    /// Runs a process until it ends, or drops it where it dies.
    pub async fn until_crash<T>(&self, process: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.crashed() => None,
            ended = process => Some(ended),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn die_if_dead(&self) {
        if self.has_crashed() {
            std::future::pending::<()>().await;
        }
    }

    async fn die(&self) {
        self.crash();
        self.die_if_dead().await;
    }
}

#[async_trait]
impl Interceptor for Faults {
    fn number(&self) -> u64 {
        let mut inner = self.inner();
        inner.numbered += 1;
        inner.numbered
    }

    async fn before(&self, call: &Call) -> Verdict {
        self.die_if_dead().await;
        let fault = {
            let mut inner = self.inner();
            inner.calls.push(call.clone());
            let same = |other: &&Call| (other.target, other.operation) == (call.target, call.operation);
            let nth = inner.calls.iter().filter(same).count() as u64;
            let fault = inner.plan.fault(call, nth);
            if let Some(fault) = fault {
                inner.faults.insert(call.number, fault);
            }
            fault
        };
        match fault {
            Some(Fault::Fail) => Verdict::Fail,
            Some(Fault::Conflict) => Verdict::Conflict,
            Some(Fault::Repeat) => Verdict::Repeat,
            Some(Fault::Delay(duration)) => {
                self.clock.sleep(duration).await;
                Verdict::Proceed
            }
            Some(Fault::Crash) => {
                self.die().await;
                Verdict::Fail
            }
            Some(Fault::LoseAnswer | Fault::FalseConflict | Fault::CrashAfter) | None => Verdict::Proceed,
        }
    }

    async fn after(&self, call: &Call) -> Verdict {
        self.die_if_dead().await;
        let fault = self.inner().faults.get(&call.number).copied();
        match fault {
            Some(Fault::LoseAnswer) => Verdict::Fail,
            Some(Fault::FalseConflict) => Verdict::Conflict,
            Some(Fault::CrashAfter) => {
                self.die().await;
                Verdict::Fail
            }
            _ => Verdict::Proceed,
        }
    }
}
