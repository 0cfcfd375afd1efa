//! What the platform in memory does of itself beside rolling: it moves requests at once or in parts, and waits at gates.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::after;
use crate::rollout::{GateId, RolloutSpec, Stage, Way};
use crate::traffic::Percent;

/// What is left to do of a rollout once its tasks are well.
#[derive(Debug, Clone)]
pub(super) struct Native {
    legs: VecDeque<Leg>,
    /// Since when the first of them is under way.
    since: Option<Timestamp>,
    /// How many gates there were before.
    opened: u32,
    timeout: Duration,
}

/// One thing to do, or to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leg {
    Gate(Stage),
    Shift(Percent),
    Bake(Duration),
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing yet.
    Wait,
    /// Requests move.
    Shift(Percent),
    /// Nobody has answered a gate in time.
    TimedOut(Stage),
    /// It is done.
    Over,
}

impl Native {
    /// Nothing for a rolling update.
    pub(super) fn of(spec: &RolloutSpec) -> Option<Self> {
        let (parts, bake) = match spec.way {
            Way::Rolling => return None,
            Way::BlueGreen => (vec![Percent::ALL], Duration::ZERO),
            Way::Canary { percent, bake } => (vec![percent, Percent::ALL], bake),
            Way::Linear { percent, bake } => {
                let steps = 1..=Percent::ALL.tenths().div_ceil(percent.tenths());
                let part = |step: u16| Percent::from_tenths(step.saturating_mul(percent.tenths()));
                (steps.map(|step| part(step).unwrap_or(Percent::ALL)).collect(), bake)
            }
        };
        let gate = |stage| spec.gates.contains(&stage).then_some(Leg::Gate(stage));
        let mut legs = VecDeque::new();
        legs.extend(gate(Stage::PostTestTrafficShift));
        for part in parts {
            legs.extend(gate(Stage::PreProductionTrafficShift));
            legs.push_back(Leg::Shift(part));
            legs.extend((part != Percent::ALL).then_some(Leg::Bake(bake)));
        }
        legs.extend(gate(Stage::PostProductionTrafficShift));
        Some(Self { legs, since: None, opened: 0, timeout: spec.gate_timeout })
    }

    /// The gate at which it waits.
    pub(super) fn gate(&self) -> Option<(GateId, Stage)> {
        match (self.legs.front(), self.since) {
            (Some(Leg::Gate(stage)), Some(_)) => Some((GateId(format!("gate-{}", self.opened + 1)), *stage)),
            _ => None,
        }
    }

    /// Lets it through a gate, where that is the one at which it waits.
    pub(super) fn let_through(&mut self, gate: &GateId) -> bool {
        let waits = self.gate().is_some_and(|(waits, _)| waits == *gate);
        if waits {
            self.opened += 1;
            self.next();
        }
        waits
    }

    /// What is due; the tasks are well.
    pub(super) fn due(&mut self, now: Timestamp) -> Due {
        loop {
            let Some(leg) = self.legs.front().copied() else { return Due::Over };
            let since = *self.since.get_or_insert(now);
            match leg {
                Leg::Gate(stage) if now >= after(since, self.timeout) => return Due::TimedOut(stage),
                Leg::Gate(_) => return Due::Wait,
                Leg::Bake(time) if now < after(since, time) => return Due::Wait,
                Leg::Bake(_) => self.next(),
                Leg::Shift(part) => {
                    self.next();
                    return Due::Shift(part);
                }
            }
        }
    }

    fn next(&mut self) {
        self.legs.pop_front();
        self.since = None;
    }
}
