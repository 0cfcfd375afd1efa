//! Mistakes in quickserve.toml and in what it names: a place, a hint, exit 2, and nothing changed.

use crate::support::{Shop, snapshot};

fn refused(name: &str, text: &str) {
    let shop = Shop::empty();
    shop.write("quickserve.toml", text);
    snapshot(name, &shop.run(&["deploy"]));
    assert!(!shop.state().exists(), "nothing was changed");
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest() {
    refused(
        "config_unknown_key",
        "service = \"shop\"\nprt = 3000\n[environments.local]\npublic_port = 8080\n",
    );
}

#[test]
fn a_value_of_a_wrong_type_is_shown_at_its_place() {
    refused(
        "config_wrong_type",
        "service = \"shop\"\nport = \"x\"\n[environments.local]\npublic_port = 8080\n",
    );
}

#[test]
fn an_empty_file_says_how_to_begin() {
    refused("config_empty", "");
}

#[test]
fn a_file_that_is_not_toml_is_shown_at_its_place() {
    refused("config_not_toml", "service = shop\n");
}

#[test]
fn a_task_definition_that_is_not_json_is_shown_at_its_place() {
    let shop = Shop::empty();
    let text =
        "service = \"shop\"\ntask_definition = \"task.json\"\n[environments.local]\npublic_port = 8080\n";
    shop.write("quickserve.toml", text);
    shop.write("task.json", "{\n  \"containerDefinitions\": [,]\n}\n");
    snapshot("definition_not_json", &shop.run(&["deploy"]));
    std::fs::remove_file(shop.path().join("task.json")).expect("removed");
    snapshot("definition_missing", &shop.run(&["deploy"]));
    shop.write("quickserve.toml", &format!("env_contract = \".env.example\"\n{text}"));
    snapshot("definition_and_contract_missing", &shop.run(&["deploy"]));
}

#[test]
fn paths_are_shown_from_where_the_user_stands() {
    let shop = Shop::empty();
    shop.write("quickserve.toml", "servce = \"shop\"\n");
    let below = shop.path().join("src");
    std::fs::create_dir(&below).expect("a folder");
    let output = shop.command(&["status"]).current_dir(&below).output().expect("a run");
    let ran = shop.ran(&["status"], &output);
    assert!(ran.stderr.contains("--> ../quickserve.toml:1:1"), "{}", ran.stderr);
}

#[test]
fn what_this_version_cannot_do_is_refused_and_not_passed_over() {
    let shop = Shop::empty();
    let text = r#"
service = "shop"
port = 3000
image = "shop:1"
[stages]
lint = "npm run lint"
test = "npm test"
[deploy]
strategy = "canary"
migrate = ["node", "migrate.js"]
[[smoke]]
path = "/orders"
method = "POST"
[environments.local]
public_port = 8080
"#;
    shop.write("quickserve.toml", text);
    snapshot("not_built", &shop.run(&["deploy"]));
    snapshot("no_such_strategy", &shop.run(&["deploy", "--strategy", "bluegreen"]));
    shop.configure("");
    snapshot("not_built_flag", &shop.run(&["deploy", "--strategy", "linear"]));
    let variable = [("QUICKSERVE_STRATEGY", "canary")];
    snapshot("not_built_variable", &shop.run_with(&variable, &["deploy"]));
}

#[test]
fn more_tasks_than_local_docker_has_are_refused_at_their_place() {
    let shop = Shop::empty();
    shop.write(
        "quickserve.toml",
        "service = \"shop\"\nport = 3000\nimage = \"shop:1\"\n[deploy]\ntasks = 101\n\
         [environments.local]\npublic_port = 8080\n",
    );
    snapshot("too_many_tasks", &shop.run(&["deploy"]));
}

#[test]
fn a_warning_beside_a_mistake_is_marked() {
    let shop = Shop::empty();
    let text = "service = \"shop\"\ntask_definition = \"task.json\"\nimage = \"shop:1\"\n[environments.local]\n\
         public_port = 8080\n";
    shop.write("quickserve.toml", text);
    let definition = r#"{
  "containerDefinitions": [{ "name": "app", "image": "shop:1", "essential": "yes", "pseudoTerminal": true }],
  "executionRoleArn": "arn:aws:iam::1:role/x"
}"#;
    shop.write("task.json", definition);
    snapshot("definition_warning_and_mistake", &shop.run(&["deploy"]));
}

#[test]
fn a_command_to_copy_quotes_what_a_shell_would_take_apart() {
    let shop = Shop::empty();
    let folder = shop.path().join("my shop");
    std::fs::create_dir(&folder).expect("a folder");
    shop.write(
        "my shop/quickserve.toml",
        "service = \"shop\"\nport = 3000\n[environments.local]\npublic_port = 8080\n",
    );
    let ran = shop.run(&["-C", "my shop", "lock", "--reason", "x"]);
    assert!(ran.stderr.contains("quickserve unlock -C 'my shop'"), "{ran}");
}

#[test]
fn an_unknown_environment_lists_those_that_there_are() {
    let shop = Shop::empty();
    shop.configure("");
    snapshot("unknown_environment", &shop.run(&["status", "-e", "production"]));
}

#[test]
fn a_deployment_needs_an_image() {
    let shop = Shop::empty();
    shop.configure("");
    shop.write(".env.example", "");
    shop.write(".env", "");
    snapshot("no_image", &shop.run(&["deploy"]));
    shop.configure("[build]\n");
    snapshot("cannot_build", &shop.run(&["deploy"]));
}
