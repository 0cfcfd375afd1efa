//! What is deployed: one release for each failure switch of examples/storefront, and good ones.

/// How a deployment must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It serves.
    Good,
    /// It is taken back before it has got a request.
    Unseen,
    /// It is taken back; whether it got requests before is a matter of milliseconds.
    Taken,
}

/// What happens to the router meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Router {
    Untouched,
    /// It is upgraded.
    Upgraded,
    /// Its worker is killed.
    WorkerKilled,
}

/// A release with something wrong with it, or nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drill {
    pub(super) name: &'static str,
    /// Its variables, as in quickserve.toml.
    pub(super) variables: &'static str,
    pub(super) end: End,
    /// More lines of quickserve.toml.
    pub(super) top: &'static str,
    /// More about its health check.
    pub(super) health_check: &'static str,
    pub(super) bake: &'static str,
    /// Its tasks die while they serve. Then another release must stand by, which `rolling` has not.
    pub(super) dies: bool,
    /// It does not hear that it shall end: it is killed with its streams.
    pub(super) deaf: bool,
    /// The command is killed in each of its phases.
    pub(super) kills: bool,
    pub(super) router: Router,
}

impl Drill {
    /// Whether requests may wait for it: it serves soon.
    pub(super) fn may_be_held(&self) -> bool {
        self.end == End::Good && !self.kills && self.router == Router::Untouched
    }
}

const GOOD: Drill = Drill {
    name: "good",
    variables: "",
    end: End::Good,
    top: "",
    health_check: "",
    bake: "300ms",
    dies: false,
    deaf: false,
    kills: false,
    router: Router::Untouched,
};
const BAD: Drill = Drill { end: End::Unseen, health_check: ", grace = \"500ms\"", ..GOOD };

/// Good ones, in turns.
pub(super) const GOOD_ONES: [Drill; 6] = [
    GOOD,
    Drill {
        name: "slow start; upgrade",
        variables: r#"STOREFRONT_FAIL_START_DELAY = "700ms""#,
        router: Router::Upgraded,
        ..GOOD
    },
    Drill { name: "killed in each phase", kills: true, ..GOOD },
    Drill {
        name: "healthy late; worker dies",
        variables: r#"STOREFRONT_FAIL_HEALTHY_DELAY = "700ms""#,
        router: Router::WorkerKilled,
        ..GOOD
    },
    Drill { name: "slow answers", variables: r#"STOREFRONT_FAIL_LATENCY = "150ms""#, ..GOOD },
    Drill {
        name: "deaf to SIGTERM",
        variables: r#"STOREFRONT_FAIL_IGNORE_SIGTERM = "1""#,
        deaf: true,
        ..GOOD
    },
];

/// Failing ones, in turns.
pub(super) const FAILING_ONES: [Drill; 8] = [
    Drill {
        name: "crashes at start",
        variables: r#"STOREFRONT_FAIL_CRASH_AT_START = "1", STOREFRONT_FAIL_CRASH_CODE = "42""#,
        ..BAD
    },
    Drill {
        name: "crashes after 1.5 s",
        variables: r#"STOREFRONT_FAIL_CRASH_AFTER = "1500ms""#,
        end: End::Taken,
        bake: "20s",
        dies: true,
        ..GOOD
    },
    Drill { name: "never healthy", variables: r#"STOREFRONT_FAIL_NEVER_HEALTHY = "1""#, ..BAD },
    Drill {
        name: "flapping",
        variables: r#"STOREFRONT_FAIL_HEALTH_FLAP = "4s""#,
        end: End::Taken,
        bake: "20s",
        ..GOOD
    },
    Drill { name: "5xx", variables: r#"STOREFRONT_FAIL_ERROR_PERCENT = "100""#, ..BAD },
    Drill {
        name: "health check too slow",
        variables: r#"STOREFRONT_FAIL_HEALTH_LATENCY = "2s""#,
        health_check: ", grace = \"500ms\", timeout = \"200ms\"",
        ..BAD
    },
    Drill {
        name: "leaks memory",
        variables: r#"STOREFRONT_FAIL_LEAK_MIB_PER_SECOND = "64""#,
        end: End::Taken,
        top: "memory = 128",
        bake: "20s",
        dies: true,
        ..GOOD
    },
    Drill { name: "no database", variables: r#"STOREFRONT_FAIL_DATABASE = "1""#, ..BAD },
];

/// So many good and failing ones, evenly mixed; each kind in turns.
pub(super) fn mixed(good: usize, failing: usize) -> Vec<Drill> {
    let all = good + failing;
    let mut mixed = Vec::with_capacity(all);
    let (mut goods, mut fails) = (GOOD_ONES.iter().cycle(), FAILING_ONES.iter().cycle());
    for index in 0..all {
        let is_failing = (index + 1) * failing / all > index * failing / all;
        mixed.extend(if is_failing { fails.next() } else { goods.next() });
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::{End, mixed};

    #[test]
    fn good_and_failing_ones_are_mixed_evenly() {
        let mixed = mixed(50, 30);
        let good = |drills: &[super::Drill]| drills.iter().filter(|drill| drill.end == End::Good).count();
        assert_eq!((mixed.len(), good(&mixed)), (80, 50));
        assert_eq!(good(&mixed[..40]), 25);
    }
}
