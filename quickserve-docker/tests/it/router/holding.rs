//! Requests that wait while no release serves.

use std::time::Duration;

use http::Method;
use quickserve_core::traffic::{Role, TrafficRouter as _};

use super::support::{Router, Task, empty, fence, full, request, route, send, split};

#[tokio::test]
async fn a_request_waits_for_the_release_that_takes_the_place_of_another() {
    let router = Router::start().await;
    let public = router.listen_with(|options| options.hold = Duration::from_secs(30)).await.public;
    let task = Task::start("new").await;
    let waiting = tokio::spawn(send(public, request(Method::POST, "/echo", full("an order"))));
    let router_client = router.client();
    let (_, version) = router_client.split().await.expect("the split");
    let routes = split([route('a', Role::Serving(1), &[task.address])]);
    router_client.set(&fence(1), version, &routes).await.expect("the split is set");
    let seen = waiting.await.expect("no panic");
    assert_eq!((seen.status.as_u16(), seen.body.as_str()), (200, "an order"));
}

#[tokio::test]
async fn a_request_that_has_waited_long_enough_is_told_to_come_back() {
    let router = Router::start().await;
    let public = router.listen_with(|options| options.hold = Duration::from_millis(20)).await.public;
    let seen = send(public, request(Method::GET, "/", empty())).await;
    assert_eq!(seen.status, 503);
    assert_eq!(seen.headers["retry-after"], "1");
}
