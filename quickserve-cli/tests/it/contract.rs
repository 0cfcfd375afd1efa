//! What scripts rely on: exit codes as documented, and the shape of machine output.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use quickserve_core::finding::Code;
use quickserve_core::outcome::Outcome;
use serde_json::Value;

use crate::support::{Ran, Shop};

#[test]
fn the_documented_exit_codes_are_those_of_the_code() {
    let page = include_str!("../../../docs/reference/exit-codes.md");
    let mut documented = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        for code in cells[0].split(", ") {
            for outcome in cells[1].split(", ") {
                documented
                    .insert((code.parse::<u8>().expect("a code"), outcome.trim_matches('`').to_owned()));
            }
        }
    }
    let known: BTreeSet<(u8, String)> =
        Outcome::ALL.iter().map(|outcome| (outcome.exit_code(), outcome.name().to_owned())).collect();
    assert_eq!(documented, known);
}

#[test]
fn every_finding_has_a_page_that_says_what_why_and_how_to_mend() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/findings");
    for code in Code::ALL {
        let page =
            std::fs::read_to_string(folder.join(format!("{code}.md"))).unwrap_or_else(|_| panic!("{code}"));
        assert!(page.starts_with(&format!("# {code}\n\n")), "{code}");
        for part in ["\n*Why it ", "\n*To mend it:*"] {
            assert!(page.contains(part), "{code} has no {part:?}");
        }
        assert!(code.docs().ends_with(&format!("docs/findings/{code}.md")));
    }
    let pages = std::fs::read_dir(folder).expect("the folder").count();
    assert_eq!(pages, Code::ALL.len(), "no code is documented that does not exist");
}

/// The families of findings, and what stands above them.
const FAMILIES: [(u16, &str); 8] = [
    (1, "configuration and secrets"),
    (2, "ports"),
    (3, "versions and images"),
    (4, "task definition and health"),
    (5, "Dockerfile and build context"),
    (6, "platform and permissions"),
    (7, "chain of trust"),
    (8, "CI workflow and deploy scripts"),
];

#[test]
#[expect(clippy::disallowed_methods, reason = "snapshots are updated by the same variable")]
fn the_index_of_findings_is_what_their_pages_say() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let (head, _) =
        include_str!("../../../docs/reference/findings.md").split_once("\n## ").expect("families");
    let mut index = head.to_owned();
    let mut contents = String::new();
    for (family, name) in FAMILIES {
        let codes: Vec<&Code> = Code::ALL.iter().filter(|code| code.number() / 100 == family).collect();
        if codes.is_empty() {
            continue;
        }
        let _ = write!(index, "\n## QS{family}xx: {name}\n\n| code | means |\n|---|---|\n");
        for code in codes {
            let page = std::fs::read_to_string(docs.join(format!("findings/{code}.md"))).expect("a page");
            let meaning = page.split("\n\n").nth(1).unwrap_or_default().trim().replace('\n', " ");
            let meaning = meaning.replace("](../reference/", "](").replace('|', "\\|");
            let _ = writeln!(index, "| [{code}](../findings/{code}.md) | {meaning} |");
            let _ = writeln!(contents, "  - [{code}](findings/{code}.md)");
        }
    }
    let summary = std::fs::read_to_string(docs.join("SUMMARY.md")).expect("the contents");
    let listed: String = summary.split_inclusive('\n').filter(|line| line.starts_with("  - [QS")).collect();
    // Written where they belong when that is asked for, as snapshots are.
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        std::fs::write(docs.join("reference/findings.md"), &index).expect("written");
        let heading = "- [Findings](reference/findings.md)\n";
        let without: String =
            summary.split_inclusive('\n').filter(|line| !line.starts_with("  - [QS")).collect();
        let summary = without.replace(heading, &format!("{heading}{contents}"));
        std::fs::write(docs.join("SUMMARY.md"), summary).expect("written");
        return;
    }
    assert_eq!(include_str!("../../../docs/reference/findings.md"), index);
    assert_eq!(listed, contents);
}

/// Every line has what each has, in order, and the last is `finished` with all that it must say.
fn lines(ran: &Ran) -> Vec<Value> {
    let lines = ran.json_lines();
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line["v"], 1, "{line}");
        assert_eq!(line["seq"], index + 1, "{line}");
        assert!(line["kind"].is_string(), "{line}");
        let time = line["time"].as_str().expect("a time");
        time.parse::<jiff::Timestamp>().expect("RFC 3339");
    }
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line["kind"].as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "finished").count(), 1, "{kinds:?}");
    let last = lines.last().expect("a line");
    assert_eq!(last["kind"], "finished");
    assert_eq!(last["exit_code"], ran.code);
    for key in ["outcome", "deployment", "release", "serving", "findings", "cause"] {
        assert!(last.get(key).is_some(), "{key} is missing in {last}");
    }
    lines
}

#[test]
fn usage_errors_end_with_finished() {
    let shop = Shop::empty();
    for arguments in [
        ["rollbak", "--format", "json"].as_slice(),
        &["--format=json", "deploy", "--strategy"],
        &["deploy", "--format", "json"],
        &["status", "--format", "json"],
    ] {
        let ran = shop.run(arguments);
        assert_eq!(ran.code, 2, "{ran}");
        let lines = lines(&ran);
        assert_eq!(lines[0]["outcome"], "usage_error");
        assert_eq!(lines[0]["serving"], Value::Null, "nobody has looked");
        assert!(lines[0]["cause"]["message"].is_string());
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn a_deployment_tells_its_plan_first_and_its_end_last() {
    let shop = Shop::with_images(&["1", "2"]);
    let done = shop.run(&["deploy", "--image", &shop.image("1"), "--format", "json"]);
    let told = lines(&done);
    let started = told.iter().find(|line| line["kind"] == "started").expect("started");
    assert!(started["plan"]["steps"].as_array().is_some_and(|steps| !steps.is_empty()));
    let last = told.last().expect("a line");
    assert_eq!((last["outcome"].as_str(), last["exit_code"].as_u64()), (Some("done"), Some(0)));
    assert_eq!(last["serving"][0]["weight"], 100);
    assert_eq!(last["serving"][0]["tasks"], 1);
    let digest = last["serving"][0]["images"][&shop.service].as_str().expect("a digest");
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");

    let refused = shop.run(&["deploy", "--image", &shop.image("9"), "--format", "json"]);
    let last = lines(&refused).pop().expect("a line");
    assert_eq!((refused.code, last["outcome"].as_str()), (3, Some("refused")));
    let finding = &last["findings"][0];
    assert_eq!(finding["code"], "QS301");
    for key in ["severity", "message", "where", "hint", "docs"] {
        assert!(finding.get(key).is_some(), "{key} is missing in {finding}");
    }
    assert_eq!(last["serving"][0]["release"], started["release"]);

    shop.configure("variables = { STOREFRONT_FAIL_CRASH_AT_START = \"1\" }");
    let failed = shop.run(&["deploy", "--image", &shop.image("2"), "--format", "json"]);
    let last = lines(&failed).pop().expect("a line");
    assert_eq!((failed.code, last["outcome"].as_str()), (4, Some("rolled_back")));
    assert!(last["cause"]["message"].is_string() && last["cause"]["causes"].is_array());
    assert_eq!(last["serving"][0]["release"], started["release"]);

    let status: Value =
        serde_json::from_str(&shop.run(&["status", "--format", "json"]).stdout).expect("an object");
    assert_eq!(status["service"], shop.service.as_str());
    assert_eq!(status["environment"], "local");
    assert_eq!(status["public"], format!("127.0.0.1:{}", shop.port));
    assert_eq!(status["consistent"], true);
    assert_eq!(status["in_flight"], Value::Null);
    for what in ["images", "secrets", "journal"] {
        assert!(status["disk"][what]["bytes"].is_u64(), "{what} is missing: {status}");
    }
    assert_eq!(status["serving"][0]["release"], started["release"]);

    let history: Value =
        serde_json::from_str(&shop.run(&["history", "--format", "json"]).stdout).expect("an array");
    let outcomes: Vec<&str> =
        history.as_array().expect("an array").iter().filter_map(|entry| entry["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["rolled_back", "done"]);
    for key in ["deployment", "release", "kept", "images", "outcome", "started", "finished", "by", "cause"] {
        assert!(history[0].get(key).is_some(), "{key} is missing in {history}");
    }

    let arguments = ["plan", "--image", &shop.image("2"), "--retry", "--format", "json"];
    let plan: Value = serde_json::from_str(&shop.run(&arguments).stdout).expect("an object");
    assert!(plan["condemned"]["message"].is_string() && plan["in_flight"].is_null(), "{plan}");
    assert!(plan["plan"]["steps"].is_array() && plan["change"]["images"].is_array(), "{plan}");
}
