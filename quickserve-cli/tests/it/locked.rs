//! `lock` and `unlock`.

use serde_json::Value;

use crate::support::{Shop, snapshot};

#[test]
fn a_lock_says_who_and_why_to_whoever_would_deploy_until_it_is_lifted() {
    let shop = Shop::with_images(&["1", "2"]);
    let (one, two) = (shop.image("1"), shop.image("2"));
    for image in [&one, &two] {
        shop.ends(0, &["deploy", "--image", image]);
    }
    snapshot("lock_01_lock", &shop.run(&["lock", "--reason", "the  database\nmoves"]));
    snapshot("lock_02_again", &shop.run(&["lock", "--reason", "the database moves"]));
    snapshot("lock_03_other", &shop.run(&["lock", "--reason", "something else"]));
    snapshot("lock_04_deploy", &shop.run(&["deploy", "--image", &one]));
    snapshot("lock_05_down", &shop.run(&["down"]));
    snapshot("lock_06_status", &shop.run(&["status"]));
    // The way back is not held up.
    shop.ends(0, &["rollback"]);
    assert_eq!(shop.version(), "1");
    let status: Value =
        serde_json::from_str(&shop.run(&["status", "--format", "json"]).stdout).expect("an object");
    assert_eq!(status["lock"]["reason"], "the database moves", "{status}");
    snapshot("lock_07_unlock", &shop.run(&["unlock"]));
    snapshot("lock_08_unlock_nothing", &shop.run(&["unlock"]));
    snapshot("lock_09_history", &shop.run(&["history"]));
    let history: Value =
        serde_json::from_str(&shop.run(&["history", "--format", "json"]).stdout).expect("an array");
    assert_eq!((&history[1]["act"], &history[1]["outcome"]), (&"lock".into(), &"unlocked".into()));
    for key in ["deployment", "release", "images", "started", "finished", "by", "cause"] {
        assert!(history[1].get(key).is_some(), "{key} is missing in {history}");
    }
    shop.ends(0, &["deploy", "--image", &two, "--retry"]);
}

#[test]
fn what_serves_is_not_claimed_where_nobody_has_looked() {
    let shop = Shop::empty();
    shop.configure("");
    for command in [&["lock", "--reason", "x"][..], &["unlock"]] {
        let ran = shop.run(&[command, &["--format", "json"]].concat());
        let last = ran.json_lines().pop().expect("a line");
        assert_eq!((ran.code, last.get("serving")), (0, Some(&Value::Null)), "{ran}");
    }
}

#[test]
fn a_lock_needs_a_reason() {
    let shop = Shop::empty();
    snapshot("lock_no_reason", &shop.run(&["lock"]));
    snapshot("lock_empty_reason", &shop.run(&["lock", "--reason", " "]));
}
