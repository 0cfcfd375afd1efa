//! `/health`, `/ready` and `storefront healthcheck`.

use std::net::TcpListener;

use crate::http::get;
use crate::process::{Storefront, command};

fn healthcheck(storefront: &Storefront) -> Option<i32> {
    let port = storefront.address.port().to_string();
    command(&[("PORT", &port)]).arg("healthcheck").output().expect("run").status.code()
}

#[test]
fn a_healthy_service_says_so_in_full() {
    let storefront = Storefront::start(&[("IMAGE_TAG", "1.8.2"), ("QUICKSERVE_RELEASE", "r-7c41e9")]);
    let answer = get(storefront.address, "/health");
    assert_eq!(answer.status, 200);
    let health = answer.json();
    assert_eq!(health["status"], "OK");
    assert_eq!(health["database"], "connected");
    assert_eq!(health["version"], "1.8.2");
    assert_eq!(health["release"], "r-7c41e9");
    assert!(health["uptime"].is_f64() && health["timestamp"].is_u64(), "{health}");
    assert_eq!(get(storefront.address, "/ready").status, 200);
    assert_eq!(healthcheck(&storefront), Some(0));
}

#[test]
fn a_database_that_is_switched_off_degrades_it() {
    let storefront = Storefront::start(&[("STOREFRONT_FAIL_DATABASE", "1")]);
    let answer = get(storefront.address, "/health");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["status"], "DEGRADED");
    assert_eq!(answer.json()["database"], "disconnected");
    assert_eq!(get(storefront.address, "/ready").status, 503);
    assert_eq!(healthcheck(&storefront), Some(1));
}

#[test]
fn a_database_that_is_really_asked_is_found_up_and_then_down() {
    let database = TcpListener::bind("127.0.0.1:0").expect("a database");
    let url = format!("postgresql://shop:secret@{}/shop", database.local_addr().expect("an address"));
    let storefront = Storefront::start(&[("DATABASE_URL", &url), ("STOREFRONT_CHECK_DATABASE", "1")]);
    assert_eq!(get(storefront.address, "/health").json()["database"], "connected");
    drop(database);
    let answer = get(storefront.address, "/health");
    assert_eq!((answer.status, answer.json()["database"].as_str()), (503, Some("disconnected")));
}

#[test]
fn a_health_check_of_nobody_fails() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port().to_string()
    };
    let output = command(&[("PORT", &nobody)]).arg("healthcheck").output().expect("run");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: cannot ask 127.0.0.1:"));
}
