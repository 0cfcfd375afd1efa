//! Tasks whose output is too much, or meant to do harm.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use quickserve_tests::{Ran, Settings, Shop};

const FLOOD: &str = r#"STOREFRONT_FAIL_LOG_LINES_PER_SECOND = "10000""#;
const ESCAPES: &str = r#"STOREFRONT_FAIL_LOG_ESCAPES = "1""#;

fn settle(shop: &Shop, variables: &str) {
    let top = format!("variables = {{ {variables} }}");
    shop.settle(Settings { top: &top, ..Settings::default() });
}

/// The number of a line of the flood.
fn number(line: &str) -> Option<u64> {
    line.split_once("flood ")?.1.split(' ').next()?.parse().ok()
}

#[test]
fn a_task_that_floods_its_log_is_deployed_shown_and_replaced() {
    let shop = Shop::apart(&["1"]);
    let image = shop.image("1");
    settle(&shop, FLOOD);
    let deployed = shop.run(&["deploy", "--image", &image]);
    assert_eq!(deployed.code, 0, "{deployed}");

    let shown = shop.run(&["logs", "-n", "20000"]);
    assert_eq!(shown.code, 0, "{shown}");
    let numbers: Vec<u64> = shown.stdout.lines().filter_map(number).collect();
    assert!(numbers.len() > 2_000, "{} lines", numbers.len());
    assert!(numbers.is_sorted_by(|a, b| a + 1 == *b), "lines are missing or out of order");

    // Followed for more lines than any buffer on the way holds.
    let mut following = shop.command(&["logs", "--follow", "-n", "10"]);
    let mut child = following.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a process");
    let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let followed: Vec<u64> =
        lines.map_while(Result::ok).filter_map(|line| number(&line)).take(30_000).collect();
    child.kill().expect("killed");
    child.wait().expect("an end");
    assert_eq!(followed.len(), 30_000, "it ended by itself");
    assert!(followed.is_sorted_by(|a, b| a + 1 == *b), "lines are missing or out of order");

    // It fails in the middle of the flood: its last words are found, and what serves goes on.
    settle(&shop, &format!(r#"{FLOOD}, STOREFRONT_FAIL_CRASH_AFTER = "300ms""#));
    let failed = shop.run(&["deploy", "--image", &image]);
    assert_eq!(failed.code, 4, "{failed}");
    assert!(failed.stderr.contains("last log"), "{failed}");
    settle(&shop, r#"QUIET = "1""#);
    let replaced = shop.run(&["deploy", "--image", &image]);
    assert_eq!(replaced.code, 0, "{replaced}");
    assert!(replaced.stderr.lines().count() < 20, "{replaced}");
}

#[test]
fn no_terminal_escape_of_a_task_reaches_the_screen() {
    let shop = Shop::apart(&["1"]);
    let image = shop.image("1");
    settle(&shop, ESCAPES);
    let deployed = shop.run(&["deploy", "--image", &image]);
    assert_eq!(deployed.code, 0, "{deployed}");
    let logs = shop.run(&["logs"]);
    assert!(logs.stdout.contains("red") && logs.stdout.contains("LOG_ESCAPES"), "{logs}");
    let json = shop.run(&["logs", "--format", "json"]);
    assert!(
        json.json_lines().iter().any(|line| line["text"].as_str().is_some_and(|text| text.contains("red")))
    );

    settle(&shop, &format!(r#"{ESCAPES}, STOREFRONT_FAIL_CRASH_AT_START = "1""#));
    let failed = shop.run(&["deploy", "--image", &image]);
    assert_eq!(failed.code, 4, "{failed}");
    assert!(failed.stderr.contains("LOG_ESCAPES"), "its last words are told: {failed}");
    let again = shop.run(&["deploy", "--retry", "--image", &image, "--format", "json"]);
    let github = shop.run(&["deploy", "--retry", "--image", &image, "--format", "github"]);
    let shown = [logs, json, failed, again, github, shop.run(&["status"]), shop.run(&["history"])];
    let raw = |text: &str| {
        let is_raw = |one: char| one.is_control() && one != '\n';
        // As JSON a control character is written with a backslash, and is one again for whoever reads it.
        text.contains(is_raw) || ["\\u001b", "\\u0007", "\\u009b", "\\r"].iter().any(|one| text.contains(one))
    };
    let dirty: Vec<&Ran> = shown.iter().filter(|ran| raw(&ran.stdout) || raw(&ran.stderr)).collect();
    assert!(dirty.is_empty(), "{:?}", dirty.iter().map(|ran| format!("{ran}")).collect::<Vec<_>>());
}
