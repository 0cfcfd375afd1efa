//! Deployments that cannot work: all reasons at once, and nothing has changed.

use std::net::TcpListener;

use crate::support::{Shop, docker, snapshot};

/// Containers, networks and routers that exist for the service.
fn untouched(shop: &Shop) {
    let filter = format!("label=dev.quickserve.service={}", shop.service);
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &filter]), "");
    assert!(!shop.state().join("router").exists(), "no router was started");
}

#[test]
fn an_image_that_is_not_there_is_named_with_those_that_are() {
    let shop = Shop::with_images(&["1"]);
    snapshot("image_not_found", &shop.run(&["deploy", "--image", &shop.image("9")]));
    untouched(&shop);
}

#[test]
fn a_port_that_a_process_holds_names_it() {
    let shop = Shop::with_images(&["1"]);
    let _listener = TcpListener::bind(("127.0.0.1", shop.port)).expect("the port");
    snapshot("port_held_by_process", &shop.run(&["deploy", "--image", &shop.image("1")]));
    untouched(&shop);
}

#[test]
fn a_port_that_a_container_holds_names_it() {
    let shop = Shop::with_images(&["1"]);
    let name = format!("{}-holder", shop.service);
    let port = format!("127.0.0.1:{}:3000", shop.port);
    docker(&[
        "run",
        "--detach",
        "--name",
        &name,
        "--publish",
        &port,
        "--env",
        "DATABASE_URL=x",
        "--env",
        "STRIPE_API_KEY=x",
        &shop.image("1"),
    ]);
    let ran = shop.run(&["deploy", "--image", &shop.image("1")]);
    docker(&["rm", "--force", &name]);
    snapshot("port_held_by_container", &ran);
    untouched(&shop);
}

#[test]
fn a_router_that_cannot_start_refuses_at_once_with_its_last_words() {
    let shop = Shop::with_images(&["1"]);
    let state = shop.state().join("router");
    std::fs::create_dir_all(&state).expect("a folder");
    std::fs::write(state.join("router.json"), "garbage").expect("a file");
    snapshot("router_cannot_start", &shop.run(&["deploy", "--image", &shop.image("1")]));
    let filter = format!("label=dev.quickserve.service={}", shop.service);
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &filter]), "");
    std::fs::remove_file(state.join("router.json")).expect("removed");
}

#[test]
fn all_reasons_are_told_at_once() {
    let shop = Shop::with_images(&["1"]);
    shop.write(".env", "DATABASE_URL=\nSTRIPE_API_KYE=x\n");
    let _listener = TcpListener::bind(("127.0.0.1", shop.port)).expect("the port");
    snapshot("everything_at_once", &shop.run(&["deploy", "--image", &shop.image("2")]));
    let github = shop.run(&["deploy", "--image", &shop.image("1"), "--format", "github"]);
    snapshot("annotations", &github);
    untouched(&shop);
}

#[test]
fn a_missing_file_of_secrets_says_where_to_begin() {
    let shop = Shop::with_images(&["1"]);
    std::fs::remove_file(shop.path().join(".env")).expect("removed");
    snapshot("env_file_missing", &shop.run(&["deploy", "--image", &shop.image("1")]));
    // A missing contract is one reason among others.
    std::fs::remove_file(shop.path().join(".env.example")).expect("removed");
    snapshot("contract_missing", &shop.run(&["deploy", "--image", &shop.image("9")]));
    shop.write(".env.example", "DATABASE_URL=\n");
    shop.write(".env", "DATABASE_URL=x\nthis is s3cret-value\n");
    snapshot("env_file_broken", &shop.run(&["deploy", "--image", &shop.image("1")]));
    untouched(&shop);
}

#[test]
fn a_contract_that_lies_there_unused_is_told_of() {
    let shop = Shop::with_images(&["1"]);
    let told = |shop: &Shop| shop.run(&["plan", "--image", &shop.image("1")]).stderr;
    assert_eq!(told(&shop), "");
    let text = std::fs::read_to_string(shop.path().join("quickserve.toml")).expect("the file");
    shop.write("quickserve.toml", &text.replace("env_contract = \".env.example\"\n", ""));
    let remark =
        "note     env_contract = \".env.example\" in quickserve.toml holds deployments to .env.example\n";
    assert_eq!(told(&shop), remark);
    untouched(&shop);
}

#[test]
fn there_is_nothing_to_go_back_to_before_a_first_deployment() {
    let shop = Shop::with_images(&["1"]);
    snapshot("rollback_nothing", &shop.run(&["rollback"]));
    snapshot("rollback_unknown", &shop.run(&["rollback", "--to", "r-banana"]));
    snapshot("resume_nothing", &shop.run(&["resume"]));
    snapshot("abort_nothing", &shop.run(&["abort"]));
    snapshot("status_nothing", &shop.run(&["status"]));
    untouched(&shop);
}
