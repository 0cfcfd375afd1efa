//! A split as the router works with it: which task a request goes to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quickserve_core::release::ReleaseId;
use quickserve_core::traffic::{Role, SplitVersion};

use super::counters::Tally;
use super::upstream::Upstream;

/// 2^64 divided by the golden ratio: its multiples fall more evenly over the range than those of any other
/// number, so that every share is kept from the first few requests on.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A split, frozen. A new split is a new value.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) version: SplitVersion,
    pub(super) parts: Vec<Part>,
    /// The sum of all weights.
    weight: u64,
}

/// A release's part in it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) release: ReleaseId,
    role: Role,
    pub(super) tally: Arc<Tally>,
    pub(super) upstreams: Vec<Arc<Upstream>>,
    turn: AtomicUsize,
}

/// Which release a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Whichever serves.
    Any,
    /// The one that is previewed.
    Preview,
    /// The one of this name, whole or short.
    Named(String),
}

/// The tasks that a request was tried on already.
#[derive(Debug, Default)]
pub(super) struct Tried(Vec<Arc<Upstream>>);

/// Why no task was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoTask {
    /// No release has the part that was asked for.
    NoRelease,
    /// The release has no task that was not tried.
    NoneLeft,
}

impl Routes {
    pub(super) fn new(version: SplitVersion, parts: Vec<Part>) -> Self {
        let weight = |part: &Part| match part.role {
            Role::Serving(weight) => u64::from(weight),
            Role::Standby | Role::Preview => 0,
        };
        let weight = parts.iter().map(weight).sum();
        Self { version, parts, weight }
    }

    /// The next task for a request that holds this ticket: a release by weight, then its tasks in turn.
    ///
    /// Tasks that could just not be reached come after the others, and standing-by releases after every
    /// serving task that can be reached.
    pub(super) fn next(
        &self,
        wanted: &Wanted,
        ticket: u64,
        tried: &Tried,
        repeatable: bool,
    ) -> Result<(&Part, &Arc<Upstream>), NoTask> {
        let promising = |upstream: &Upstream| upstream.is_promising(repeatable);
        let chosen = match wanted {
            Wanted::Any => self.by_weight(ticket),
            Wanted::Preview => Some(self.find(|part| part.role == Role::Preview).ok_or(NoTask::NoRelease)?),
            Wanted::Named(name) => {
                let named = |part: &Part| part.release.as_str() == name || part.release.short() == name;
                Some(self.find(named).ok_or(NoTask::NoRelease)?)
            }
        };
        if let Some(part) = chosen
            && let Some(upstream) = part.next(tried, promising)
        {
            return Ok((part, upstream));
        }
        if *wanted != Wanted::Any {
            let left = chosen.and_then(|part| Some((part, part.next(tried, |_| true)?)));
            return left.ok_or(NoTask::NoneLeft);
        }
        let serving = || self.parts.iter().filter(|part| matches!(part.role, Role::Serving(_)));
        let standby = || self.parts.iter().filter(|part| part.role == Role::Standby);
        let mut all = serving().chain(standby()).peekable();
        if all.peek().is_none() {
            return Err(NoTask::NoRelease);
        }
        serving()
            .find_map(|part| Some((part, part.next(tried, promising)?)))
            .or_else(|| serving().find_map(|part| Some((part, part.next(tried, Upstream::is_cheap_to_try)?))))
            .or_else(|| standby().find_map(|part| Some((part, part.next(tried, promising)?))))
            .or_else(|| all.find_map(|part| Some((part, part.next(tried, |_| true)?))))
            .ok_or(NoTask::NoneLeft)
    }

    fn find(&self, matches: impl Fn(&Part) -> bool) -> Option<&Part> {
        self.parts.iter().find(|part| matches(part))
    }

    fn by_weight(&self, ticket: u64) -> Option<&Part> {
        let point = u128::from(ticket.wrapping_mul(GOLDEN)) * u128::from(self.weight);
        let mut left = u64::try_from(point >> 64).unwrap_or_default();
        self.parts.iter().find(|part| {
            let Role::Serving(weight) = part.role else { return false };
            let weight = u64::from(weight);
            let hit = left < weight;
            left = left.saturating_sub(weight);
            hit
        })
    }
}

impl Part {
    pub(super) fn new(
        release: ReleaseId,
        role: Role,
        tally: Arc<Tally>,
        upstreams: Vec<Arc<Upstream>>,
    ) -> Self {
        Self { release, role, tally, upstreams, turn: AtomicUsize::new(0) }
    }

    /// The next task in turn that was not tried and is acceptable.
    fn next(&self, tried: &Tried, acceptable: impl Fn(&Upstream) -> bool) -> Option<&Arc<Upstream>> {
        let count = self.upstreams.len();
        let start = if count > 1 { self.turn.fetch_add(1, Ordering::Relaxed) % count } else { 0 };
        let (later, first) = self.upstreams.split_at(start);
        first.iter().chain(later).find(|upstream| !tried.has(upstream) && acceptable(upstream))
    }
}

impl Tried {
    pub(super) fn add(&mut self, upstream: &Arc<Upstream>) {
        self.0.push(Arc::clone(upstream));
    }

    fn has(&self, upstream: &Arc<Upstream>) -> bool {
        self.0.iter().any(|tried| Arc::ptr_eq(tried, upstream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(weights: &[(char, Role)]) -> Routes {
        let part = |(digit, role): &(char, Role)| {
            let release: ReleaseId =
                format!("r-{}", digit.to_string().repeat(12)).parse().expect("a release's name");
            Part::new(release, *role, Arc::default(), Vec::new())
        };
        Routes::new(SplitVersion(1), weights.iter().map(part).collect())
    }

    #[test]
    fn every_share_is_kept_from_the_first_requests_on() {
        let routes = routes(&[('a', Role::Serving(95)), ('b', Role::Standby), ('c', Role::Serving(5))]);
        for start in [0, 17, u64::MAX - 50] {
            let hits = (0..200_u64)
                .filter(|ticket| {
                    let part = routes.by_weight(start.wrapping_add(*ticket)).expect("a part");
                    assert_ne!(part.role, Role::Standby);
                    part.release.as_str().ends_with('c')
                })
                .count();
            assert!((9..=11).contains(&hits), "{hits} of 200 at 5 %");
        }
    }

    #[test]
    fn without_a_serving_release_there_is_none_by_weight() {
        assert!(routes(&[('a', Role::Preview)]).by_weight(7).is_none());
        assert!(routes(&[]).by_weight(7).is_none());
    }
}
