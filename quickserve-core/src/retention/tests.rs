//! What goes and what stays.

use proptest::prelude::*;

use super::*;
use crate::fence::Epoch;
use crate::journal::{Act, Cause, DeploymentId, DeploymentSummary, Entry, Event, Record};
use crate::release::{Digest, Image};
use crate::workload::Workload;

const DAY: Duration = Duration::from_hours(24);

fn release(number: usize) -> Release {
    let image = Image {
        reference: format!("shop:{number}"),
        digest: Digest::of(number.to_string().as_bytes()),
        manifest: None,
    };
    let images = [("app".to_owned(), image)].into();
    Release::new(number.to_string(), images, Vec::new(), Workload::single("app"), None).expect("a release")
}

fn id(number: usize) -> ReleaseId {
    release(number).id
}

fn day(day: u64) -> Timestamp {
    crate::clock::after(
        "2025-06-01T12:00:00Z".parse().expect("a time"),
        DAY * u32::try_from(day).expect("days"),
    )
}

/// Of a history: on which day which release was deployed or gone back to, and how that ended.
fn state(history: &[(u64, usize, Outcome)]) -> State {
    let mut state = State::default();
    for (place, (at, number, outcome)) in history.iter().enumerate() {
        let known = state.releases.insert(id(*number), release(*number)).is_some();
        state.deployments.push(DeploymentSummary {
            deployment: DeploymentId(format!("d-{place}")),
            seq: place as u64 * 10 + 1,
            act: if known { Act::Rollback } else { Act::Deploy },
            release: Some(id(*number)),
            outcome: Some(*outcome),
            started: day(*at),
            finished: Some(day(*at)),
            by: "ada@laptop".to_owned(),
            cause: None,
            failed_at: None,
        });
        if *outcome == Outcome::Done {
            state.promoted.push(id(*number));
        }
    }
    state
}

fn condemn(state: &mut State, number: usize) {
    state.condemned.insert(id(number), Cause::new("bad"));
}

fn keeping(keep_releases: u32) -> Retention {
    Retention { keep_releases, ..Retention::default() }
}

fn gone(state: &State, retention: Retention, at: u64) -> Vec<usize> {
    let gone = expired(state, &retention, day(at));
    (0..10).filter(|number| gone.contains(&id(*number))).collect()
}

const DONE: Outcome = Outcome::Done;

#[test]
fn the_newest_releases_stay() {
    let state = state(&[(0, 1, DONE), (0, 2, DONE), (0, 3, DONE), (0, 4, DONE), (0, 5, DONE)]);
    assert_eq!(gone(&state, keeping(3), 0), [1, 2]);
    assert_eq!(gone(&state, keeping(5), 0), [0; 0]);
    assert_eq!(gone(&state, keeping(1), 0), [1, 2, 3], "what a rollback goes to stays all the same");
}

#[test]
fn age_counts_from_when_a_release_last_served() {
    let state = state(&[(0, 1, DONE), (1, 2, DONE), (39, 3, DONE), (40, 4, DONE)]);
    assert_eq!(gone(&state, keeping(5), 40), [1], "the second served until day 39");
    assert_eq!(gone(&state, keeping(5), 400), [1, 2], "but what serves and what a rollback goes to stay");
}

#[test]
fn a_condemned_release_stands_behind_good_ones() {
    let mut state = state(&[(0, 1, DONE), (0, 2, DONE), (0, 3, DONE), (0, 4, DONE), (0, 3, DONE)]);
    condemn(&mut state, 4);
    assert_eq!(gone(&state, keeping(3), 0), [4]);
    assert_eq!(gone(&state, keeping(4), 0), [0; 0]);
}

#[test]
fn what_was_never_promoted_goes() {
    let failed = Outcome::RolledBack;
    let state = state(&[(0, 1, DONE), (0, 2, failed), (0, 3, DONE)]);
    assert_eq!(gone(&state, keeping(5), 0), [2]);
}

#[test]
fn the_newest_snapshot_stays_and_the_others_by_number_and_age() {
    let state = state(&[(0, 1, DONE), (39, 2, DONE), (40, 3, DONE), (41, 4, DONE)]);
    let snapshots = [10, 20, 30];
    let expired = |retention: Retention, at| expired_snapshots(&state, &retention, day(at), &snapshots);
    assert_eq!(expired(keeping(2), 41), [10]);
    assert_eq!(expired(keeping(9), 41), [0; 0]);
    assert_eq!(expired(keeping(9), 400), [20, 10]);
    assert_eq!(expired_snapshots(&state, &keeping(9), day(41), &[7, 30]), [7], "nobody knows how old it is");
    assert_eq!(expired_snapshots(&state, &keeping(1), day(41), &[u64::MAX]), [0; 0]);
}

/// A history of deployments and rollbacks with all that may be condemned and gone in it.
fn histories() -> impl Strategy<Value = State> {
    let outcome = prop::sample::select(vec![DONE, DONE, DONE, Outcome::RolledBack, Outcome::Stuck]);
    let history = prop::collection::vec((0..60_u64, 0..6_usize, outcome), 0..12);
    let numbers = || prop::collection::vec(0..6_usize, 0..4);
    (history, numbers(), numbers()).prop_map(|(mut history, condemned, pruned)| {
        history.sort_by_key(|(day, _, _)| *day);
        let mut state = state(&history);
        for number in condemned {
            condemn(&mut state, number);
        }
        let needed: BTreeSet<ReleaseId> = needed(&state).into_iter().cloned().collect();
        state.pruned.extend(pruned.into_iter().map(id).filter(|release| !needed.contains(release)));
        state
    })
}

fn pruned(releases: BTreeSet<ReleaseId>) -> Record {
    let event = Event::Pruned { releases: releases.into_iter().collect() };
    let (epoch, at) = (Epoch(1), day(60));
    Record { v: 1, seq: 1, epoch, id: "a".to_owned(), at, entry: Entry::from(event) }
}

proptest! {
    #[test]
    fn no_rollback_target_ever_goes(state in histories(), keep in 1..5_u32, days in 0..40_u32) {
        let retention = Retention { keep_releases: keep, keep_for: DAY * days };
        let gone = expired(&state, &retention, day(60));
        for release in needed(&state) {
            prop_assert!(!gone.contains(release));
        }
        // What goes changes neither what serves nor what a rollback goes to, and goes once.
        let mut after = state.clone();
        after.apply(&pruned(gone.clone()));
        prop_assert_eq!(after.current(), state.current());
        prop_assert_eq!(after.rollback_target(), state.rollback_target());
        prop_assert_eq!(expired(&after, &retention, day(60)), gone.clone());
        // Whatever a rollback may go to is kept.
        for release in after.releases.keys().filter(|release| after.can_return_to(release)) {
            prop_assert!(!gone.contains(release));
        }
        let kept = after.releases.len() - gone.len();
        prop_assert!(kept <= (keep as usize).max(needed(&state).len()));
    }

    #[test]
    fn the_newest_snapshot_never_goes(
        state in histories(),
        keep in 1..5_u32,
        days in 0..40_u32,
        snapshots in prop::collection::btree_set(0..130_u64, 1..9),
    ) {
        let retention = Retention { keep_releases: keep, keep_for: DAY * days };
        let snapshots: Vec<u64> = snapshots.into_iter().collect();
        let gone = expired_snapshots(&state, &retention, day(60), &snapshots);
        prop_assert!(!gone.contains(snapshots.last().expect("a snapshot")));
        prop_assert!(snapshots.len() - gone.len() <= keep as usize);
    }
}
