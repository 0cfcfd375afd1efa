//! Two services behind one port.

use crate::support::Shop;

/// Two services of one folder: the second has the requests for `/version`.
fn two(shop: &Shop, second_path: &str) -> String {
    let (service, port) = (&shop.service, shop.port);
    shop.write(
        "quickserve.toml",
        &format!(
            r#"port = 3000
health_check = {{ path = "/health", grace = "2s" }}
env_contract = ".env.example"

[services.{service}]
route = {{ hosts = ["shop.test", "*.shop.test"] }}
smoke = [{{ path = "/health" }}]

[services.{service}-api]
route = {{ hosts = ["shop.test"], path = "{second_path}" }}
smoke = [{{ path = "{second_path}" }}]

[deploy]
bake_time = "300ms"

[environments.local]
public_port = {port}
env_file = ".env"
"#
        ),
    );
    format!("{service}-api")
}

#[test]
fn two_services_share_a_port_by_host_and_path() {
    let shop = Shop::with_images(&["1", "2"]);
    let api = two(&shop, "/version");
    let (one, two_image) = (shop.image("1"), shop.image("2"));
    let first = ["--service", &shop.service];
    let second = ["--service", api.as_str()];
    let deployed = shop.ends(0, &[&["deploy", "--image", &one][..], &first].concat());
    assert!(deployed.stderr.contains("for shop.test, *.shop.test"), "{deployed}");
    let version = |host: &str| {
        let (status, body) = shop.get_of(host, "/version").expect("an answer");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        (status, body["version"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(version("shop.test"), (200, "1".to_owned()));
    shop.ends(0, &[&["deploy", "--image", &two_image][..], &second].concat());
    assert_eq!(version("shop.test"), (200, "2".to_owned()));
    assert_eq!(version("eu.shop.test"), (200, "1".to_owned()));
    assert_eq!(version("other.test").0, 404);
    assert_eq!(shop.get_of("shop.test", "/health").expect("an answer").0, 200);

    let status = shop.ends(0, &[&["status"][..], &second].concat());
    assert!(status.stdout.contains("for shop.test/version"), "{status}");
    let status = shop.ends(0, &[&["status", "--format", "json"][..], &second].concat()).json();
    assert_eq!(status["route"], serde_json::json!({ "hosts": ["shop.test"], "path": "/version" }));
    let router = shop.ends(0, &["router", "status"]);
    assert!(router.stdout.contains("for shop.test, *.shop.test"), "{router}");

    // The other one does not notice.
    shop.ends(0, &[&["down"][..], &second].concat());
    assert_eq!(version("shop.test"), (200, "1".to_owned()));
    shop.ends(0, &[&["down"][..], &first].concat());
    assert!(shop.get_of("shop.test", "/health").is_err());
}

#[test]
fn what_cannot_be_told_apart_is_refused_before_anything_changes() {
    let (shop, other) = (Shop::with_images(&["1"]), Shop::with_images(&[]));
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    let mut command = other.command(&["deploy", "--image", &shop.image("1")]);
    command.env("QUICKSERVE_STATE_DIR", shop.state());
    let text = std::fs::read_to_string(other.path().join("quickserve.toml")).expect("the file");
    other.write("quickserve.toml", &text.replace(&other.port.to_string(), &shop.port.to_string()));
    let refused = command.output().expect("a run");
    let said =
        String::from_utf8_lossy(&refused.stdout).into_owned() + &String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains(&format!("service {}/local of this machine's router", shop.service)), "{said}");
    assert!(said.contains("or give each service there a [route] of its own"), "{said}");
}
