//! On ECS the service knows its task.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::http::get;
use crate::process::Storefront;

#[test]
fn the_task_id_comes_from_the_metadata_endpoint() {
    let endpoint = TcpListener::bind("127.0.0.1:0").expect("an endpoint");
    let uri = format!("http://{}/v4/abc", endpoint.local_addr().expect("an address"));
    let asked = thread::spawn(move || {
        let (mut stream, _) = endpoint.accept().expect("a question");
        let mut question = Vec::new();
        while !question.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a request");
            question.extend(byte);
        }
        let body = r#"{"TaskARN":"arn:aws:ecs:us-east-1:123456789012:task/shop/0f9d"}"#;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).expect("an answer");
        String::from_utf8(question).expect("text")
    });
    let storefront = Storefront::start(&[("ECS_CONTAINER_METADATA_URI_V4", &uri)]);
    assert!(asked.join().expect("asked").starts_with("GET /v4/abc/task HTTP/1.1\r\n"));
    assert_eq!(get(storefront.address, "/version").json()["task"], "0f9d");
}

#[test]
fn a_metadata_endpoint_that_is_not_there_does_not_keep_it_from_starting() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}/v4/abc", listener.local_addr().expect("an address"))
    };
    let storefront = Storefront::start(&[("ECS_CONTAINER_METADATA_URI_V4", &nobody)]);
    assert!(get(storefront.address, "/version").json()["task"].is_null());
}
