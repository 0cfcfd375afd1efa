//! `/events`: server-sent events that carry the version and end at a drain.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use hyper::Response;
use hyper::body::Bytes;
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::app::App;
use crate::body::{self, Body};

/// Sends one event at once and one more after each interval.
pub(crate) fn events(app: Arc<App>, every: Duration) -> Response<Body> {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    body::stream("text/event-stream", pieces(Feed { app, ticks, sent: 0 }))
}

struct Feed {
    app: Arc<App>,
    ticks: Interval,
    sent: u64,
}

fn pieces(feed: Feed) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(Some(feed), |feed| async move {
        let mut feed = feed?;
        let draining = tokio::select! {
            biased;
            () = feed.app.drain.closing() => true,
            _ = feed.ticks.tick() => false,
        };
        feed.sent += 1;
        let event = if draining { "drain" } else { "version" };
        let data = json!({
            "version": feed.app.identity.version,
            "release": feed.app.identity.release,
            "sequence": feed.sent,
        });
        let piece = format!("id: {}\nevent: {event}\ndata: {data}\n\n", feed.sent);
        Some((Bytes::from(piece), (!draining).then_some(feed)))
    })
}
