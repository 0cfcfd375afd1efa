//! One worker after the other: starting the next one, having the one before hand over, and what follows from
//! the death of either.

use std::net::SocketAddr;
use std::time::Duration;

use quickserve_core::{Error, ErrorKind, Result};
use tokio::time::Instant;

use super::children::{Id, Program};
use super::link;
use super::messages::{ToWorker, Upgrade};
use super::parent::{Parent, failed};

/// For a new worker to read the state, and for an old one to hand over.
pub(super) const STEP: Duration = Duration::from_secs(15);

/// How long a worker that dies before it serves lets the next one wait: the first at once, then twice as long
/// each time.
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// A worker on its way.
#[derive(Debug)]
pub(super) struct Coming {
    pub(super) id: Id,
    pub(super) step: Step,
    pub(super) deadline: Instant,
    /// The upgrade that it is for: who asked, and what serves from then on.
    upgrade: Option<(Id, Program)>,
    linger: Duration,
    log: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Starting,
    /// It is ready, and the one before hands over.
    HandingOver,
    Going,
}

impl Parent {
    /// Starts a worker that serves as soon as it can.
    pub(super) fn start(&mut self) -> Result<()> {
        self.come(None, Duration::ZERO)
    }

    fn come(&mut self, upgrade: Option<(Id, Program)>, linger: Duration) -> Result<()> {
        // What it writes from here on may say why it does not come to serve.
        let log = self.folder.log_length();
        let program = upgrade.as_ref().map_or(&self.program, |(_, program)| program);
        let worker = program.start(self.next, &self.events.0).map_err(|error| {
            failed("start the router's worker", error)
                .with_context("command", program.path().display().to_string())
        })?;
        let id = self.next;
        self.next += 1;
        let keys = self.keys().map_err(|error| failed("share the router's sockets", error))?;
        let (dir, grace, supervision) = (self.folder.path().to_owned(), self.grace, self.supervision.clone());
        worker.link.pass(&ToWorker::Welcome { dir, grace, supervision }, keys);
        self.workers.insert(id, worker);
        let (step, deadline) = (Step::Starting, Instant::now() + STEP);
        self.coming = Some(Coming { id, step, deadline, upgrade, linger, log });
        Ok(())
    }

    pub(super) fn start_later(&mut self) {
        let wait = match self.failures {
            0 => Duration::ZERO,
            failures => BACKOFF_MAX.min(BACKOFF * 2_u32.saturating_pow(failures.min(10) - 1)),
        };
        self.failures += 1;
        self.start_at = Some(Instant::now() + wait);
    }

    pub(super) fn upgrade(&mut self, asker: Id, upgrade: Upgrade) {
        let Upgrade { exe, args, linger } = upgrade;
        let started = if self.coming.is_some() || self.start_at.is_some() || self.ending.is_some() {
            let message = "the router is being started, upgraded or ended already";
            Err(Error::new(ErrorKind::Busy, message).temporary())
        } else {
            tracing::info!(exe = %exe.display(), "an upgrade begins");
            self.come(Some((asker, Program::new(&exe, &args))), linger)
        };
        if let Err(error) = started {
            tracing::error!(%error, "the upgrade failed");
            self.say(asker, &ToWorker::NotUpgraded(error.into()));
        }
    }

    /// The next worker is ready.
    pub(super) fn ready(&mut self) {
        let Some(coming) = &mut self.coming else { return };
        let linger = coming.linger;
        if let Some(active) = self.active {
            coming.step = Step::HandingOver;
            coming.deadline = Instant::now() + STEP;
            self.say(active, &ToWorker::HandOver { linger });
        } else {
            self.go();
        }
    }

    /// The next worker may serve. All others follow it from now on.
    pub(super) fn go(&mut self) {
        let Some(coming) = &mut self.coming else { return };
        coming.step = Step::Going;
        coming.deadline = Instant::now() + STEP;
        let Some(next) = self.workers.get(&coming.id) else { return };
        for (id, worker) in &self.workers {
            if *id == coming.id {
                continue;
            }
            match link::pair() {
                Ok((leads, follows)) => {
                    worker.link.pass(&ToWorker::Follow, vec![follows]);
                    next.link.pass(&ToWorker::Lead { pid: worker.pid }, vec![leads]);
                }
                Err(error) => {
                    // One that nobody leads would not learn of the next split.
                    tracing::error!(%error, pid = worker.pid, "a worker of before cannot be led and is killed");
                    worker.kill.cancel();
                }
            }
        }
        next.link.say(&ToWorker::Go);
    }

    pub(super) fn serves(&mut self, id: Id, listening: &[SocketAddr]) {
        if self.coming.as_ref().is_some_and(|coming| coming.id == id) {
            let upgrade = self.coming.take().and_then(|coming| coming.upgrade);
            self.active = Some(id);
            if let Some((asker, program)) = upgrade {
                self.program = program;
                self.say(asker, &ToWorker::Upgraded);
                tracing::info!("upgraded");
            }
        }
        if self.active == Some(id) && self.ending.is_none() {
            self.listeners.retain(|address, _| listening.contains(address));
            self.failures = 0;
            self.served = true;
        }
    }

    pub(super) fn gone(&mut self, id: Id, how: &str, clean: bool) -> Result<()> {
        let Some(worker) = self.workers.remove(&id) else { return Ok(()) };
        let clean = clean || worker.over;
        if self.ending.is_some() {
            return Ok(());
        }
        let why = worker.failure.map(Error::from);
        let said = why.as_ref().map_or_else(String::new, |why| format!(": {}", why.causes().join(": ")));
        let how = format!("{how}{said}");
        let was_coming = self.coming.take_if(|coming| coming.id == id);
        let was_active = self.active == Some(id);
        // One that has been told to follow may have had nothing left to finish.
        let follows = !was_active || self.coming.as_ref().is_some_and(|coming| coming.step == Step::Going);
        if clean && was_coming.is_none() && follows {
            self.active = self.active.filter(|active| *active != id);
            tracing::info!(pid = worker.pid, "a worker of before has ended");
            return Ok(());
        }
        tracing::error!(pid = worker.pid, in_flight = worker.in_flight, how, "a worker died");
        let upgrade = was_coming.as_ref().and_then(|coming| coming.upgrade.as_ref());
        if upgrade.is_none() {
            self.supervision.deaths += 1;
            self.supervision.lost += worker.in_flight;
            self.supervision.last_death = Some(how.clone());
        }
        if was_active {
            self.active = None;
        }
        match was_coming {
            Some(coming) => self.stillborn(&coming, why, &how),
            // One that was on its way to replace it does so.
            None if was_active && self.coming.is_some() => {
                if self.coming.as_ref().is_some_and(|coming| coming.step == Step::HandingOver) {
                    self.go();
                }
                Ok(())
            }
            None => {
                if was_active {
                    self.start_later();
                }
                if let Some(active) = self.active {
                    self.say(active, &ToWorker::Supervised(self.supervision.clone()));
                }
                Ok(())
            }
        }
    }

    /// A worker died before it served.
    fn stillborn(&mut self, coming: &Coming, why: Option<Error>, how: &str) -> Result<()> {
        let why = why.unwrap_or_else(|| {
            let died = Error::new(ErrorKind::Unavailable, format!("the new worker ended at once ({how})"));
            match self.folder.last_words(coming.log) {
                Some(words) => died.with_context("log", words),
                None => died,
            }
        });
        if let Some(active) = self.active {
            if coming.step != Step::Starting {
                match self.keys() {
                    Ok(keys) => {
                        if let Some(worker) = self.workers.get(&active) {
                            worker.link.pass(&ToWorker::Resume, keys);
                        }
                    }
                    Err(error) => tracing::error!(%error, "give the router's sockets back"),
                }
            }
        } else if self.served {
            self.start_later();
        } else {
            return Err(why);
        }
        if let Some((asker, _)) = &coming.upgrade {
            tracing::error!(error = %why, "the upgrade failed");
            let failure =
                Error::new(ErrorKind::Unavailable, "the upgrade failed; the worker of before serves")
                    .with_source(why);
            self.say(*asker, &ToWorker::NotUpgraded(failure.into()));
        }
        Ok(())
    }
}
