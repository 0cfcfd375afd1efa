//! What each route answers.

use crate::http::{Connection, ask, get};
use crate::process::Storefront;

#[test]
fn the_page_shows_the_version() {
    let storefront = Storefront::start(&[("IMAGE_TAG", "1.8.2"), ("QUICKSERVE_RELEASE", "r-7c41e9")]);
    let page = get(storefront.address, "/");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("version 1.8.2, release r-7c41e9"), "{}", page.body);
}

#[test]
fn version_tells_who_answers() {
    let storefront = Storefront::start(&[("IMAGE_TAG", "1.8.2"), ("HOSTNAME", "4f1d")]);
    let version = get(storefront.address, "/version").json();
    let expected =
        serde_json::json!({ "version": "1.8.2", "release": "unknown", "hostname": "4f1d", "task": null });
    assert_eq!(version, expected);
}

#[test]
fn slow_answers_after_as_long_as_it_is_asked() {
    let storefront = Storefront::start(&[]);
    assert_eq!(get(storefront.address, "/slow?ms=5").body, "answered after 5 ms\n");
    assert_eq!(get(storefront.address, "/slow?ms=soon").status, 400);
}

#[test]
fn echo_streams_the_body_back_while_it_arrives() {
    let storefront = Storefront::start(&[]);
    let mut connection = Connection::open(storefront.address);
    connection.send(
        "POST /echo HTTP/1.1\r\nhost: storefront\r\ncontent-type: text/x\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    connection.send("5\r\nfirst\r\n");
    let head = connection.head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/x")));
    assert_eq!([connection.line(), connection.line()], ["5", "first"]);
    connection.send("4\r\nlast\r\n0\r\n\r\n");
    assert_eq!([connection.line(), connection.line()], ["4", "last"]);
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let storefront = Storefront::start(&[]);
    let mut connection = Connection::open(storefront.address);
    for _ in 0..3 {
        connection.request("GET", "/version");
        assert_eq!(connection.answer().status, 200);
    }
}

#[test]
fn what_is_not_there_and_what_is_not_allowed_are_told_apart() {
    let storefront = Storefront::start(&[]);
    assert_eq!(get(storefront.address, "/nothing").status, 404);
    let refused = ask(storefront.address, "DELETE", "/version");
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    let refused = get(storefront.address, "/echo");
    assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")));
    assert_eq!(get(storefront.address, "/ws").status, 400);
}
