//! Help, and arguments that are not understood.

use crate::support::{Shop, snapshot};

#[test]
fn help_lists_the_commands() {
    snapshot("help", &Shop::empty().run(&["--help"]));
}

#[test]
fn each_command_has_its_help() {
    let shop = Shop::empty();
    let commands = [
        "deploy", "rollback", "plan", "status", "history", "logs", "resume", "promote", "pause", "abort",
        "lock", "unlock", "down", "router",
    ];
    for command in commands {
        snapshot(&format!("help_{command}"), &shop.run(&["help", command]));
    }
}

#[test]
fn an_unknown_command_is_answered_with_the_nearest() {
    snapshot("unknown_command", &Shop::empty().run(&["rollbak"]));
    snapshot("unknown_command_json", &Shop::empty().run(&["rollbak", "--format", "json"]));
}

#[test]
fn an_unknown_flag_or_format_is_a_usage_error() {
    let shop = Shop::empty();
    snapshot("unknown_flag", &shop.run(&["deploy", "--imge", "x"]));
    snapshot("unknown_format", &shop.run(&["status", "--format", "xml"]));
    snapshot("unknown_format_variable", &shop.run_with(&[("QUICKSERVE_FORMAT", "xml")], &["status"]));
}

#[test]
fn a_folder_without_quickserve_toml_says_how_to_begin() {
    let shop = Shop::empty();
    snapshot("no_file", &shop.run(&["-C", "/", "deploy"]));
    snapshot("named_file_missing", &shop.run(&["deploy", "--config", "elsewhere.toml"]));
}

#[test]
fn an_exit_code_is_explained() {
    let shop = Shop::empty();
    snapshot("explain_code", &shop.run(&["explain", "4"]));
    snapshot("explain_finding", &shop.run(&["explain", "QS105"]));
    snapshot("explain_unknown_finding", &shop.run(&["explain", "QS126"]));
    snapshot("explain_unknown_family", &shop.run(&["explain", "QS999"]));
    snapshot("explain_nothing", &shop.run(&["explain", "banana"]));
    shop.ends(2, &["explain", "code"]);
}

#[test]
fn completions_are_data() {
    let ran = Shop::empty().run(&["completions", "bash"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("rollback"));
}

#[test]
fn the_router_says_that_it_does_not_run() {
    let shop = Shop::empty();
    snapshot("router_not_running", &shop.run(&["router", "status"]));
    snapshot("router_stop_nothing", &shop.run(&["router", "stop"]));
}
