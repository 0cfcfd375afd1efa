//! What keeps the service from starting.

use crate::process::{Storefront, command, run_to_end};

#[test]
fn every_missing_variable_is_named_in_one_go() {
    let output = command(&[("STOREFRONT_REQUIRE", "REDIS_URL")]).output().expect("run");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: missing required variables: DATABASE_URL, REDIS_URL, STRIPE_API_KEY\n"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn a_wrong_switch_is_named_without_its_value() {
    let output = run_to_end(&[("STOREFRONT_FAIL_LATENCY", "hunter2")]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: STOREFRONT_FAIL_LATENCY must be a whole number with a unit, such as 250ms, 3s or 2m\n"
    );
}

#[test]
fn a_taken_port_is_named() {
    let first = Storefront::start(&[]);
    let port = first.address.port().to_string();
    let output = run_to_end(&[("PORT", &port)]);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("error: cannot listen on 0.0.0.0:{port}: ");
    assert!(String::from_utf8_lossy(&output.stderr).starts_with(&expected));
}

#[test]
fn an_unknown_argument_is_a_usage_error() {
    let output = command(&[]).arg("serve").output().expect("run");
    assert_eq!(output.status.code(), Some(2));
}
