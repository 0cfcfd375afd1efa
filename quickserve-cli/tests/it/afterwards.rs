//! After the command has ended: what dies comes back, by itself and whole.

use std::process::{Child, Stdio};
use std::time::Duration;

use crate::support::{Shop, docker, snapshot};

/// Two containers of one task: the application, which holds the network, and one beside it.
fn pair(shop: &Shop, bake_time: &str) {
    let definition = r#"{
  "family": "shop",
  "containerDefinitions": [
    {
      "name": "app",
      "image": "unused",
      "portMappings": [{ "containerPort": 3000 }],
      "stopTimeout": 2,
      "environment": [{ "name": "DATABASE_URL", "value": "postgresql://u@db/shop" }, { "name": "STRIPE_API_KEY", "value": "x" }]
    },
    {
      "name": "side",
      "image": "unused",
      "stopTimeout": 2,
      "environment": [
        { "name": "DATABASE_URL", "value": "postgresql://u@db/shop" }, { "name": "STRIPE_API_KEY", "value": "x" },
        { "name": "PORT", "value": "3001" }
      ],
      "dependsOn": [{ "containerName": "app", "condition": "START" }]
    }
  ]
}"#;
    shop.write("task.json", definition);
    let text = format!(
        "service = \"{}\"\ntask_definition = \"task.json\"\nhealth_check = \"/health\"\n[deploy]\n\
         bake_time = \"{bake_time}\"\n[environments.local]\npublic_port = {}\n",
        shop.service, shop.port
    );
    shop.write("quickserve.toml", &text);
}

fn deployment<'a>(app: &'a str, side: &'a str) -> [&'a str; 5] {
    ["deploy", "--image", app, "--image", side]
}

/// The engine's names of the service's containers with this name in the workload.
fn named(shop: &Shop, container: &str) -> Vec<String> {
    let service = format!("label=dev.quickserve.service={}", shop.service);
    let container = format!("label=dev.quickserve.container={container}");
    let names = docker(&["ps", "-a", "--format", "{{.Names}}", "--filter", &service, "--filter", &container]);
    names.lines().map(str::to_owned).collect()
}

fn inspect(container: &str, format: &str) -> String {
    docker(&["inspect", "--format", format, container])
}

/// Waits for what must come by itself.
fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..300 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("never {what}");
}

#[test]
fn a_container_whose_network_went_is_restarted_while_no_command_runs() {
    let shop = Shop::with_images(&["1"]);
    pair(&shop, "300ms");
    let (app, side) = (format!("app={}", shop.image("1")), format!("side={}", shop.image("1")));
    let ran = shop.run(&deployment(&app, &side));
    assert_eq!(ran.code, 0, "{ran}");
    let kept =
        docker(&["image", "ls", "--format", "{{.Tag}}", &format!("quickserve/{}.local", shop.service)]);
    let keeps = |name: &str| kept.lines().any(|tag| tag.ends_with(name));
    assert!(keeps("-app") && keeps("-side"), "each container's image is kept: {kept}");
    let [app, side] = ["app", "side"].map(|name| named(&shop, name)[0].clone());
    let started = |container: &str| inspect(container, "{{.State.StartedAt}}");
    docker(&["restart", "--time", "0", &app]);
    until("restarted", || inspect(&side, "{{.State.Running}}") == "true" && started(&side) > started(&app));
    until("answering on the same port", || shop.version() == "1");
    until("agreed upon", || shop.run(&["status"]).stdout.contains("journal, router and engine agree"));
}

#[test]
fn after_a_reboot_only_the_promoted_release_comes_back_and_whole() {
    let shop = Shop::with_images(&["1", "2"]);
    pair(&shop, "300ms");
    let of =
        |version: &str| (format!("app={}", shop.image(version)), format!("side={}", shop.image(version)));
    let (app, side) = of("1");
    shop.ends(0, &deployment(&app, &side));
    let [promoted_app, promoted_side] = ["app", "side"].map(|name| named(&shop, name)[0].clone());

    // The machine goes down while another release proves itself.
    pair(&shop, "300s");
    let (app, side) = of("2");
    let mut deploying = shop.start(&deployment(&app, &side));
    until("serving while it bakes", || shop.version() == "2");
    deploying.kill().expect("a kill");
    deploying.wait().expect("an end");
    shop.ends(0, &["router", "stop", "--force"]);
    let all: Vec<String> = ["app", "side"].iter().flat_map(|name| named(&shop, name)).collect();
    let kill: Vec<&str> = ["kill"].into_iter().chain(all.iter().map(String::as_str)).collect();
    docker(&kill);

    // The engine starts what its restart policies say, in an order of its own, and the router comes up.
    let again: Vec<&String> =
        all.iter().filter(|one| inspect(one, "{{.HostConfig.RestartPolicy.Name}}") != "no").collect();
    assert_eq!(again.len(), 2, "{again:?} of {all:?}");
    let early = std::process::Command::new("docker").args(["start", &promoted_side]).output();
    assert!(!early.expect("docker").status.success(), "its network is not there yet");
    docker(&["start", &promoted_app]);
    let _router = Router(
        shop.command(&["router", "run"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a router"),
    );
    until("whole", || inspect(&promoted_side, "{{.State.Running}}") == "true");
    until("answering", || shop.version() == "1");
    let running = all.iter().filter(|one| inspect(one, "{{.State.Running}}") == "true").count();
    assert_eq!(running, 2, "what was staged stays down");
    snapshot("reboot_abort", &shop.run(&["abort", "--quiet"]));
    assert_eq!(named(&shop, "app"), [promoted_app]);
    assert_eq!(shop.version(), "1");
}

/// A router in the foreground; dropped, it ends.
struct Router(Child);

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_task_that_is_deaf_to_sigterm_delays_no_switch_and_is_told_of() {
    let shop = Shop::with_images(&["1", "2"]);
    shop.configure("stop_timeout = \"3s\"\nvariables = { STOREFRONT_FAIL_IGNORE_SIGTERM = \"1\" }");
    shop.ends(0, &["deploy", "--image", &shop.image("1")]);
    shop.configure("");
    let child = shop.start(&["deploy", "--image", &shop.image("2")]);
    until("switched", || shop.version() == "2");
    let old = docker(&["ps", "-q", "--filter", &format!("label=dev.quickserve.service={}", shop.service)]);
    assert_eq!(old.lines().count(), 2, "the deaf one still runs");
    let ran = shop.ran(&["deploy"], &child.wait_with_output().expect("an end"));
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.stderr.contains("did not end within its stop timeout and was killed"), "{ran}");
}
