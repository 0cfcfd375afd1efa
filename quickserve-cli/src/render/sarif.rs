//! SARIF 2.1.0, as code hosts and editors read findings.
//!
//! Source of the form: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".

use std::collections::BTreeSet;
use std::fmt::Write as _;

use quickserve_core::finding::{Code, Location, Severity};
use serde_json::{Value, json};

use super::Told;
use crate::commands::explain;

/// Findings as one SARIF log. `whole` is the file that is shown for those which are about no line of a file: without a
/// physical location GitHub takes none of the log (GitHub documentation, "SARIF support for code scanning").
pub(crate) fn log(findings: &[Told], whole: &str) -> Value {
    let codes: Vec<Code> =
        findings.iter().map(|finding| finding.code).collect::<BTreeSet<_>>().into_iter().collect();
    let rules: Vec<Value> = codes.iter().map(|code| rule(*code)).collect();
    let results: Vec<Value> = findings.iter().map(|finding| result(&codes, finding, whole)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "quickserve",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            } },
            // Columns are counted in characters, not in UTF-16 units (3.14.17).
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// What a code means, from its page.
fn rule(code: Code) -> Value {
    let mut rule = json!({ "id": code, "name": code, "helpUri": code.docs() });
    if let Some(page) = explain::page(code) {
        let summary = explain::bare(&explain::summary(page));
        rule["shortDescription"] = json!({ "text": summary });
        rule["fullDescription"] = json!({ "text": summary });
        rule["help"] = json!({ "text": explain::text(page), "markdown": page });
    }
    rule
}

fn result(codes: &[Code], finding: &Told, whole: &str) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    };
    let hint = finding.hint.as_deref().map(|hint| format!("\n\nhint: {hint}")).unwrap_or_default();
    let (file, line, column) = match finding.place() {
        Some(place) => (place.file.as_str(), place.line, place.column),
        None => (whole, 1, 1),
    };
    let mut location = json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(file) },
        "region": { "startLine": line, "startColumn": column },
    } });
    if let Some(Location::Resource { resource }) = &finding.location {
        location["logicalLocations"] = json!([{ "fullyQualifiedName": resource }]);
    }
    json!({
        "ruleId": finding.code,
        "ruleIndex": codes.iter().position(|code| *code == finding.code),
        "level": level,
        "message": { "text": format!("{}{hint}", finding.message) },
        "locations": [location],
    })
}

/// A path as a relative reference of RFC 3986.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => {
                // Writing to a text cannot fail.
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickserve_core::finding::{Finding, Place};

    #[test]
    fn findings_are_results_with_their_rule_level_and_region() {
        let place = Place { file: "deploy/task 1.json".into(), line: 41, column: 11 };
        let findings = [
            Finding::error(Code::HEALTH_CHECK_PROGRAM, "health check runs curl")
                .at(place)
                .with_hint("use node"),
            Finding::new(Code::PORT_HELD, Severity::Warning, "port 8080 is held").on("127.0.0.1:8080"),
            Finding::new(Code::DIRTY_TREE, Severity::Info, "uncommitted changes"),
        ];
        let findings = Told::all(&findings);
        insta::assert_json_snapshot!(log(&findings, "quickserve.toml")["runs"][0]["results"]);
        let log = log(&findings, "quickserve.toml");
        assert_eq!(log["version"], "2.1.0");
        let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().expect("rules");
        let ids: Vec<&Value> = rules.iter().map(|rule| &rule["id"]).collect();
        assert_eq!(ids, ["QS201", "QS307", "QS412"]);
        for rule in rules {
            for text in ["shortDescription", "fullDescription", "help"] {
                let text = rule[text]["text"].as_str().unwrap_or_default();
                assert!(text.len() > 20, "{rule}");
            }
        }
    }
}
