//! The contract itself: which variables there must be, and what kind of value each takes.

use quickserve_core::document::did_you_mean;
use quickserve_core::finding::{Code, Finding, Place};

use super::Kind;
use super::env_file::{Assignment, Comment, Value, parse};
use crate::Text;

/// The variables that a file declares.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Contract {
    /// The file.
    pub file: Text,
    /// In the order of the file, each once.
    pub variables: Vec<Variable>,
}

/// A variable of a [`Contract`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub place: Place,
    /// Whether the service cannot run without it.
    pub required: bool,
    /// The kind of its value, where the contract says it.
    pub kind: Option<Kind>,
    /// Whether it is said to be secret.
    pub secret: bool,
    /// What it is for.
    pub description: Option<String>,
    example: Value,
}

impl Variable {
    /// Whether the contract gives an example of its value.
    pub fn has_example(&self) -> bool {
        !self.example.is_empty()
    }

    /// Whether a value is the contract's own example.
    pub fn is_example(&self, value: &Value) -> bool {
        self.has_example() && value.text() == self.example.text()
    }
}

/// Words that a comment may mark a variable with.
const MARKS: [&str; 4] = ["optional", "required", "secret", "type"];

impl Contract {
    /// Reads a contract; lines that cannot be read are told and left out.
    pub fn read(file: Text, findings: &mut Vec<Finding>) -> Self {
        let (assignments, faults) = parse(&file.text);
        for fault in faults {
            let place = file.source().place(fault.span.start);
            findings.push(warning(fault.message).at(place).with_hint("comments begin with #"));
        }
        let mut variables: Vec<Variable> = Vec::new();
        for assignment in assignments {
            let place = file.source().place(assignment.name_span.start);
            if let Some(first) = variables.iter().find(|variable| variable.name == assignment.name) {
                let message = format!("{} is declared twice, first in line {}", first.name, first.place.line);
                let finding = Finding::new(Code::VARIABLE_TWICE, quickserve_core::finding::Severity::Warning, message);
                findings.push(finding.at(place).with_hint("remove one of the two"));
                continue;
            }
            variables.push(variable(&file, assignment, place, findings));
        }
        Self { file, variables }
    }

    /// The variable of that name.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name == name)
    }
}

fn warning(message: impl Into<String>) -> Finding {
    Finding::new(Code::CONTRACT_SYNTAX, quickserve_core::finding::Severity::Warning, message)
}

fn variable(file: &Text, assignment: Assignment, place: Place, findings: &mut Vec<Finding>) -> Variable {
    let Assignment { name, value, above, behind, .. } = assignment;
    let mut variable = Variable {
        required: !says_optional(&above) && !says_optional(&behind),
        kind: (name == "PORT").then_some(Kind::Port),
        secret: false,
        description: None,
        example: value,
        place,
        name,
    };
    let mut said = Vec::new();
    for comment in [&above, &behind] {
        said.push(marked(file, comment, &mut variable, findings));
    }
    let description = said.join(" ").trim().to_owned();
    variable.description = (!description.is_empty()).then_some(description);
    variable
}

/// As the core's reader of contracts has it: a line of the comment that begins with the word.
fn says_optional(comment: &Comment) -> bool {
    comment.text.lines().any(|line| {
        let word = line.split(|char: char| !char.is_ascii_alphabetic()).next().unwrap_or_default();
        word.eq_ignore_ascii_case("optional")
    })
}

/// Obeys the marks in a comment, and answers what it says beside them.
fn marked(file: &Text, comment: &Comment, variable: &mut Variable, findings: &mut Vec<Finding>) -> String {
    let mut said = String::new();
    let mut rest = comment.text.as_str();
    while let Some(at) = rest.find('@') {
        // Within a word it is an address.
        let begins = rest[..at].chars().next_back().is_none_or(char::is_whitespace);
        let mark = &rest[at + 1..];
        let length = mark.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(mark.len());
        if !begins || length == 0 {
            said.push_str(&rest[..=at]);
            rest = mark;
            continue;
        }
        said.push_str(&rest[..at]);
        let (word, after) = mark.split_at(length);
        rest = after;
        let problem = match word {
            "optional" => {
                variable.required = false;
                None
            }
            "required" => {
                variable.required = true;
                None
            }
            "secret" => {
                variable.secret = true;
                None
            }
            "type" => match after.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
                Some((kind, after)) => {
                    rest = after;
                    match kind.parse() {
                        Ok(kind) => {
                            variable.kind = Some(kind);
                            None
                        }
                        Err(hint) => Some((format!("no kind of value is called {kind:?}"), Some(hint))),
                    }
                }
                None => Some(("@type says no kind".to_owned(), Some("write @type(int)".to_owned()))),
            },
            other => Some((format!("no mark is called @{other}"), did_you_mean(other, &MARKS))),
        };
        if let Some((message, hint)) = problem {
            let mut finding = warning(message).at(file.source().place(comment.start));
            finding.hint = hint.filter(|hint| !hint.is_empty());
            findings.push(finding);
        }
    }
    said.push_str(rest);
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use quickserve_core::config::variables;

    use super::*;

    fn read(text: &str) -> (Contract, Vec<String>) {
        let mut findings = Vec::new();
        let contract = Contract::read(Text::new(".env.example", text), &mut findings);
        (contract, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn marks_say_what_a_variable_takes() {
        let text = "# The database of orders. @secret @type(url)\nDATABASE_URL=x\n\
                    LOG_LEVEL=info # @optional @type(enum: debug, info)\nPORT=3000\n# mail to a@b.example\nMAIL=\n";
        let (contract, findings) = read(text);
        assert_eq!(findings, Vec::<String>::new());
        let of = |name: &str| contract.variable(name).expect("a variable");
        assert!(of("DATABASE_URL").secret && of("DATABASE_URL").required);
        assert_eq!(of("DATABASE_URL").description.as_deref(), Some("The database of orders."));
        assert_eq!(of("DATABASE_URL").kind, Some(Kind::Url));
        assert!(!of("LOG_LEVEL").required);
        assert_eq!(of("PORT").kind, Some(Kind::Port));
        assert_eq!(of("MAIL").description.as_deref(), Some("mail to a@b.example"));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let (_, findings) = read("A=1 # @optonal\n# @type(itn)\nB=1\nC: 1\nA=2\n# @type\nD=\n");
        insta::assert_snapshot!(findings.join("\n"), @r#"
        QS123 this line gives no variable a value: NAME=value
          --> .env.example:4:1
          hint: comments begin with #
        QS123 no mark is called @optonal
          --> .env.example:1:5
          hint: did you mean `optional`
        QS123 no kind of value is called "itn"
          --> .env.example:2:1
          hint: did you mean `int`
        QS108 A is declared twice, first in line 1
          --> .env.example:5:1
          hint: remove one of the two
        QS123 @type says no kind
          --> .env.example:6:1
          hint: write @type(int)
        "#);
    }

    /// The core reads the same file when it deploys.
    #[test]
    fn a_plain_contract_means_the_same_to_the_core() {
        let texts = [
            "A=1\n# optional: text\nB=2\nC=3 # optional\n",
            "# optional\n\nA=1\nexport B=2\n",
            "A=\"x\ny\" # optional\nB='#'\n",
            "# Application\nNODE_ENV=production\nPORT=3000\n\n# Optionally so\nX=1\n",
        ];
        for text in texts {
            let (contract, _) = read(text);
            let ours: Vec<(&str, bool)> =
                contract.variables.iter().map(|variable| (&*variable.name, variable.required)).collect();
            let core = variables::Contract::parse(text, ".env.example");
            let cores: Vec<(&str, bool)> =
                core.variables().iter().map(|variable| (&*variable.name, !variable.optional)).collect();
            assert_eq!(ours, cores, "{text}");
        }
    }
}
