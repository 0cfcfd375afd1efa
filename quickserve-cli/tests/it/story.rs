//! A service's life: deployed, replaced, failed, taken back, removed.

use crate::support::{Shop, docker, snapshot};

#[test]
fn a_service_is_deployed_replaced_rolled_back_and_removed() {
    let shop = Shop::with_images(&["1", "2"]);
    let (one, two) = (shop.image("1"), shop.image("2"));

    snapshot("story_01_plan", &shop.run(&["plan", "--image", &one]));
    snapshot("story_02_first", &shop.run(&["deploy", "--image", &one]));
    assert_eq!(shop.version(), "1");
    snapshot("story_03_second", &shop.run(&["deploy", "--image", &two]));
    assert_eq!(shop.version(), "2");
    snapshot("story_04_same", &shop.run(&["deploy", "--image", &two]));
    snapshot("story_05_status", &shop.run(&["status"]));
    snapshot("story_06_logs", &shop.run(&["logs", "-n", "1"]));
    snapshot("story_07_rollback", &shop.run(&["rollback"]));
    assert_eq!(shop.version(), "1");
    snapshot("story_08_condemned", &shop.run(&["deploy", "--image", &two]));
    snapshot("story_09_retry", &shop.run(&["deploy", "--image", &two, "--retry", "--quiet"]));
    assert_eq!(shop.version(), "2");
    snapshot("story_10_rollback_to", &shop.run(&["rollback", "--to", "1"]));
    snapshot("story_11_history", &shop.run(&["history"]));
    snapshot("story_12_router_in_use", &shop.run(&["router", "stop"]));
    snapshot("story_13_down", &shop.run(&["down"]));
    let filter = format!("label=dev.quickserve.service={}", shop.service);
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &filter]), "");
    snapshot("story_14_down_again", &shop.run(&["down"]));
    snapshot("story_15_status_after", &shop.run(&["status"]));
    snapshot("story_16_router_after", &shop.run(&["router", "status"]));
}

#[test]
fn a_release_that_never_gets_healthy_is_taken_back_and_not_tried_again() {
    let shop = Shop::with_images(&["1", "2"]);
    let (one, two) = (shop.image("1"), shop.image("2"));
    shop.configure("variables = { STOREFRONT_FAIL_NEVER_HEALTHY = \"1\" }");
    snapshot("failed_first", &shop.run(&["deploy", "--image", &one]));
    shop.configure("");
    assert_eq!(shop.run(&["deploy", "--image", &one]).code, 0);

    shop.configure("variables = { STOREFRONT_FAIL_NEVER_HEALTHY = \"1\" }");
    snapshot("failed_second", &shop.run(&["deploy", "--image", &two]));
    assert_eq!(shop.version(), "1");
    snapshot("failed_repeated", &shop.run(&["deploy", "--image", &two]));
}

#[test]
fn a_release_that_crashes_while_it_bakes_is_taken_back() {
    let shop = Shop::with_images(&["1", "2"]);
    assert_eq!(shop.run(&["deploy", "--image", &shop.image("1")]).code, 0);
    shop.configure("variables = { STOREFRONT_FAIL_CRASH_AFTER = \"700ms\" }");
    let path = shop.path().join("quickserve.toml");
    let text = std::fs::read_to_string(&path).expect("the file").replace("300ms", "30s");
    shop.write("quickserve.toml", &text);
    snapshot("failed_bake", &shop.run(&["deploy", "--image", &shop.image("2")]));
    assert_eq!(shop.version(), "1");
}

#[test]
fn every_strategy_replaces_a_release() {
    let shop = Shop::with_images(&["1", "2", "3"]);
    for (version, strategy) in [("1", "recreate"), ("2", "rolling"), ("3", "recreate")] {
        let ran = shop.run(&["deploy", "--image", &shop.image(version), "--strategy", strategy]);
        assert_eq!(ran.code, 0, "{strategy}: {}", ran.stderr);
        assert_eq!(shop.version(), version);
    }
}

#[test]
fn an_ecs_task_definition_is_deployed_with_secrets_of_the_env_file() {
    let shop = Shop::with_images(&["1"]);
    let definition = r#"{
  "family": "shop",
  "containerDefinitions": [{
    "name": "app",
    "image": "${SHOP_IMAGE}",
    "portMappings": [{ "containerPort": 3000 }],
    "secrets": [
      { "name": "DATABASE_URL", "valueFrom": "arn:aws:secretsmanager:us-east-1:1:secret:db" },
      { "name": "STRIPE_API_KEY", "valueFrom": "arn:aws:secretsmanager:us-east-1:1:secret:stripe" }
    ]
  }]
}"#;
    shop.write("task.json", definition);
    let text = format!(
        "service = \"{}\"\ntask_definition = \"task.json\"\nenv_contract = \".env.example\"\n\
         health_check = \"/health\"\n[deploy]\nbake_time = \"300ms\"\n[environments.local]\npublic_port = {}\n\
         env_file = \".env\"\n",
        shop.service, shop.port
    );
    shop.write("quickserve.toml", &text);
    snapshot("definition_placeholder", &shop.run(&["deploy"]));
    let image = shop.image("1");
    snapshot("definition_deployed", &shop.run_with(&[("SHOP_IMAGE", &image)], &["deploy"]));
    assert_eq!(shop.version(), "1");
    shop.write(".env", "DATABASE_URL=x\n");
    snapshot("definition_secret_missing", &shop.run_with(&[("SHOP_IMAGE", &image)], &["deploy"]));
}
