//! A split as the router works with it: which task a request goes to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quickserve_core::release::ReleaseId;
use quickserve_core::traffic::{Role, Route, SplitVersion};
use quickserve_core::workload::Protocol;

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
    /// Whether several releases serve.
    pub(super) is_shared: bool,
}

/// A release's part in it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) release: ReleaseId,
    role: Role,
    /// Whether its tasks speak HTTP/2.
    pub(super) speaks_h2: bool,
    pub(super) tally: Arc<Tally>,
    pub(super) upstreams: Vec<Arc<Upstream>>,
    turn: AtomicUsize,
}

/// Which release a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Whichever serves.
    Any,
    /// This one while it serves, else whichever does.
    Kept(ReleaseId),
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
        let is_shared = parts.iter().filter(|part| part.serves()).count() > 1;
        Self { version, parts, weight, is_shared }
    }

    /// The next task for a request that holds this ticket: a release by weight, then its tasks in turn.
    ///
    /// Tasks that could just not be reached come after the others, and standing-by releases after every
    /// serving task that can be reached. Within a release, tasks that fail come after those that are well: what a
    /// release does badly is not made up for by another one.
    pub(super) fn next<'s>(
        &'s self,
        wanted: &Wanted,
        ticket: u64,
        tried: &Tried,
        repeatable: bool,
    ) -> Result<(&'s Part, &'s Arc<Upstream>), NoTask> {
        let chosen = self.chosen(wanted, ticket);
        if chosen.is_none() && !wanted.is_any() {
            return Err(NoTask::NoRelease);
        }
        if let Some(part) = chosen
            && let Some(upstream) = part.best(part.turn(), tried, repeatable)
        {
            return Ok((part, upstream));
        }
        // Nobody's turn: one ticket may come here several times.
        let turn = usize::try_from(ticket).unwrap_or_default();
        let best = |part: &'s Part| Some((part, part.best(turn, tried, repeatable)?));
        let cheap = |part: &'s Part| Some((part, part.next(turn, tried, Upstream::is_cheap_to_try)?));
        let any = |part: &'s Part| Some((part, part.next(turn, tried, |_| true)?));
        if !wanted.is_any() {
            return chosen.and_then(any).ok_or(NoTask::NoneLeft);
        }
        let serving = || self.parts.iter().filter(|part| part.serves());
        let standby = || self.parts.iter().filter(|part| part.role == Role::Standby);
        let mut all = serving().chain(standby()).peekable();
        if all.peek().is_none() {
            return Err(NoTask::NoRelease);
        }
        serving()
            .find_map(best)
            .or_else(|| serving().find_map(cheap))
            .or_else(|| standby().find_map(best))
            .or_else(|| all.find_map(any))
            .ok_or(NoTask::NoneLeft)
    }

    /// Whether the tasks that a request with this ticket goes to first speak HTTP/2.
    pub(super) fn speaks_h2(&self, wanted: &Wanted, ticket: u64) -> bool {
        self.chosen(wanted, ticket).is_some_and(|part| part.speaks_h2)
    }

    /// The release that a request with this ticket goes to first.
    fn chosen(&self, wanted: &Wanted, ticket: u64) -> Option<&Part> {
        match wanted {
            Wanted::Any => self.by_weight(ticket),
            Wanted::Kept(release) => {
                self.find(|part| part.serves() && part.release == *release).or_else(|| self.by_weight(ticket))
            }
            Wanted::Preview => self.find(|part| part.role == Role::Preview),
            Wanted::Named(name) => {
                self.find(|part| part.release.as_str() == name || part.release.short() == name)
            }
        }
    }

    /// Whether no release serves or stands by.
    pub(super) fn is_vacant(&self) -> bool {
        self.parts.iter().all(|part| part.role == Role::Preview)
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
    /// A route's, with its tasks as they are known here.
    pub(super) fn new(route: &Route, tally: Arc<Tally>, upstreams: Vec<Arc<Upstream>>) -> Self {
        let (release, role) = (route.release.clone(), route.role);
        let speaks_h2 = route.protocol == Protocol::H2c;
        Self { release, role, speaks_h2, tally, upstreams, turn: AtomicUsize::new(0) }
    }

    fn serves(&self) -> bool {
        matches!(self.role, Role::Serving(_))
    }

    /// Whose turn it is.
    fn turn(&self) -> usize {
        if self.upstreams.len() > 1 { self.turn.fetch_add(1, Ordering::Relaxed) } else { 0 }
    }

    /// The next task in turn that can be reached: one that is well, or where none is, any of them.
    fn best(&self, turn: usize, tried: &Tried, repeatable: bool) -> Option<&Arc<Upstream>> {
        self.next(turn, tried, |upstream| upstream.is_healthy(repeatable))
            .or_else(|| self.next(turn, tried, |upstream| upstream.is_promising(repeatable)))
    }

    /// The next task in turn that was not tried and is acceptable.
    fn next(
        &self,
        turn: usize,
        tried: &Tried,
        acceptable: impl Fn(&Upstream) -> bool,
    ) -> Option<&Arc<Upstream>> {
        let (later, first) = self.upstreams.split_at(turn % self.upstreams.len().max(1));
        first.iter().chain(later).find(|upstream| !tried.has(upstream) && acceptable(upstream))
    }
}

impl Wanted {
    /// Whether it is content with whichever release serves.
    pub(super) fn is_any(&self) -> bool {
        matches!(self, Self::Any | Self::Kept(_))
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
    use quickserve_core::traffic::Counters;

    use super::*;

    fn routes(weights: &[(char, Role)]) -> Routes {
        let part = |(digit, role): &(char, Role)| {
            let release: ReleaseId =
                format!("r-{}", digit.to_string().repeat(12)).parse().expect("a release's name");
            let tally = Tally::new(release.clone(), Counters::default());
            let route = Route { release, role: *role, protocol: Protocol::Http1, upstreams: Vec::new() };
            Part::new(&route, Arc::new(tally), Vec::new())
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
