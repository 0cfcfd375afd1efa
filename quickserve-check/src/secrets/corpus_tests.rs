//! How good the rules are, over the labelled corpus.

use std::path::Path;

use super::{Standing, search};

struct Case {
    is_secret: bool,
    file: &'static str,
    text: String,
}

/// The labelled cases. Tokens are in two pieces there, so that no scanner takes this repository for a leak.
fn corpus() -> Vec<Case> {
    let lines = include_str!("../../tests/corpus/secrets.tsv").lines().filter(|line| !line.starts_with('#'));
    let case = |line: &'static str| {
        let mut fields = line.splitn(3, '\t');
        let mut field = || fields.next().expect("three fields");
        let (label, file, text) = (field(), field(), field());
        assert!(matches!(label, "secret" | "plain"), "{line}");
        let text = text.replace("{}", "").replace(r"\\", "\0").replace(r"\n", "\n").replace('\0', r"\");
        Case { is_secret: label == "secret", file, text }
    };
    lines.map(case).collect()
}

#[test]
#[expect(
    clippy::disallowed_macros,
    clippy::cast_precision_loss,
    reason = "a measurement that people read, of few cases"
)]
fn the_rules_find_secrets_and_little_else() {
    let corpus = corpus();
    assert!(corpus.len() >= 300);
    let (mut right, mut missed, mut wrong) = (0, Vec::new(), Vec::new());
    for case in &corpus {
        let standing = Standing::of(Path::new(case.file));
        let is_found = search(standing, case.file, &case.text).is_some_and(|found| !found.is_empty());
        match (case.is_secret, is_found) {
            (true, true) => right += 1,
            (true, false) => missed.push(&case.text),
            (false, true) => wrong.push(&case.text),
            (false, false) => {}
        }
    }
    let precision = f64::from(right) / (f64::from(right) + wrong.len() as f64);
    let recall = f64::from(right) / (f64::from(right) + missed.len() as f64);
    println!("{} cases: precision {precision:.3}, recall {recall:.3}", corpus.len());
    println!("missed: {missed:#?}\nwrong: {wrong:#?}");
    assert!(precision >= 0.95 && recall >= 0.9);
}

#[test]
fn no_text_panics() {
    use proptest::prelude::*;
    let parts = prop::sample::select(vec![
        "password",
        "token",
        "=",
        ":",
        "\"",
        "'",
        "://",
        "@",
        "user:",
        "AKIA",
        "-----BEGIN RSA PRIVATE KEY-----",
        "eyJ",
        "é",
        "\n",
        "\\",
        "SG.",
        "sk_live_",
        "abcDEF123456789xyz",
        "ghp_",
        ",",
        ">",
        "<",
        " ",
        "${",
        ".env",
    ]);
    let texts = prop::collection::vec(parts, 0..30).prop_map(|parts| parts.concat());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(128));
    let result = runner.run(&texts, |text| {
        for found in super::find(&text) {
            prop_assert!(text.get(found.span.clone()).is_some_and(|secret| !secret.is_empty()));
        }
        super::plain("A_PASSWORD", &text);
        search(Standing::Values, "f", &text);
        Ok(())
    });
    assert!(result.is_ok(), "{result:?}");
}

#[test]
fn beginnings_of_web_tokens_are_not_each_searched_to_their_end() {
    let words = "eyJ ".repeat(300_000);
    let begin = "eyJ".repeat(300_000);
    crate::effort::assert_at_most(300, || drop(super::find(&words)), || drop(super::find(&begin)));
    let token = |head: &str| {
        format!("{head}eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.dBjftJeZ4CVPmB92K27uhbUJU1p1r")
    };
    for head in ["", "x ", "eyJabcdefghijk.eyJ ", "eyJhbGciOiJIUzI1NiJ9.x "] {
        let found = super::find(&token(head));
        assert_eq!(found.iter().map(|found| found.rule).collect::<Vec<_>>(), ["a JSON web token"], "{head}");
    }
}
