//! The load of the demo, and its count at the bottom of the screen.

use std::sync::Arc;
use std::time::Duration;

use quickserve_tests::load::{Load, Size, Watch};
use tokio::time::sleep;

use crate::screen::{Screen, thousands};

/// Keep-alive connections only. It ends by itself should the story hang.
pub(crate) const SIZE: Size = Size {
    connections: 32,
    http2: 0,
    pause: Duration::from_millis(25),
    websockets: 0,
    listeners: 0,
    uploads: 0,
    longest: Duration::from_secs(150),
    most: 300_000,
};

/// How often the count is drawn.
const BEAT: Duration = Duration::from_millis(200);
const BEATS_PER_SECOND: u32 = 5;

/// Starts it, with its count at the bottom of the screen.
pub(crate) fn start(port: u16, screen: Arc<Screen>) -> Load {
    let load = Load::start(port, SIZE);
    tokio::spawn(show(load.watch(), screen));
    load
}

/// Shows the count, and how it grows.
async fn show(watch: Watch, screen: Arc<Screen>) {
    let (mut last, mut rate) = (0, 0);
    for beat in 1_u32.. {
        sleep(BEAT).await;
        if !watch.is_running() {
            break;
        }
        let tally = watch.tally();
        if beat.is_multiple_of(BEATS_PER_SECOND) {
            rate = tally.sent - last;
            last = tally.sent;
        }
        let (connections, seconds) = (SIZE.connections, watch.elapsed().as_secs());
        let now = tally.latest.as_deref().unwrap_or("-");
        screen.pin(&format!(
            " load  {connections} connections  {:>7} sent  {:>3} failed  {rate:>5}/s  version {now:<6} {seconds:>3} s",
            thousands(tally.sent),
            thousands(tally.failed),
        ));
    }
    screen.unpin();
}
