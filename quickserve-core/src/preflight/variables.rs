//! QS101: every variable that the contract requires has a value.

use std::collections::BTreeSet;

use super::Report;
use crate::config::variables::{Contract, missing};

/// Compares what a contract requires with what is provided. Leave out names whose value is empty.
///
/// `reported` are names that another check has reported already; `home` is where a value goes, as it stands after "in".
pub fn variables(
    contract: &Contract,
    provided: &BTreeSet<String>,
    reported: &BTreeSet<String>,
    home: &str,
) -> Report {
    let known = provided.union(reported).map(String::as_str);
    let findings = missing(contract, known, home);
    Report { passed: contract.variables().len() - findings.len(), findings }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_variable_is_a_finding_and_each_other_has_passed() {
        let contract = Contract::parse("A=\nB=\nC= # optional\n", ".env.example");
        let provided = BTreeSet::from(["A".to_owned()]);
        let report = variables(&contract, &provided, &BTreeSet::new(), ".env");
        assert_eq!((report.passed, report.findings.len()), (2, 1));
        let report = variables(&contract, &provided, &BTreeSet::from(["B".to_owned()]), ".env");
        assert!(!report.refuses());
    }
}
