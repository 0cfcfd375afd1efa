//! The journal's bucket: asked for, shown, made.

use super::cloud::Cloud;
use crate::support::snapshot;

#[test]
fn a_service_without_a_journal_is_refused_with_the_line_and_the_command_for_its_bucket() {
    let cloud = Cloud::open();
    cloud.configure("local", "");
    let file = cloud.shop.path().join("quickserve.toml");
    let text = std::fs::read_to_string(&file).expect("the file");
    cloud.shop.write("quickserve.toml", &text.replace("journal = \"local\"\n", ""));
    let refused = cloud.ends(2, &["deploy", "--image", "shop:1"]);
    for part in ["`journal` is missing", "journal = \"s3://bucket/prefix\"", "quickserve aws bootstrap"] {
        assert!(refused.stderr.contains(part), "{refused}");
    }
    assert_eq!(cloud.ends(2, &["aws", "bootstrap"]).stdout, "", "nobody has named one");

    // The same file is enough to make it with.
    let bootstrap = ["aws", "bootstrap", "s3://acme-deploy/journal"];
    snapshot("aws_bootstrap_01_print", &cloud.run(&[bootstrap.as_slice(), &["--print"]].concat()));
    snapshot("aws_bootstrap_02_make", &cloud.run(&bootstrap));
    snapshot("aws_bootstrap_03_again", &cloud.run(&bootstrap));
    snapshot("aws_bootstrap_04_print_again", &cloud.run(&[bootstrap.as_slice(), &["--print"]].concat()));

    cloud.configure("s3://acme-deploy/journal", "");
    let made = cloud.ends(0, &["aws", "bootstrap", "--format", "json"]).json();
    assert_eq!((&made["done"], &made["bucket"]["name"]), (&true.into(), &"acme-deploy".into()), "{made:#}");
    assert!(made["findings"].as_array().is_some_and(Vec::is_empty), "{made:#}");
    assert_eq!(cloud.ends(0, &["history", "--format", "json"]).json().as_array().map(Vec::len), Some(0));
}

#[test]
fn a_bucket_that_is_not_there_is_told_before_anything_else_is_done() {
    let cloud = Cloud::open();
    cloud.configure("s3://acme-deploy/journal", "");
    for arguments in [["status"].as_slice(), &["history"], &["lock", "--reason", "x"]] {
        let refused = cloud.ends(2, arguments);
        assert!(refused.stderr.contains("quickserve aws bootstrap s3://acme-deploy"), "{refused}");
    }
    let checked = cloud.ends(3, &["check"]);
    assert!(checked.stdout.contains("QS690"), "{checked}");
}
