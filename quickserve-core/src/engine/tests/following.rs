//! Following an owner through a store that cannot always be read.

use super::steering::{Heard, WAIT};
use super::too_late::{baking, with_one};
use super::*;
use crate::event::Progress;

/// A store that cannot be read for a while after it was written for the first time.
#[derive(Debug, Default)]
struct Blinks {
    written: std::sync::atomic::AtomicBool,
    missed: std::sync::atomic::AtomicU64,
}

#[async_trait::async_trait]
impl Interceptor for Blinks {
    fn number(&self) -> u64 {
        0
    }

    async fn before(&self, call: &Call) -> Verdict {
        use std::sync::atomic::Ordering::Relaxed;
        let reads = call.target == "journal" && !call.mutating && self.written.load(Relaxed);
        if reads && self.missed.fetch_add(1, Relaxed) < 40 { Verdict::Fail } else { Verdict::Proceed }
    }

    async fn after(&self, call: &Call) -> Verdict {
        self.written.fetch_or(call.mutating, std::sync::atomic::Ordering::Relaxed);
        Verdict::Proceed
    }
}

#[tokio::test]
async fn a_store_that_blinks_while_an_owner_is_followed_does_not_end_an_abort_or_a_pause() {
    for pause in [false, true] {
        let stage = with_one(Duration::from_secs(30)).await;
        let heard = Arc::new(Heard::default());
        let (deployer, _) = stage.deployer_heard(Arc::new(Blinks::default()), heard.clone());
        let control = Control::default();
        let other = async || {
            if pause { deployer.pause(&control, WAIT).await } else { deployer.abort(&control, WAIT).await }
        };
        let (ended, asked) = baking(&stage, other).await;
        assert_eq!(ended.outcome, if pause { Outcome::Paused } else { Outcome::RolledBack });
        assert_eq!(asked.expect("an end").outcome, Outcome::Done, "pause: {pause}");
        // What could not be read at once is told later.
        let replanned = |progress: &Progress| matches!(progress, Progress::Replanned { .. });
        assert!(pause || heard.all().iter().any(replanned), "{:?}", heard.all());
    }
}
