//! `explain`: an exit code, from the table that is documented.

use quickserve_core::finding::Code;

use crate::failure::Failure;
use crate::output;

/// The page that scripts rely on; its table is tested against the code.
const EXIT_CODES: &str = include_str!("../../../docs/reference/exit-codes.md");

pub(super) fn run(code: &str) -> Result<(), Failure> {
    if let Ok(finding) = code.parse::<Code>() {
        output::data_line(&format!("{finding} is explained at {}", finding.docs()));
        return Ok(());
    }
    let row = EXIT_CODES.lines().find_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [codes, outcome, meaning, serves] = cells.as_slice() else { return None };
        codes
            .split(", ")
            .any(|one| one == code)
            .then(|| format!("{code}  {}: {meaning}\n   serving: {serves}", outcome.replace('`', "")))
    });
    match row {
        Some(row) => {
            output::data_line(&row);
            Ok(())
        }
        None => Err(Failure::usage(
            format!("{code} is neither an exit code nor the code of a finding"),
            "such as quickserve explain 4, or quickserve explain QS101",
        )),
    }
}
