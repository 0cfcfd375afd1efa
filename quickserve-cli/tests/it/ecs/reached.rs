//! What only quickserve.toml knows of a service on ECS, and what only ECS knows.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use super::cloud::Cloud;
use super::{serving, status};

/// Answers every request at once, and tells its first line.
fn answering() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (asked, lines) = channel();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or_default();
            let text = String::from_utf8_lossy(&request[..read]).into_owned();
            drop(asked.send(text.lines().next().unwrap_or_default().to_owned()));
            let body = r#"{"status": "OK"}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    (port, lines)
}

#[test]
fn smoke_checks_ask_where_quickserve_toml_says_and_take_back_what_answers_otherwise() {
    let mut cloud = Cloud::open();
    let image = cloud.push("1");
    let ports = r#" "portMappings": [{"containerPort": 3000, "hostPort": 0}],"#;
    cloud.define("shop/stripe-key", ports);
    let (port, asked) = answering();
    let smoke = |status: u16, reached: &str| {
        let top = format!(
            "task_definition = \"task.json\"\n[[smoke]]\npath = \"/health\"\nexpect = {{ status = {status} }}"
        );
        cloud.settle(&top, reached);
    };
    smoke(200, "");
    let unasked = cloud.ends(0, &["deploy", "--image", &image]);
    assert!(unasked.stderr.contains("write public_url ="), "{unasked}");
    assert!(asked.try_recv().is_err());

    let reached = format!("public_url = \"http://127.0.0.1:{port}/eu\"");
    smoke(200, &reached);
    cloud.define("shop/stripe-key", &format!("{ports} \"stopTimeout\": 5,"));
    let deployed = cloud.ends(0, &["deploy", "--image", &image]);
    assert!(deployed.stderr.contains(&format!("1/1 at http://127.0.0.1:{port}/eu")), "{deployed}");
    assert_eq!(asked.recv().expect("asked"), "GET /eu/health HTTP/1.1");
    let before = serving(&status(&cloud));
    assert_eq!(status(&cloud)["public"], format!("http://127.0.0.1:{port}/eu"));

    smoke(204, &reached);
    cloud.define("shop/stripe-key", &format!("{ports} \"stopTimeout\": 6,"));
    let refused = cloud.ends(4, &["deploy", "--image", &image]);
    assert!(refused.stderr.contains("answered 200, expected 204"), "{refused}");
    assert_eq!(serving(&status(&cloud)), before);
}

#[test]
fn the_live_definition_is_what_a_release_is_made_from() {
    let mut cloud = Cloud::open();
    let (one, two) = (cloud.push("1"), cloud.push("2"));
    cloud.settle("task_definition = \"live\"", "");
    let none = cloud.ends(2, &["deploy", "--image", &one]);
    assert!(none.stderr.contains("name a file for the first deployment"), "{none}");

    cloud.settle("task_definition = \"task.json\"", "");
    cloud.define("shop/stripe-key", r#" "stopTimeout": 7,"#);
    cloud.ends(0, &["deploy", "--image", &one]);
    cloud.settle("task_definition = \"live\"", "");
    // What the file says does not count any more.
    cloud.define("shop/stripe-key", r#" "stopTimeout": 8,"#);
    cloud.ends(0, &["check", "--image", &two]);
    cloud.ends(0, &["deploy", "--image", &two]);
    let live = cloud.live();
    let container = &live["containerDefinitions"][0];
    assert_eq!(container["stopTimeout"], 7, "{live:#}");
    assert!(
        container["image"].as_str().is_some_and(|image| image.starts_with(&format!("{two}@"))),
        "{live:#}"
    );
    assert_eq!(status(&cloud)["consistent"], true);
}

#[test]
fn every_environment_is_shown_and_one_that_cannot_be_looked_at_hides_no_other() {
    let mut cloud = Cloud::open();
    let image = cloud.push("1");
    cloud.ends(0, &["deploy", "--image", &image]);
    let (release, _) = serving(&status(&cloud));
    let all = cloud.ends(0, &["status", "--all", "--format", "json"]).json();
    let shown = all.as_array().expect("a list");
    assert!(shown.iter().any(|one| one["serving"][0]["release"] == release), "{all:#}");
    let elsewhere = "[environments.staging]\nplatform = \"ecs\"\nregion = \"us-east-1\"\ncluster = \"gone\"\n\
                     ecs_service = \"gone\"\njournal = \"local\"";
    cloud.settle(&format!("task_definition = \"task.json\"\n{elsewhere}"), "");
    let all = cloud.ends(2, &["status", "--all"]);
    assert!(all.stdout.contains("production") && all.stdout.contains("verified"), "{all}");
    assert!(all.stderr.contains("staging: ecs:DescribeServices: ClusterNotFoundException"), "{all}");
}
