//! What every request shares.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::clock::Clock;
use crate::database::Database;
use crate::drain::Drain;
use crate::faults::{Failing, Switches};
use crate::identity::Identity;

/// The running service.
#[derive(Debug)]
pub(crate) struct App {
    /// Who answers.
    pub(crate) identity: Identity,
    /// The time.
    pub(crate) clock: Clock,
    /// The dependency.
    pub(crate) database: Database,
    /// The failure switches.
    pub(crate) switches: Switches,
    /// Which requests fail.
    pub(crate) failing: Failing,
    /// The drain.
    pub(crate) drain: Drain,
    in_flight: AtomicUsize,
}

impl App {
    /// A service that begins now.
    pub(crate) fn new(identity: Identity, database: Database, switches: Switches) -> Self {
        Self {
            identity,
            clock: Clock::start(),
            database,
            failing: Failing::new(switches.errors),
            switches,
            drain: Drain::default(),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// Counts a request until the guard is dropped.
    pub(crate) fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    /// Requests that wait for the head of their answer.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// One counted request.
#[derive(Debug)]
pub(crate) struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
