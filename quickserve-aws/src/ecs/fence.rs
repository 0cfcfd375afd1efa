//! Calls that change something, sent only while their owner may.

use std::time::{Duration, SystemTime};

use aws_sdk_ecs::config::Builder;
use aws_smithy_async::time::StaticTimeSource;
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::Timestamp;
use quickserve_core::clock::between;
use quickserve_core::fence::Fence;
use quickserve_core::{Error, ErrorKind, Result};

/// A call with all its attempts; less where the lease ends sooner.
const LONGEST: Duration = Duration::from_secs(30);
/// Less than this is not enough for an answer.
const SHORTEST: Duration = Duration::from_secs(1);

/// The settings of a call that changes something.
///
/// ECS's calls carry no condition, so nothing there refuses a stale owner. Therefore it is sent only while the
/// lease outlasts it, every attempt is signed with the time of this look, and the SDK may not correct that time
/// by what AWS says: an owner that is suspended here and wakes after five minutes sends a signature that AWS
/// refuses as expired (AWS documentation, "Signature Version 4", request validity).
pub(super) fn fenced(fence: &Fence, now: Timestamp) -> Result<Builder> {
    let left = between(now, fence.not_after);
    if left < SHORTEST {
        let message =
            format!("change the service: the lease of epoch {} ends in {} ms", fence.epoch, left.as_millis());
        return Err(Error::new(ErrorKind::Fenced, message));
    }
    let timeouts = TimeoutConfig::builder().operation_timeout(left.min(LONGEST)).build();
    Ok(Builder::new()
        .time_source(StaticTimeSource::new(SystemTime::from(now)))
        .disable_clock_skew_correction(true)
        .timeout_config(timeouts))
}

#[cfg(test)]
mod tests {
    use quickserve_core::fence::Epoch;

    use super::*;

    fn fence(not_after: &str) -> Fence {
        Fence { epoch: Epoch(3), op: 7, not_after: not_after.parse().expect("a time") }
    }

    #[test]
    fn nothing_is_sent_when_the_lease_has_run_out() {
        let now = "2026-11-29T01:00:00Z".parse().expect("a time");
        for late in ["2026-11-29T00:59:00Z", "2026-11-29T01:00:00Z", "2026-11-29T01:00:00.5Z"] {
            assert_eq!(fenced(&fence(late), now).expect_err(late).kind(), ErrorKind::Fenced);
        }
        fenced(&fence("2026-11-29T01:00:20Z"), now).expect("the lease outlasts it");
    }
}
