//! What a traffic router must hold to.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;

use super::rule::{Held, ensure, fence, hold, refused, same};
use crate::error::ErrorKind;
use crate::orchestrator::TaskId;
use crate::release::{Digest, ReleaseId};
use crate::traffic::{Counters, Role, Route, Split, SplitVersion, TrafficRouter, Upstream};
use crate::workload::Protocol;

/// Makes routers for the suite [`router`](router()).
#[async_trait]
pub trait RouterFixture: Sync {
    /// A router bound to a service that it has never heard of.
    async fn fresh(&self) -> Box<dyn RouterStage>;
}

/// A router. Dropped, nothing of it is left, after a panic too.
///
/// The suite names tasks at addresses where nobody listens, and sends no requests.
#[async_trait]
pub trait RouterStage: Send + Sync {
    /// The router.
    fn router(&self) -> Arc<dyn TrafficRouter>;

    /// The same service as another process reaches it.
    fn another_process(&self) -> Arc<dyn TrafficRouter>;

    /// The same router for another service, where it can have several.
    fn another_service(&self) -> Option<Arc<dyn TrafficRouter>>;

    /// Kills whatever holds the split and starts it again. Nothing, where nothing of it can die alone.
    async fn restart(&self);
}

/// Holds a [`TrafficRouter`] to its contract.
///
/// # Panics
/// When a rule is broken, with all the rules that are.
pub async fn router(fixture: &dyn RouterFixture) {
    hold!(
        "the router",
        fixture,
        an_unknown_service_has_an_empty_split_and_nothing_in_flight,
        a_split_is_read_back_exactly,
        a_split_can_be_emptied,
        the_version_changes_whenever_the_split_does,
        a_stale_version_is_a_conflict_and_changes_nothing,
        the_split_that_is_set_already_is_a_success_with_any_version,
        of_two_that_race_exactly_one_wins,
        two_that_race_with_one_split_both_succeed,
        an_older_owner_is_refused_and_changes_nothing,
        raise_refuses_older_owners_and_changes_nothing_else,
        an_owner_that_was_refused_for_its_version_has_been_seen,
        remove_can_be_repeated,
        a_removed_service_is_empty_and_a_version_from_before_is_stale,
        a_removed_service_still_refuses_older_owners,
        a_split_that_cannot_be_served_is_refused,
        a_restart_forgets_nothing,
        another_service_is_left_alone,
        a_release_without_requests_counts_none,
    );
}

async fn an_unknown_service_has_an_empty_split_and_nothing_in_flight(stage: &dyn RouterStage) -> Held {
    let router = stage.router();
    same("its split", &router.split().await?.0, &Split::default())?;
    same("what is in flight", &router.in_flight().await?.values().sum(), &0)?;
    ensure(router.counters().await?.is_empty(), || "it has counted something".to_owned())?;
    same("its split after all that", &router.split().await?.0, &Split::default())
}

async fn a_split_is_read_back_exactly(stage: &dyn RouterStage) -> Held {
    // Not sorted by anything: the order of routes and tasks is part of it.
    let route = |name: &str, role, tasks: &[u16]| Route {
        release: release(name),
        role,
        protocol: Protocol::Http1,
        upstreams: tasks_at(tasks),
    };
    let wanted = Split {
        routes: vec![
            route("b", Role::Serving(95), &[7003, 7001]),
            route("a", Role::Serving(5), &[7002]),
            route("d", Role::Preview, &[7005, 7004]),
            route("c", Role::Standby, &[7006]),
        ],
    };
    let version = put(&*stage.router(), 1, &wanted).await?;
    for router in [stage.router(), stage.another_process()] {
        same("what is read", &router.split().await?, &(wanted.clone(), version))?;
    }
    Ok(())
}

async fn a_split_can_be_emptied(stage: &dyn RouterStage) -> Held {
    let router = stage.router();
    let version = put(&*router, 1, &split("a", 1)).await?;
    let emptied = router.set(&fence(1), version, &Split::default()).await?;
    same("what is read", &router.split().await?, &(Split::default(), emptied))?;
    ensure(emptied != version, || "the version has not changed".to_owned())
}

async fn the_version_changes_whenever_the_split_does(stage: &dyn RouterStage) -> Held {
    let router = stage.router();
    let (_, mut version) = router.split().await?;
    let mut seen = BTreeSet::from([version]);
    for weight in [1, 2, 1, 2] {
        version = router.set(&fence(1), version, &split("a", weight)).await?;
        ensure(seen.insert(version), || format!("version {} was had before", version.0))?;
        same("the version that is read", &router.split().await?.1, &version)?;
    }
    Ok(())
}

async fn a_stale_version_is_a_conflict_and_changes_nothing(stage: &dyn RouterStage) -> Held {
    let router = stage.router();
    let (_, first) = router.split().await?;
    let second = router.set(&fence(1), first, &split("a", 1)).await?;
    let third = router.set(&fence(1), second, &split("a", 2)).await?;
    for stale in [first, second, SplitVersion(third.0 + 1000)] {
        let answer = router.set(&fence(1), stale, &split("b", 1)).await;
        refused("a split with a version that is not the current one", answer, ErrorKind::Conflict)?;
    }
    same("what is read", &router.split().await?, &(split("a", 2), third))
}

async fn the_split_that_is_set_already_is_a_success_with_any_version(stage: &dyn RouterStage) -> Held {
    let router = stage.router();
    let (_, before) = router.split().await?;
    let version = router.set(&fence(1), before, &split("a", 1)).await?;
    for any in [before, version, SplitVersion(version.0 + 1000)] {
        let again = router.set(&fence(1), any, &split("a", 1)).await?;
        same("the version after setting the same split", &again, &version)?;
    }
    same("what is read", &router.split().await?, &(split("a", 1), version))
}

async fn of_two_that_race_exactly_one_wins(stage: &dyn RouterStage) -> Held {
    let (one, other) = (stage.router(), stage.another_process());
    for round in 1..=20_u32 {
        let (_, version) = one.split().await?;
        let (a, b) = (split("a", round), split("b", round));
        let fence = fence(1);
        let (first, second) =
            futures_util::future::join(one.set(&fence, version, &a), other.set(&fence, version, &b)).await;
        let (winner, won, loser) = match (first, second) {
            (Ok(version), loser @ Err(_)) => (a, version, loser),
            (loser @ Err(_), Ok(version)) => (b, version, loser),
            both => return ensure(false, || format!("two with version {version:?} were answered {both:?}")),
        };
        refused("the loser", loser, ErrorKind::Conflict)?;
        same("what is read", &one.split().await?, &(winner, won))?;
    }
    Ok(())
}

async fn two_that_race_with_one_split_both_succeed(stage: &dyn RouterStage) -> Held {
    let (one, other) = (stage.router(), stage.another_process());
    let (_, version) = one.split().await?;
    let (fence, wanted) = (fence(1), split("a", 1));
    let (first, second) =
        futures_util::future::join(one.set(&fence, version, &wanted), other.set(&fence, version, &wanted))
            .await;
    same("the second version", &second?, &first?)
}

async fn an_older_owner_is_refused_and_changes_nothing(stage: &dyn RouterStage) -> Held {
    let router = stage.router();
    let version = put(&*router, 2, &split("a", 1)).await?;
    for router in [stage.router(), stage.another_process()] {
        let set = router.set(&fence(1), version, &split("b", 1)).await;
        refused("a split of an older owner", set, ErrorKind::Fenced)?;
        let same_again = router.set(&fence(1), version, &split("a", 1)).await;
        refused("the same split of an older owner", same_again, ErrorKind::Fenced)?;
        refused("an older owner's raise", router.raise(&fence(1)).await, ErrorKind::Fenced)?;
        refused("an older owner's removal", router.remove(&fence(1)).await, ErrorKind::Fenced)?;
    }
    same("what is read", &router.split().await?, &(split("a", 1), version))?;
    router.set(&fence(2), version, &split("b", 1)).await?;
    Ok(())
}

async fn raise_refuses_older_owners_and_changes_nothing_else(stage: &dyn RouterStage) -> Held {
    let router = stage.router();
    let version = put(&*router, 1, &split("a", 1)).await?;
    for _ in 0..2 {
        router.raise(&fence(3)).await?;
    }
    same("what is read after a raise", &router.split().await?, &(split("a", 1), version))?;
    for older in [1, 2] {
        refused("an older raise", router.raise(&fence(older)).await, ErrorKind::Fenced)?;
        let set = stage.another_process().set(&fence(older), version, &split("b", 1)).await;
        refused("an older owner's split", set, ErrorKind::Fenced)?;
    }
    router.set(&fence(3), version, &split("b", 1)).await?;
    Ok(())
}

async fn an_owner_that_was_refused_for_its_version_has_been_seen(stage: &dyn RouterStage) -> Held {
    let router = stage.router();
    let version = put(&*router, 1, &split("a", 1)).await?;
    let stale = router.set(&fence(2), SplitVersion(version.0 + 1000), &split("b", 1)).await;
    refused("a stale version", stale, ErrorKind::Conflict)?;
    refused("the owner before", router.set(&fence(1), version, &split("c", 1)).await, ErrorKind::Fenced)
}

async fn remove_can_be_repeated(stage: &dyn RouterStage) -> Held {
    let router = stage.router();
    router.remove(&fence(1)).await?;
    put(&*router, 1, &split("a", 1)).await?;
    for _ in 0..2 {
        router.remove(&fence(1)).await?;
        same("the split of a removed service", &router.split().await?.0, &Split::default())?;
    }
    Ok(())
}

async fn a_removed_service_is_empty_and_a_version_from_before_is_stale(stage: &dyn RouterStage) -> Held {
    let router = stage.router();
    let version = put(&*router, 1, &split("a", 1)).await?;
    router.remove(&fence(1)).await?;
    same("the split", &router.split().await?.0, &Split::default())?;
    ensure(router.counters().await?.is_empty(), || "it still counts".to_owned())?;
    let stale = router.set(&fence(1), version, &split("a", 1)).await;
    refused("a version from before the removal", stale, ErrorKind::Conflict)?;
    put(&*router, 1, &split("b", 1)).await?;
    same("the split of the service that is back", &router.split().await?.0, &split("b", 1))
}

async fn a_removed_service_still_refuses_older_owners(stage: &dyn RouterStage) -> Held {
    let router = stage.router();
    put(&*router, 2, &split("a", 1)).await?;
    router.remove(&fence(2)).await?;
    let (_, version) = router.split().await?;
    let set = router.set(&fence(1), version, &split("b", 1)).await;
    refused("an older owner's split", set, ErrorKind::Fenced)?;
    refused("an older owner's raise", router.raise(&fence(1)).await, ErrorKind::Fenced)
}

async fn a_split_that_cannot_be_served_is_refused(stage: &dyn RouterStage) -> Held {
    let router = stage.router();
    let version = put(&*router, 1, &split("a", 1)).await?;
    let route = |name: &str, role, tasks: &[u16]| Route {
        release: release(name),
        role,
        protocol: Protocol::Http1,
        upstreams: tasks_at(tasks),
    };
    for (what, routes) in [
        ("a weight of 0", vec![route("a", Role::Serving(0), &[7001])]),
        ("a serving release without a task", vec![route("a", Role::Serving(1), &[])]),
        (
            "a release with two routes",
            vec![route("a", Role::Serving(1), &[7001]), route("a", Role::Preview, &[7002])],
        ),
        (
            "a task that is named twice",
            vec![route("a", Role::Serving(1), &[7001]), route("b", Role::Standby, &[7001])],
        ),
    ] {
        refused(what, router.set(&fence(1), version, &Split { routes }).await, ErrorKind::Invalid)?;
    }
    same("what is read", &router.split().await?, &(split("a", 1), version))
}

async fn a_restart_forgets_nothing(stage: &dyn RouterStage) -> Held {
    let router = stage.router();
    let version = put(&*router, 1, &split("a", 1)).await?;
    router.raise(&fence(2)).await?;
    stage.restart().await;
    for router in [stage.router(), router] {
        same("what is read", &router.split().await?, &(split("a", 1), version))?;
        refused("an older owner", router.set(&fence(1), version, &split("b", 1)).await, ErrorKind::Fenced)?;
    }
    stage.router().remove(&fence(2)).await?;
    stage.restart().await;
    same("what is read of a removed service", &stage.router().split().await?.0, &Split::default())?;
    refused("an older owner of a removed service", stage.router().raise(&fence(1)).await, ErrorKind::Fenced)?;
    let stale = stage.router().set(&fence(2), version, &split("a", 1)).await;
    refused("a version from before the removal", stale, ErrorKind::Conflict)
}

async fn another_service_is_left_alone(stage: &dyn RouterStage) -> Held {
    let Some(other) = stage.another_service() else { return Ok(()) };
    let router = stage.router();
    let version = put(&*other, 1, &split("a", 1)).await?;
    put(&*router, 2, &split("b", 1)).await?;
    router.raise(&fence(3)).await?;
    router.remove(&fence(3)).await?;
    same("the other's split", &other.split().await?, &(split("a", 1), version))?;
    other.set(&fence(1), version, &split("a", 2)).await?;
    Ok(())
}

async fn a_release_without_requests_counts_none(stage: &dyn RouterStage) -> Held {
    let router = stage.router();
    put(&*router, 1, &split("a", 1)).await?;
    let counters = router.counters().await?;
    ensure(counters.values().all(|counters| *counters == Counters::default()), || format!("{counters:?}"))?;
    same("what is in flight", &router.in_flight().await?.values().sum(), &0)
}

/// Sets a split over whatever there is.
async fn put(router: &dyn TrafficRouter, epoch: u64, split: &Split) -> crate::Result<SplitVersion> {
    let (_, version) = router.split().await?;
    router.set(&fence(epoch), version, split).await
}

/// A release of this name with one task serves everything.
fn split(name: &str, weight: u32) -> Split {
    let upstreams = tasks_at(&[7000]);
    Split {
        routes: vec![Route {
            release: release(name),
            role: Role::Serving(weight),
            protocol: Protocol::Http1,
            upstreams,
        }],
    }
}

fn tasks_at(ports: &[u16]) -> Vec<Upstream> {
    let at = |port: &u16| Upstream {
        task: TaskId(format!("task-{port}")),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, *port)),
    };
    ports.iter().map(at).collect()
}

fn release(name: &str) -> ReleaseId {
    let digest = Digest::of(name.as_bytes());
    format!("r-{}", &digest.hex()[..12]).parse().unwrap_or_else(|error| panic!("a release's name: {error}"))
}
