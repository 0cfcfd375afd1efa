//! Where and how a service is reached: what quickserve.toml asks for, what is in effect, and what moves it.

use serde_json::Value;

use crate::support::{Shop, docker, free_port};

/// Ids of the service's tasks.
fn tasks(shop: &Shop) -> String {
    docker(&["ps", "--quiet", "--filter", &format!("label=dev.quickserve.service={}", shop.service)])
}

#[test]
fn a_deployment_of_what_serves_moves_the_port_and_says_so() {
    let mut shop = Shop::with_images(&["1"]);
    let image = shop.image("1");
    shop.ends(0, &["deploy", "--image", &image]);
    let (old, new, before) = (shop.port, free_port(), tasks(&shop));
    shop.port = new;
    shop.configure("");
    let moves = format!("public port {old} -> {new}");

    let status = shop.ends(0, &["status"]);
    let caution = format!("quickserve.toml asks for {moves}: quickserve deploy brings it");
    assert!(status.stdout.contains(&caution), "{status}");
    assert!(status.stdout.contains(&format!("http://127.0.0.1:{old}")), "{status}");
    assert!(!status.stdout.contains("quickserve resume"), "it would not bring it: {status}");
    let json = shop.ends(0, &["status", "--format", "json"]).json();
    assert_eq!((&json["consistent"], &json["amiss"]), (&true.into(), &serde_json::json!([])), "{json}");

    let plan = shop.ends(0, &["plan", "--image", &image]);
    assert!(plan.stdout.contains(&format!("change   {moves}")), "{plan}");
    assert!(plan.stdout.contains("shift traffic"), "{plan}");
    assert_eq!(shop.version(), "nothing", "a plan moves nothing");

    let moved = shop.ends(0, &["deploy", "--image", &image]);
    assert!(moved.stderr.contains(&format!("change   {moves}")), "{moved}");
    assert!(moved.stderr.contains(&format!("url      http://127.0.0.1:{new}")), "{moved}");
    assert!(!moved.stderr.contains("undo "), "rollback would not move it back: {moved}");
    assert_eq!((shop.version().as_str(), tasks(&shop)), ("1", before), "no task is replaced");
    let same = shop.ends(0, &["deploy", "--image", &image]);
    assert!(same.stderr.contains("serves already; nothing was changed"), "{same}");
    shop.port = old;
    assert_eq!(shop.version(), "nothing");
    shop.port = new;
}

#[test]
fn settings_of_the_router_are_brought_by_a_deployment_of_what_serves() {
    let shop = Shop::with_images(&["1"]);
    let image = shop.image("1");
    shop.ends(0, &["deploy", "--image", &image]);
    shop.configure("router = { access_log = true, idle_timeout = \"20s\" }");
    let status = shop.ends(0, &["status"]);
    assert!(status.stdout.contains("asks for router access_log, idle_timeout"), "{status}");
    let plan = shop.ends(0, &["plan", "--image", &image, "--format", "json"]).json();
    assert_eq!(plan["change"]["router"], serde_json::json!(["access_log", "idle_timeout"]), "{plan}");
    let done = shop.ends(0, &["deploy", "--image", &image]);
    assert!(done.stderr.contains("change   router access_log, idle_timeout"), "{done}");
    let router: Value = shop.ends(0, &["router", "status", "--format", "json"]).json();
    let options = &router["status"]["services"][0]["asked"]["options"];
    assert_eq!(options["access_log"], true, "{router}");
    let status = shop.ends(0, &["status"]);
    assert!(!status.stdout.contains("asks for"), "{status}");
}

#[test]
fn what_moves_with_another_command_is_said() {
    let mut shop = Shop::with_images(&["1", "2"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    shop.ends(0, &["deploy", "--image", &shop.image("2")]);
    let said = "it is reached otherwise now, as quickserve.toml asks: public port";
    let mut at = shop.port;
    for command in [&["rollback"][..], &["scale", "2"], &["restart"]] {
        let new = free_port();
        shop.port = new;
        shop.configure("");
        let ran = shop.ends(0, command);
        assert!(ran.stderr.contains(&format!("{said} {at} -> {new}")), "{ran}");
        assert_eq!(shop.version(), "1", "{ran}");
        at = new;
    }
    // Nothing is scaled, so nothing moves.
    let new = free_port();
    shop.port = new;
    shop.configure("");
    let same = shop.ends(0, &["scale", "2"]);
    let caution = format!("quickserve.toml asks for public port {at} -> {new}: quickserve deploy brings it");
    assert!(same.stderr.contains(&caution), "{same}");
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    assert_eq!(shop.version(), "1");
}
