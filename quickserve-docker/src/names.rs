//! The names and labels of everything that QuickServe makes in an engine.
//!
//! What is ours is told by its labels alone: a name only helps people. Service and environment are joined
//! by a dot, which neither may contain, so two services never share a name.

use std::collections::BTreeMap;

use quickserve_core::release::ReleaseId;
use quickserve_core::service::ServiceKey;

pub(crate) use labels::{
    BLUEPRINT, CALLER, CONTAINER, ENVIRONMENT, EPOCH, GENERATION, MANAGED, ONE_OFF, ORDINAL, RELEASE,
    SECRETS, SERVICE, TASK, VERSION, VOLUME,
};

/// The labels of what QuickServe makes.
pub mod labels {
    /// Marks what QuickServe made.
    pub const MANAGED: &str = "dev.quickserve.managed";
    /// The service's name.
    pub const SERVICE: &str = "dev.quickserve.service";
    /// The environment's name.
    pub const ENVIRONMENT: &str = "dev.quickserve.environment";
    /// The whole name of the release that a container belongs to.
    pub const RELEASE: &str = "dev.quickserve.release";
    /// The version that people call the release by.
    pub const VERSION: &str = "dev.quickserve.version";
    /// The epoch of the owner that made it.
    pub const EPOCH: &str = "dev.quickserve.epoch";
    /// The task that a container belongs to.
    pub const TASK: &str = "dev.quickserve.task";
    /// The task's place in its set.
    pub const ORDINAL: &str = "dev.quickserve.ordinal";
    /// How many tasks had the same place before, and 1.
    pub const GENERATION: &str = "dev.quickserve.generation";
    /// The container's name in the workload.
    pub const CONTAINER: &str = "dev.quickserve.container";
    /// What the task is made of, as JSON: what an owner who does not know the release needs to stop it.
    pub const BLUEPRINT: &str = "dev.quickserve.blueprint";
    /// The names of its variables whose values are secret, separated by commas.
    pub const SECRETS: &str = "dev.quickserve.secrets";
    /// Marks the container of a command that somebody runs beside the tasks.
    pub const ONE_OFF: &str = "dev.quickserve.one-off";
    /// The process that runs such a command, as JSON.
    pub const CALLER: &str = "dev.quickserve.caller";
    /// The name of a volume in the workload.
    pub const VOLUME: &str = "dev.quickserve.volume";
}

/// What a doomed container's name ends with. A dot cannot be in a workload's container name.
const DOOMED: &str = ".doomed";

/// The labels that tell a service's things from all others.
pub(crate) fn service_labels(key: &ServiceKey) -> BTreeMap<String, String> {
    [(MANAGED, "true"), (SERVICE, key.service()), (ENVIRONMENT, key.environment())]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// The network on which the services of an environment find each other.
pub(crate) fn network(environment: &str) -> String {
    format!("quickserve-{environment}")
}

/// The name of a task's only container.
pub(crate) fn task(key: &ServiceKey, release: &ReleaseId, ordinal: u32, generation: u32) -> String {
    format!("qs-{}.{}-{release:#}-{ordinal}-{generation}", key.service(), key.environment())
}

/// The name of one of a task's several containers.
pub(crate) fn container(task: &str, container: &str) -> String {
    format!("{task}-{container}")
}

/// The name of the container of a one-off command.
pub(crate) fn one_off(key: &ServiceKey, release: &ReleaseId, nonce: &str) -> String {
    format!("qs-{}.{}-{release:#}-run-{nonce}", key.service(), key.environment())
}

/// The name that says, durably, that a container is on its way out.
pub(crate) fn doomed(name: &str) -> String {
    format!("{name}{DOOMED}")
}

/// Whether a container's name says that it is on its way out.
pub(crate) fn is_doomed(name: &str) -> bool {
    name.ends_with(DOOMED)
}

/// The engine's name of a workload's named volume.
pub(crate) fn volume(key: &ServiceKey, volume: &str) -> String {
    format!("qs-{}.{}-{volume}", key.service(), key.environment())
}

/// The repository whose tags keep a service's images.
pub(crate) fn pin_repository(key: &ServiceKey) -> String {
    format!("quickserve/{}.{}", key.service(), key.environment())
}

/// The tag that keeps a container's image for a release. At most 128 characters, as tags are.
pub(crate) fn pin_tag(release: &ReleaseId, container: &str) -> String {
    let mut tag = format!("{release}-{container}");
    if tag.len() > 128 {
        let digest = quickserve_core::release::Digest::of(container.as_bytes());
        tag = format!("{release}-{}-{}", &container[..80], &digest.hex()[..16]);
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_that_look_alike_have_different_names() {
        let one = ServiceKey::new("a", "b-c").expect("a key");
        let other = ServiceKey::new("a-b", "c").expect("a key");
        assert_ne!(volume(&one, "data"), volume(&other, "data"));
        assert_ne!(pin_repository(&one), pin_repository(&other));
        let release: ReleaseId = "r-7c41e9aabbcc".parse().expect("a release");
        assert_eq!(task(&other, &release, 0, 1), "qs-a-b.c-r-7c41e9-0-1");
        assert_ne!(task(&one, &release, 0, 1), task(&other, &release, 0, 1));
    }

    #[test]
    fn a_pin_fits_into_a_tag() {
        let release: ReleaseId = "r-7c41e9aabbcc".parse().expect("a release");
        assert_eq!(pin_tag(&release, "app"), "r-7c41e9aabbcc-app");
        assert!(pin_tag(&release, &"x".repeat(255)).len() <= 128);
    }
}
