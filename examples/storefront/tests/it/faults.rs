//! The failure switches, seen from outside.

use std::fs;

use rustix::process::{Signal, kill_process};

use crate::http::{Connection, get};
use crate::process::{Storefront, command, eventually, run_to_end};

#[test]
fn it_crashes_at_start_with_the_code_that_was_chosen() {
    let output = run_to_end(&[("STOREFRONT_FAIL_CRASH_AT_START", "1"), ("STOREFRONT_FAIL_CRASH_CODE", "78")]);
    assert_eq!(output.status.code(), Some(78));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("listening"));
}

#[test]
fn it_crashes_after_a_while() {
    let output = run_to_end(&[("STOREFRONT_FAIL_CRASH_AFTER", "20ms")]);
    assert_eq!(output.status.code(), Some(1));
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("listening") && stdout.ends_with("crashing (STOREFRONT_FAIL_CRASH_AFTER)\n"));
}

#[test]
fn it_is_never_healthy_and_still_serves() {
    let storefront = Storefront::start(&[("STOREFRONT_FAIL_NEVER_HEALTHY", "true")]);
    let health = get(storefront.address, "/health");
    assert_eq!(health.status, 503);
    assert_eq!(health.json()["reason"], "STOREFRONT_FAIL_NEVER_HEALTHY");
    assert_eq!(get(storefront.address, "/").status, 200);
}

#[test]
fn its_health_flaps() {
    let storefront = Storefront::start(&[("STOREFRONT_FAIL_HEALTH_FLAP", "200ms")]);
    for status in [200, 503, 200, 503] {
        eventually("the other health", || get(storefront.address, "/health").status == status);
    }
}

#[test]
fn it_is_unhealthy_until_the_delay_is_over() {
    let storefront = Storefront::start(&[("STOREFRONT_FAIL_HEALTHY_DELAY", "1h")]);
    assert_eq!(get(storefront.address, "/health").json()["reason"], "STOREFRONT_FAIL_HEALTHY_DELAY");
    let storefront = Storefront::start(&[("STOREFRONT_FAIL_HEALTHY_DELAY", "50ms")]);
    eventually("healthy", || get(storefront.address, "/health").status == 200);
}

#[test]
fn it_listens_late() {
    let output =
        run_to_end(&[("STOREFRONT_FAIL_START_DELAY", "20ms"), ("STOREFRONT_FAIL_CRASH_AFTER", "1ms")]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let events: Vec<&str> = stdout.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(events, ["starting", "listening", "crashing"]);
}

#[test]
fn it_answers_late_but_health_in_time() {
    let storefront = Storefront::start(&[("STOREFRONT_FAIL_LATENCY", "1h")]);
    let mut connection = Connection::open(storefront.address);
    connection.request("GET", "/version");
    eventually("the request waits", || get(storefront.address, "/ready").json()["in_flight"] == 1);
    assert_eq!(get(storefront.address, "/health").status, 200);
}

#[test]
fn a_health_check_gives_up_on_health_that_answers_late() {
    let storefront = Storefront::start(&[("STOREFRONT_FAIL_HEALTH_LATENCY", "1h")]);
    assert_eq!(get(storefront.address, "/version").status, 200);
    let port = storefront.address.port().to_string();
    let output = command(&[("PORT", &port)]).arg("healthcheck").output().expect("run");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn exactly_the_share_of_requests_fails_and_health_is_spared() {
    let storefront =
        Storefront::start(&[("STOREFRONT_FAIL_ERROR_PERCENT", "25"), ("STOREFRONT_FAIL_LATENCY", "1ms")]);
    let statuses: Vec<u16> = (0..8)
        .map(|_| {
            assert_eq!(get(storefront.address, "/health").status, 200);
            get(storefront.address, "/version").status
        })
        .collect();
    assert_eq!(statuses, [200, 200, 200, 500, 200, 200, 200, 500]);
}

#[test]
fn it_is_deaf_to_sigterm_but_not_to_sigint() {
    let mut storefront = Storefront::start(&[("STOREFRONT_FAIL_IGNORE_SIGTERM", "1")]);
    storefront.terminate();
    storefront.wait_for_line("ignoring SIGTERM");
    assert_eq!(get(storefront.address, "/ready").status, 200);
    kill_process(storefront.pid(), Signal::INT).expect("SIGINT");
    assert_eq!(storefront.wait().code(), Some(0));
}

/// The kernel's account of a process is Linux's own.
#[cfg(target_os = "linux")]
#[test]
fn it_leaks_memory_that_counts() {
    let storefront = Storefront::start(&[("STOREFRONT_FAIL_LEAK_MIB_PER_SECOND", "200")]);
    let status = format!("/proc/{}/status", storefront.pid().as_raw_nonzero());
    eventually("64 MiB are resident", || {
        let status = fs::read_to_string(&status).expect("a running process");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        let kib: u64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
        kib > 64 * 1024
    });
}

#[test]
fn it_floods_its_log_with_numbered_lines() {
    let storefront = Storefront::start(&[("STOREFRONT_FAIL_LOG_LINES_PER_SECOND", "5000")]);
    for number in [1, 2, 500] {
        storefront.wait_for_line(&format!("flood {number} "));
    }
}

#[test]
fn it_writes_terminal_escapes_to_its_log() {
    let output = run_to_end(&[("STOREFRONT_FAIL_LOG_ESCAPES", "1"), ("STOREFRONT_FAIL_CRASH_AT_START", "1")]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        stdout.contains("\u{1b}[2J") && stdout.ends_with("(STOREFRONT_FAIL_LOG_ESCAPES)\n"),
        "{stdout:?}"
    );
}
