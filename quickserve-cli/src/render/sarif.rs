//! SARIF 2.1.0, as code hosts and editors read findings.
//!
//! Source of the form: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".

use std::collections::BTreeSet;
use std::fmt::Write as _;

use quickserve_core::finding::{Code, Location, Severity};
use serde_json::{Value, json};

use super::Told;

/// Findings as one SARIF log.
pub(crate) fn log(findings: &[Told]) -> Value {
    let codes: Vec<Code> =
        findings.iter().map(|finding| finding.code).collect::<BTreeSet<_>>().into_iter().collect();
    let rules: Vec<Value> = codes.iter().map(|code| json!({ "id": code, "helpUri": code.docs() })).collect();
    let results: Vec<Value> = findings.iter().map(|finding| result(&codes, finding)).collect();
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

fn result(codes: &[Code], finding: &Told) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    };
    let hint = finding.hint.as_deref().map(|hint| format!("\n\nhint: {hint}")).unwrap_or_default();
    let mut result = json!({
        "ruleId": finding.code,
        "ruleIndex": codes.iter().position(|code| *code == finding.code),
        "level": level,
        "message": { "text": format!("{}{hint}", finding.message) },
    });
    let location = match &finding.location {
        None => return result,
        Some(Location::Place(place)) => json!({ "physicalLocation": {
            "artifactLocation": { "uri": uri(&place.file) },
            "region": { "startLine": place.line, "startColumn": place.column },
        } }),
        Some(Location::Resource { resource }) => {
            json!({ "logicalLocations": [{ "fullyQualifiedName": resource }] })
        }
    };
    result["locations"] = json!([location]);
    result
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
        insta::assert_json_snapshot!(log(&findings)["runs"][0]["results"]);
        let log = log(&findings);
        assert_eq!(log["version"], "2.1.0");
        let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().expect("rules");
        let ids: Vec<&Value> = rules.iter().map(|rule| &rule["id"]).collect();
        assert_eq!(ids, ["QS201", "QS307", "QS412"]);
    }
}
