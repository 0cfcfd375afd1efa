//! What a store must hold to for a journal to be kept in it.

mod faults;
mod owners;
mod scene;
mod writes;

use std::sync::Arc;

use async_trait::async_trait;
use object_store::ObjectStore;

use super::rule::hold;
use faults::{
    after_a_death_at_any_call_the_next_owner_finds_all_that_was_answered,
    no_single_fault_loses_or_doubles_a_record,
};
use owners::{
    a_stale_owner_is_fenced, a_waiting_owner_is_told_who_is_busy,
    an_owner_is_gone_when_its_lease_stands_still_on_the_watchers_clock,
    of_two_that_open_at_once_exactly_one_owns, of_two_that_take_over_at_once_exactly_one_owns,
    of_writers_that_race_no_record_is_lost_or_doubled,
};
use writes::{
    keys_are_listed_from_one_on, snapshots_can_be_taken_away, what_is_appended_is_read_by_another_process,
    what_is_created_is_not_created_again, what_is_written_over_is_read_back,
    what_was_never_written_is_not_found,
};

/// Makes stores for the suite [`journal`](journal()).
#[async_trait]
pub trait JournalFixture: Sync {
    /// A store in which there is nothing.
    async fn fresh(&self) -> Box<dyn JournalStage>;
}

/// A store. Dropped, nothing of it is left, after a panic too.
pub trait JournalStage: Send + Sync {
    /// The store, each time as another process opens it.
    fn store(&self) -> Arc<dyn ObjectStore>;
}

/// Holds a store to what a [`Journal`](crate::journal::Journal) builds on: writes that are made once, and seen by all as
/// soon as they are answered.
///
/// # Panics
/// When a rule is broken, with all the rules that are.
pub async fn journal(fixture: &dyn JournalFixture) {
    hold!(
        "the store of a journal",
        fixture,
        what_was_never_written_is_not_found,
        what_is_created_is_not_created_again,
        what_is_written_over_is_read_back,
        keys_are_listed_from_one_on,
        what_is_appended_is_read_by_another_process,
        snapshots_can_be_taken_away,
        a_waiting_owner_is_told_who_is_busy,
        of_two_that_open_at_once_exactly_one_owns,
        of_two_that_take_over_at_once_exactly_one_owns,
        of_writers_that_race_no_record_is_lost_or_doubled,
        a_stale_owner_is_fenced,
        an_owner_is_gone_when_its_lease_stands_still_on_the_watchers_clock,
        no_single_fault_loses_or_doubles_a_record,
        after_a_death_at_any_call_the_next_owner_finds_all_that_was_answered,
    );
}
