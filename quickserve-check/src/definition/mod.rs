//! The ECS task definition: what in it ECS would reject, what would loop, and what a reviewer would stop.
//!
//! The core reads task definitions for deploying, and what it finds is taken over as it is. The rules here look at the
//! tree of the same text: so a placeholder without a value, which ends the core's reading, keeps none of them from
//! running. Each rule names the documentation that it follows.
//!
//! What needs a second file, such as the program of the health check in the image, is a function here that is given
//! what it needs: [`disagree`], [`missing_program`], [`liveness`], [`no_task_role`], [`hidden_version`].

mod arn;
mod container;
mod discretion;
mod health;
mod images;
mod limits;
mod listener;
mod liveness;
mod plain;
mod ports;
mod program;
mod progress;
pub(crate) mod read;
mod references;
mod rejected;
mod roles;
mod script;
mod service;
mod version;

#[cfg(test)]
mod tests;

pub(crate) use container::local_url;
pub use container::{Container, HealthUrl, Mapping};
pub use discretion::discreet;
pub use listener::Listener;
pub use liveness::liveness;
pub use ports::{PortClaim, Weight, claims, disagree};
pub use program::{absent, missing_program, program};
pub(crate) use program::{instead, is_brought, simple_command};
pub use read::{Definition, Network, read};
pub use roles::no_task_role;
pub use script::{Probe, probe};
pub use service::Service;
pub use version::hidden_version;

pub(crate) use progress::{hint as stuck_hint, is_stuck, message as stuck_message};

use quickserve_core::finding::Finding;
use quickserve_core::preflight::Report;

use crate::{Facts, Subject};

/// A rule: what of a definition is wrong, for that subject.
type Rule = fn(&Definition, &Subject) -> Vec<Finding>;

/// Rules that hold wherever the tasks run.
const EVERYWHERE: &[Rule] = &[images::mutable_tags, health::commands, plain::secrets];

/// Rules of ECS itself: on local Docker, QuickServe gives these fields a meaning of its own or none.
const ON_ECS: &[Rule] = &[
    ports::static_host_ports,
    ports::taken_twice,
    images::placeholders,
    health::missing,
    health::grace,
    program::of_known_images,
    limits::stop_timeouts,
    limits::fargate_size,
    limits::container_sums,
    limits::memory,
    limits::ulimits,
    roles::execution_role,
    references::malformed,
    references::elsewhere,
    progress::of_services,
    service::circuit_breakers,
    rejected::family,
    rejected::network,
    rejected::fargate,
    rejected::logs,
    rejected::firelens,
    rejected::answer_only,
];

pub(crate) fn check(subject: &Subject, facts: &Facts) -> Report {
    let report = Report::of(progress::of_settings(subject));
    match &facts.definition {
        Some(definition) => {
            let listener = Listener::of(subject, facts, definition);
            let mut judged = judge(definition, subject, &listener);
            images::replaced(definition, subject, facts, &mut judged.findings);
            report.and(judged)
        }
        None => report,
    }
}

pub(crate) fn judge(definition: &Definition, subject: &Subject, listener: &Listener) -> Report {
    let on_ecs = if subject.is_for_ecs() { ON_ECS } else { &[] };
    let rules = EVERYWHERE.iter().chain(on_ecs);
    let found = rules.map(|rule| rule(definition, subject));
    let found = found.chain([ports::mismatches(definition, listener)]);
    found.fold(Report::default(), |report, findings| {
        report.and(Report::of(discretion::keep(&definition.file, findings)))
    })
}
