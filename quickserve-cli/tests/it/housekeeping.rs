//! What is kept of old releases on a real engine, and what goes.

use std::collections::BTreeMap;

use quickserve_tests::Settings;
use serde_json::Value;

use crate::support::{Shop, docker, snapshot};

/// The tags that keep images for the service, and whatever else is in their repository.
fn pinned(shop: &Shop) -> Vec<String> {
    let repository = format!("quickserve/{}.local", shop.service);
    let tags = docker(&["image", "ls", "--format", "{{.Tag}}", &repository]);
    tags.lines().map(str::to_owned).collect()
}

/// The secret that the only task has.
fn secret(shop: &Shop) -> String {
    let label = format!("label=dev.quickserve.service={}", shop.service);
    let container = docker(&["ps", "--quiet", "--filter", &label]);
    let variables = docker(&["inspect", "--format", "{{range .Config.Env}}{{println .}}{{end}}", &container]);
    let value = variables.lines().find_map(|line| line.strip_prefix("STRIPE_API_KEY="));
    value.expect("the variable").to_owned()
}

/// Whether history says that each version may be gone back to.
fn kept(shop: &Shop) -> BTreeMap<String, bool> {
    let ran = shop.run(&["history", "--format", "json"]);
    let entries: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran}"));
    let version = |entry: &Value| entry["version"].as_str().expect("a version").to_owned();
    entries.iter().map(|entry| (version(entry), entry["kept"].as_bool().expect("a fact"))).collect()
}

#[test]
fn of_seven_deployments_three_are_kept_and_a_rollback_reaches_each_with_its_secrets() {
    let versions = ["1", "2", "3", "4", "5", "6", "7"];
    let mut shop = Shop::with_images(&versions);
    let deploy = "bake_time = \"300ms\"\nkeep_releases = 3";
    shop.settle(Settings { deploy, ..Settings::default() });
    let mine = format!("quickserve/{}.local:mine", shop.service);
    shop.tag("1", &mine);
    let second = docker(&["image", "inspect", "--format", "{{.Id}}", &shop.image("2")]);
    for version in versions {
        let database = "postgresql://u:s3cret-value@db/shop";
        shop.write(".env", &format!("DATABASE_URL={database}\nSTRIPE_API_KEY=s3cret-value-{version}\n"));
        let ran = shop.run(&["deploy", "--image", &shop.image(version)]);
        assert_eq!(ran.code, 0, "{ran}");
        docker(&["image", "rm", &shop.image(version)]);
    }
    assert_eq!(shop.version(), "7");
    let tags = pinned(&shop);
    assert_eq!(tags.len(), 4, "{tags:?}");
    assert!(tags.contains(&"mine".to_owned()), "what somebody else tagged survives: {tags:?}");
    let ids = docker(&["image", "ls", "--all", "--quiet", "--no-trunc"]);
    assert!(!ids.contains(&second), "nothing keeps the image of version 2");
    let values = shop.state().join(format!("secrets/{}.local/values", shop.service));
    assert_eq!(
        std::fs::read_dir(values).expect("the folder").count(),
        4,
        "three values of one name, one of the other"
    );

    snapshot("kept_status", &shop.run(&["status"]));
    snapshot("kept_history", &shop.run(&["history"]));
    let expected = versions.map(|version| (version.to_owned(), ["5", "6", "7"].contains(&version)));
    assert_eq!(kept(&shop), BTreeMap::from(expected));
    let status = shop.run(&["status", "--format", "json"]);
    let disk = &status.json_lines()[0]["disk"];
    assert_eq!((disk["secrets"]["count"].as_u64(), disk["images"]["count"].as_u64()), (Some(4), Some(3)));

    snapshot("kept_rollback_to_gone", &shop.run(&["rollback", "--to", "4"]));
    assert_eq!(shop.version(), "7");
    for (line, version) in [("rollback", "6"), ("rollback", "5"), ("rollback --to 7", "7")] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let ran = shop.run(&arguments);
        assert_eq!(ran.code, 0, "{ran}");
        assert_eq!((shop.version(), secret(&shop)), (version.to_owned(), format!("s3cret-value-{version}")));
        assert_eq!(pinned(&shop).len(), 4);
    }
}
