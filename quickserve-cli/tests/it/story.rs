//! A service's life: deployed, replaced, failed, taken back, removed.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::Value;

use crate::support::{Shop, build, docker, free_port, snapshot};

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
    let plan = shop.run(&["plan", "--image", &two]);
    assert!(plan.stdout.contains("steps    none: it serves already"), "{plan}");
    snapshot("story_05_status", &shop.run(&["status"]));
    snapshot("story_06_logs", &shop.run(&["logs", "-n", "1"]));
    snapshot("story_07_rollback", &shop.run(&["rollback"]));
    assert_eq!(shop.version(), "1");
    snapshot("story_08_condemned", &shop.run(&["deploy", "--image", &two]));
    snapshot("story_08_condemned_plan", &shop.run(&["plan", "--image", &two]));
    shop.ends(0, &["plan", "--image", &two, "--retry"]);
    snapshot("story_09_retry", &shop.run(&["deploy", "--image", &two, "--retry", "--quiet"]));
    assert_eq!(shop.version(), "2");
    snapshot("story_10_rollback_to", &shop.run(&["rollback", "--to", "1"]));
    snapshot("story_11_history", &shop.run(&["history"]));
    let none = shop.run(&["history", "-n", "0"]);
    assert!(none.stdout.starts_with("DEPLOYMENT") && none.stderr.is_empty(), "{none}");
    assert_eq!(shop.run(&["history", "-n", "0", "--format", "json"]).stdout.trim(), "[]");
    let text = std::fs::read_to_string(shop.path().join("quickserve.toml")).expect("the file");
    shop.write("quickserve.toml", &text.replace("[deploy]", "[deploy]\ntasks = 2"));
    let plan = shop.run(&["plan", "--image", &one]);
    assert!(plan.stdout.contains("change   tasks 1 -> 2"), "{plan}");
    shop.configure("");
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
    shop.ends(0, &["deploy", "--image", &one]);

    shop.configure("variables = { STOREFRONT_FAIL_NEVER_HEALTHY = \"1\" }");
    snapshot("failed_second", &shop.run(&["deploy", "--image", &two]));
    assert_eq!(shop.version(), "1");
    snapshot("failed_repeated", &shop.run(&["deploy", "--image", &two]));
}

#[test]
fn a_release_that_crashes_while_it_bakes_is_taken_back() {
    let shop = Shop::with_images(&["1", "2"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    // Long after the bake has begun, on a busy machine too.
    shop.configure("variables = { STOREFRONT_FAIL_CRASH_AFTER = \"6s\" }");
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

#[test]
fn a_port_moves_with_the_release_and_back_with_it() {
    let mut shop = Shop::with_images(&["1", "2"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    let (old, new) = (shop.port, free_port());
    shop.port = new;
    // What is taken back takes the port back, also after it has served there.
    shop.configure("variables = { STOREFRONT_FAIL_CRASH_AFTER = \"3s\" }");
    let text = std::fs::read_to_string(shop.path().join("quickserve.toml")).expect("the file");
    shop.write("quickserve.toml", &text.replace("300ms", "30s"));
    shop.ends(4, &["deploy", "--image", &shop.image("2")]);
    assert_eq!(shop.version(), "nothing");
    shop.port = old;
    assert_eq!(shop.version(), "1");
    shop.port = new;
    shop.configure("");
    let plan = shop.run(&["plan", "--image", &shop.image("2"), "--retry"]);
    assert!(plan.stdout.contains(&format!("public port {old} -> {new}")), "{plan}");
    shop.ends(0, &["deploy", "--image", &shop.image("2")]);
    assert_eq!(shop.version(), "2");
    shop.port = old;
    assert_eq!(shop.version(), "nothing");
    shop.port = new;
}

#[test]
fn what_the_router_speaks_moves_with_the_release_and_back_with_it() {
    let shop = Shop::with_images(&["1", "2"]);
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    // Storefront speaks no HTTP/2, and this one does not live to be asked for a certificate.
    let crashes = "variables = { STOREFRONT_FAIL_CRASH_AFTER = \"3s\" }";
    for (top, more) in [("", "upstream = \"h2c\""), (crashes, "tls = \"local\"")] {
        shop.configure(top);
        let text = std::fs::read_to_string(shop.path().join("quickserve.toml")).expect("the file");
        shop.write("quickserve.toml", &format!("{}{more}\n", text.replace("300ms", "30s")));
        let (done, failed) = (AtomicBool::new(false), AtomicU32::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let seen = shop.get("/version");
                    let well = seen.as_ref().is_ok_and(|(status, _)| *status == 200);
                    // Once the new release serves, only TLS is spoken.
                    failed.fetch_add(u32::from(!well && top.is_empty()), Ordering::Relaxed);
                }
            });
            let ran = shop.run(&["deploy", "--image", &shop.image("2")]);
            done.store(true, Ordering::Relaxed);
            assert_eq!(ran.code, 4, "{more}: {ran}");
        });
        assert_eq!((shop.version().as_str(), failed.into_inner()), ("1", 0), "{more}");
    }
}

#[test]
fn a_release_comes_back_although_the_certificate_of_before_is_gone() {
    let shop = Shop::with_images(&["1", "2"]);
    let certificate = |name: &str| {
        let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
        let made = Command::new("openssl")
            .current_dir(shop.path())
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-subj", "/CN=localhost", "-days", "2", "-keyout", &key, "-out", &pem])
            .output()
            .expect("openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        format!("tls = {{ certificate = \"{pem}\", key = \"{key}\" }}\n")
    };
    let settle = |top: &str, more: &str| {
        shop.configure(top);
        let text = std::fs::read_to_string(shop.path().join("quickserve.toml")).expect("the file");
        shop.write("quickserve.toml", &format!("{text}{more}"));
    };
    settle("", &certificate("old"));
    let first = shop.run(&["deploy", "--image", &shop.image("1")]);
    assert_eq!(first.code, 0, "{first}");
    let more = certificate("new");
    std::fs::remove_file(shop.path().join("old.pem")).expect("removed");
    settle("variables = { STOREFRONT_FAIL_CRASH_AFTER = \"3s\" }", &more);
    let text = std::fs::read_to_string(shop.path().join("quickserve.toml")).expect("the file");
    shop.write("quickserve.toml", &text.replace("300ms", "30s"));
    let ran = shop.run(&["deploy", "--image", &shop.image("2")]);
    assert_eq!(ran.code, 4, "{ran}");
    let status = shop.run(&["status", "--format", "json"]).json_lines().remove(0);
    assert_eq!(status["consistent"], true, "{status}");
}

#[test]
fn the_same_image_is_the_same_release_whatever_is_checked_out() {
    let shop = Shop::with_images(&["1"]);
    let git = |arguments: &[&str]| {
        let who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"];
        let done = Command::new("git").current_dir(shop.path()).args(who).args(arguments).output();
        assert!(done.expect("git").status.success(), "git {arguments:?}");
    };
    let planned = |image: &str| -> Value {
        let path = [("PATH", "/usr/local/bin:/usr/bin:/bin")];
        let ran = shop.run_with(&path, &["plan", "--image", image, "--format", "json"]);
        let plan: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran}"));
        plan["release"].clone()
    };
    git(&["init", "--quiet"]);
    git(&["commit", "--quiet", "--allow-empty", "--message", "one"]);
    let before = planned(&shop.image("1"));
    git(&["commit", "--quiet", "--allow-empty", "--message", "two"]);
    assert_eq!(planned(&shop.image("1")), before);
    assert_eq!(before["commit"], Value::Null);

    let labelled = shop.image("labelled");
    let dockerfile = format!("FROM {}\nLABEL org.opencontainers.image.revision=9f3c1ab2\n", shop.image("1"));
    let context = shop.path().join("labelled");
    std::fs::create_dir(&context).expect("a folder");
    std::fs::write(context.join("Dockerfile"), dockerfile).expect("a file");
    build(&labelled, &context);
    let release = planned(&labelled);
    docker(&["image", "rm", "--force", &labelled]);
    assert_eq!(release["commit"]["hash"], "9f3c1ab2");
}
