//! The contract: which variables a service needs.

use std::collections::BTreeMap;
use std::fmt;

use quickserve_core::finding::{Code, Finding, Place, Severity};

use super::annotation::Annotations;
use super::env_file::{Assignment, EnvFile, Purpose};
use super::kind::Kind;
use super::value::Value;
use crate::Text;

/// The variables that a file such as `.env.example` declares.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contract {
    /// The file.
    pub file: Text,
    /// In the order of the file, each once.
    pub variables: Vec<Variable>,
    /// Where in `variables` a name is.
    index: BTreeMap<String, usize>,
}

/// A variable of a [`Contract`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub place: Place,
    /// Whether a service does not run without it.
    pub required: bool,
    /// The type that its value has, where the contract says one.
    pub kind: Option<Kind>,
    /// Whether the contract says that it is secret.
    pub secret: bool,
    /// Whether the contract gives it a value.
    pub has_example: bool,
    /// What the contract says of it beyond that.
    pub description: Option<String>,
    example: Value,
}

impl Variable {
    /// The value that the contract gives it.
    pub(crate) fn example(&self) -> &Value {
        &self.example
    }
}

impl Contract {
    /// Reads a contract, and says what in it cannot be read. Of a name that is there twice, the first counts.
    pub fn read(file: Text) -> (Self, Vec<Finding>) {
        let EnvFile { assignments, problems } = EnvFile::read(&file.text, &file.file, Purpose::Contract);
        let mut findings: Vec<Finding> = Vec::new();
        for problem in problems {
            let finding = Finding::new(Code::CONTRACT_SYNTAX, Severity::Warning, problem.what);
            findings.push(finding.at(problem.place).with_hint(problem.hint));
        }
        let mut index: BTreeMap<String, usize> = BTreeMap::new();
        let mut variables: Vec<Variable> = Vec::new();
        for assignment in assignments {
            if let Some(&first) = index.get(&assignment.name) {
                let first = variables[first].place.line;
                let message = format!("{} is declared twice, first in line {first}", assignment.name);
                let finding = Finding::new(Code::VARIABLE_TWICE, Severity::Warning, message);
                findings.push(finding.at(assignment.place).with_hint("keep the one that is right"));
                continue;
            }
            index.insert(assignment.name.clone(), variables.len());
            variables.push(variable(assignment, &mut findings));
        }
        (Self { file, variables, index }, findings)
    }

    /// The variable of that name.
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.index.get(name).and_then(|&index| self.variables.get(index))
    }

    /// The names in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|variable| variable.name.as_str())
    }
}

fn variable(assignment: Assignment, findings: &mut Vec<Finding>) -> Variable {
    let Assignment { name, place, value, above, behind } = assignment;
    let annotations = Annotations::read(above.iter().chain(&behind));
    findings.extend(annotations.findings);
    Variable {
        name,
        place,
        required: !annotations.optional,
        kind: annotations.kind,
        secret: annotations.secret,
        has_example: !value.is_empty(),
        description: annotations.description,
        example: value,
    }
}

/// Without the text: people paste real values into templates.
impl fmt::Debug for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, variables, .. } = self;
        f.debug_struct("Contract")
            .field("file", &file.file)
            .field("variables", variables)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quickserve_core::config::variables;

    use super::*;

    const EXAMPLE: &str = include_str!("../../../tests/fixtures/case-study/.env.example");
    const STOREFRONT: &str = include_str!("../../../examples/storefront/.env.example");

    fn read(text: &str) -> (Contract, Vec<String>) {
        let (contract, findings) = Contract::read(Text::new(".env.example", text));
        (contract, findings.iter().map(|finding| format!("{finding}")).collect())
    }

    /// Names, places, and whether they are required, as the core reads them and as this crate does.
    fn both(text: &str) -> [Vec<(String, Place, bool)>; 2] {
        let core = variables::Contract::parse(text, ".env.example");
        let core =
            core.variables().iter().map(|it| (it.name.clone(), it.place.clone(), !it.optional)).collect();
        let (ours, _) = read(text);
        let ours = ours.variables.into_iter().map(|it| (it.name, it.place, it.required)).collect();
        [core, ours]
    }

    #[test]
    fn the_case_study_declares_eight_required_variables() {
        let (contract, findings) = read(EXAMPLE);
        assert_eq!(contract.variables.len(), 8);
        assert!(contract.variables.iter().all(|variable| variable.required && variable.has_example));
        assert_eq!(contract.get("STRIPE_API_KEY").expect("declared").place.to_string(), ".env.example:14:1");
        assert_eq!(findings, Vec::<String>::new());
        assert!(!format!("{contract:?}").contains("sk_live"), "no value is shown");
    }

    #[test]
    fn annotations_say_more_of_a_variable() {
        let (contract, findings) =
            read("# @url @secret Where orders are kept\nA=\nB=4 # optional @int how many\n");
        let [a, b] = &contract.variables[..] else { panic!("two variables") };
        assert!(a.required && a.secret && !a.has_example && a.kind == Some(Kind::Url));
        assert_eq!(a.description.as_deref(), Some("Where orders are kept"));
        assert!(!b.required && !b.secret && b.has_example && b.kind == Some(Kind::Integer));
        assert_eq!(b.description.as_deref(), Some("how many"));
        assert_eq!(findings, Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_read_is_told_without_the_line() {
        let (_, findings) = read("hunter2\n# @secrt\nA=hunter2\nA=hunter2\nB=\"hunter2\n");
        insta::assert_snapshot!(findings.join("\n"), @r"
        QS123 the line is not NAME=value
          --> .env.example:1:1
          hint: write NAME=value, or begin the line with #
        QS123 the quote of the value is not closed
          --> .env.example:5:1
          hint: close the quote, or write the value without
        QS123 unknown annotation `@secrt`
          --> .env.example:2:3
          hint: did you mean @secret
        QS108 A is declared twice, first in line 3
          --> .env.example:4:1
          hint: keep the one that is right
        ");
    }

    #[test]
    fn the_core_reads_the_same_contract() {
        let texts = [
            EXAMPLE,
            STOREFRONT,
            "",
            "A=1\n# Optional: for logs\nB=2\nC= # optional\nexport D='x' # optional\n\n# optional\n\nE=5\nF=a#optional\n",
            "KEY=\"-----BEGIN\\\"\nNOT_A=variable\n-----END\" # optional\nB=1",
            "A=1\r\n## optional @int\r\nB=2\r\nA=3 # optional\r\nmy-name=4\r\nspring.name=5\r\nC",
            "# optional\n# @int more\nA='b' c\nB='it''s' # optional\nC=\t# optional\nD=x\t# optional\nE=$X # optional, y",
            "  export   A = 1 # optional\n#optional\nB=\n#  Optionally\nC=\"\\\\\" # optional\n",
        ];
        for text in texts {
            let [core, ours] = both(text);
            assert_eq!(core, ours, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn the_core_reads_the_same_lines(lines in proptest::collection::vec(
            "(export )?[A-C] ?= ?([a-z@ $]{0,4}|'[a-z #\"]{0,4}'|\"[a-z #']{0,4}\"|\"a\n# b\nD=c\")( ?# ?(optional|Optional:|x))?|# ?(optional|@int|x)|",
            0..9,
        )) {
            let [core, ours] = both(&lines.join("\n"));
            prop_assert_eq!(core, ours);
        }
    }
}
