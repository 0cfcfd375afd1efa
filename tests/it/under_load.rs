//! Not one request fails, whatever is deployed. The long form is `make soak`.

use std::time::Duration;

use quickserve_tests::load::Load;
use quickserve_tests::soak::{Length, SIZE, soak};
use quickserve_tests::{Settings, Shop};

#[tokio::test]
async fn no_request_fails_while_good_and_failing_releases_are_deployed() {
    // Every failure switch of storefront once.
    let length = Length { good: 6, failing: 8, longest: Duration::from_mins(9) };
    let summary = soak(length, report).await;
    report(&summary.to_string());
    assert_eq!(summary.deployments, summary.wanted, "too slow");
    let failures: Vec<String> = summary.tally.failures.iter().map(ToString::to_string).collect();
    assert_eq!(summary.tally.failed, 0, "{failures:#?}");
    assert!(summary.tally.ended > 0, "no stream was ended by a deployment");
}

/// Else its zero would mean nothing.
#[tokio::test]
async fn the_load_sees_the_gap_that_recreate_has() {
    let shop = Shop::apart(&["1"]);
    let deploy = async |edition: &str| {
        let top = format!("variables = {{ EDITION = \"{edition}\" }}");
        let deploy = "strategy = \"recreate\"\ndrain_timeout = \"1s\"\nbake_time = \"300ms\"";
        shop.settle(Settings { top: &top, deploy, ..Settings::default() });
        let mut command: tokio::process::Command =
            shop.command(&["deploy", "--image", &shop.image("1")]).into();
        let ended = command.output().await.expect("an end");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    };
    deploy("first").await;
    let load = Load::start(shop.port, SIZE);
    load.want(shop.identity()["release"].as_str());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(load.tally().failed, 0);
    deploy("second").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let tally = load.stop().await;
    let told = |text: &str| tally.failures.iter().any(|failed| failed.to_string().contains(text));
    assert!(told("503"), "{:#?}", tally.failures);
    // And it sees that another release answers than the one that was wanted.
    assert!(tally.failed > u64::from(SIZE.connections), "{}", tally.failed);
}

#[expect(clippy::disallowed_macros, reason = "what was done is part of what the test shows")]
fn report(line: &str) {
    println!("{line}");
}
