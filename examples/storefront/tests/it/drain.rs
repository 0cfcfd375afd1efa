//! SIGTERM: what is in flight is finished, nothing new begins.

use std::net::TcpStream;

use crate::http::{Connection, get};
use crate::process::{Storefront, eventually};

#[test]
fn a_request_in_flight_is_answered_and_its_connection_closed() {
    let mut storefront = Storefront::start(&[]);
    let mut connection = Connection::open(storefront.address);
    connection.request("GET", "/slow?ms=2000");
    eventually("the request is in flight", || get(storefront.address, "/ready").json()["in_flight"] == 1);
    storefront.terminate();
    let answer = connection.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!(connection.rest(), "");
    assert_eq!(storefront.wait().code(), Some(0));
    storefront.wait_for_line("drained");
}

#[test]
fn new_connections_are_refused_while_an_upload_is_finished() {
    let mut storefront = Storefront::start(&[]);
    let mut upload = Connection::open(storefront.address);
    upload.send("POST /echo HTTP/1.1\r\nhost: storefront\r\ncontent-length: 10\r\n\r\nfirst");
    let head = upload.head();
    assert_eq!(head.status, 200);
    storefront.terminate();
    eventually("the port is closed", || TcpStream::connect(storefront.address).is_err());
    assert!(storefront.is_running());
    upload.send("-last");
    assert_eq!(upload.rest(), "first-last");
    assert_eq!(storefront.wait().code(), Some(0));
}

#[test]
fn an_idle_connection_does_not_hold_up_the_end() {
    let mut storefront = Storefront::start(&[]);
    let mut used = Connection::open(storefront.address);
    used.request("GET", "/version");
    assert_eq!(used.answer().status, 200);
    let mut unused = Connection::open(storefront.address);
    storefront.terminate();
    assert_eq!((used.rest(), unused.rest()), (String::new(), String::new()));
    assert_eq!(storefront.wait().code(), Some(0));
}

#[test]
fn a_connection_that_was_only_just_made_is_still_served() {
    let mut storefront = Storefront::start(&[]);
    let mut connection = Connection::open(storefront.address);
    storefront.terminate();
    storefront.wait_for_line("draining");
    connection.request("GET", "/version");
    let answer = connection.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!(storefront.wait().code(), Some(0));
}

#[test]
fn during_the_delay_it_is_not_ready_but_answers_and_asks_to_reconnect() {
    let storefront = Storefront::start(&[("STOREFRONT_DRAIN_DELAY", "1h")]);
    storefront.terminate();
    storefront.wait_for_line("draining");
    let ready = get(storefront.address, "/ready");
    assert_eq!((ready.status, &ready.json()["draining"]), (503, &true.into()));
    assert_eq!(ready.header("connection"), Some("close"));
    assert_eq!(get(storefront.address, "/health").status, 200);
}

#[test]
fn after_the_delay_it_ends() {
    let mut storefront = Storefront::start(&[("STOREFRONT_DRAIN_DELAY", "10ms")]);
    storefront.terminate();
    assert_eq!(storefront.wait().code(), Some(0));
}

#[test]
fn a_drain_that_takes_too_long_is_cut_and_says_so() {
    let mut storefront = Storefront::start(&[("STOREFRONT_DRAIN_TIMEOUT", "10ms")]);
    let mut upload = Connection::open(storefront.address);
    upload.send("POST /echo HTTP/1.1\r\nhost: storefront\r\ncontent-length: 10\r\n\r\nfirst");
    assert_eq!(upload.head().status, 200);
    storefront.terminate();
    assert_eq!(storefront.wait().code(), Some(1));
    storefront.wait_for_line("1 connections cut");
}
