//! What hadolint says, where the user has it: its remarks join ours, without those that we have made ourselves.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use quickserve_core::document::{Node, Source, Value, parse_json};
use quickserve_core::finding::{Code, Finding, Severity};

use super::secrecy::shows_secret;
use crate::Text;
use crate::ask::ask;

/// How long it may take. It takes a twentieth of a second.
const DEADLINE: Duration = Duration::from_secs(5);

/// The most that is read of it.
const LIMIT: u64 = 4 << 20;

/// Rules of hadolint and what we call the same.
const SAME: [(&str, Code); 12] = [
    ("DL1000", Code::DOCKERFILE_SYNTAX),
    ("DL3002", Code::ROOT_USER),
    ("DL3006", Code::UNPINNED_BASE),
    ("DL3007", Code::UNPINNED_BASE),
    ("DL3025", Code::SIGNALS_SWALLOWED),
    ("DL3026", Code::UNPINNED_BASE),
    ("DL3043", Code::DOCKERFILE_SYNTAX),
    ("DL3057", Code::NO_IMAGE_HEALTH_CHECK),
    ("DL3061", Code::DOCKERFILE_SYNTAX),
    ("DL3064", Code::PLAIN_SECRET),
    ("DL4000", Code::DEPRECATED),
    ("DL4005", Code::DEPRECATED),
];

/// What we call a rule of hadolint, where we have it too.
pub(crate) fn ours_of(rule: &str) -> Option<Code> {
    SAME.iter().find(|(same, _)| *same == rule).map(|(_, code)| *code)
}

/// One thing that it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remark {
    pub(crate) rule: String,
    pub(crate) level: String,
    pub(crate) message: String,
    pub(crate) line: usize,
}

/// Runs it on a file, in that folder, where its configuration is. Nothing where it is not there or does not answer.
///
/// It reads one file and asks nobody.
pub(crate) fn run(program: &Path, folder: &Path, file: &Path) -> Option<Vec<Remark>> {
    run_within(DEADLINE, program, folder, file)
}

fn run_within(deadline: Duration, program: &Path, folder: &Path, file: &Path) -> Option<Vec<Remark>> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut command = Command::new(program);
    command.args(["--format", "json", "--no-fail", "--"]).arg(file).current_dir(folder);
    let answer = ask(&mut command, deadline, LIMIT)?;
    remarks(std::str::from_utf8(&answer).ok()?)
}

fn remarks(json: &str) -> Option<Vec<Remark>> {
    let source = Source { file: "hadolint", text: json };
    let tree = parse_json(source, Code::HADOLINT, Code::HADOLINT).ok()?;
    Some(tree.as_list()?.iter().filter_map(remark).collect())
}

fn remark(node: &Node) -> Option<Remark> {
    let text = |key: &str| node.get(key).and_then(Node::as_str).map(str::to_owned);
    let line = match node.get("line")?.value {
        Value::Integer(line) => usize::try_from(line).ok()?,
        _ => return None,
    };
    Some(Remark { rule: text("code")?, level: text("level")?, message: text("message")?, line })
}

/// The remarks as findings, without those that say what ours say. What keeps it from reading the file is ours to say.
pub(crate) fn findings(remarks: &[Remark], file: &Text, ours: &[Finding]) -> Vec<Finding> {
    let lines: Vec<&str> = file.text.lines().collect();
    let is_new = |remark: &&Remark| {
        ours_of(&remark.rule) != Some(Code::DOCKERFILE_SYNTAX)
            && !ours.iter().any(|finding| is_same(remark, finding, &lines))
    };
    remarks.iter().filter(is_new).map(|remark| finding(remark, file)).collect()
}

/// Whether one of its remarks and one of our findings say the same.
pub(crate) fn is_same(remark: &Remark, finding: &Finding, lines: &[&str]) -> bool {
    let Some(place) = finding.place().filter(|_| ours_of(&remark.rule) == Some(finding.code)) else {
        return false;
    };
    let line = |number: usize| lines.get(number.wrapping_sub(1)).map_or("", |line| line.trim());
    // What concerns the whole image is said in one place, and theirs may be another. A base that stands on two equal
    // lines we name once.
    let is_of_image = matches!(finding.code, Code::ROOT_USER | Code::NO_IMAGE_HEALTH_CHECK);
    is_of_image || place.line == remark.line || line(place.line) == line(remark.line)
}

fn finding(remark: &Remark, file: &Text) -> Finding {
    let severity = match &*remark.level {
        "error" | "warning" => Severity::Warning,
        _ => Severity::Info,
    };
    let message = remark.message.lines().next().unwrap_or_default().trim_end_matches('.');
    // It may quote a word of the file.
    let message = if shows_secret(message) { "see its page" } else { message };
    let message = format!("hadolint {}: {message}", remark.rule);
    let start: usize =
        file.text.split_inclusive('\n').take(remark.line.saturating_sub(1)).map(str::len).sum();
    let finding = Finding::new(Code::HADOLINT, severity, message).at(file.source().place(start));
    let wiki = if remark.rule.starts_with("SC") { "https://www.shellcheck.net/wiki" } else { WIKI };
    finding.with_hint(format!("see {wiki}/{}", remark.rule))
}

const WIKI: &str = "https://github.com/hadolint/hadolint/wiki";

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = r#"[
        {"code":"DL3002","column":1,"file":"D","level":"warning","line":3,"message":"Last USER should not be root"},
        {"code":"DL3042","column":1,"file":"D","level":"warning","line":2,"message":"Avoid use of cache directory.\nMore"},
        {"code":"DL3006","column":1,"file":"D","level":"error","line":1,"message":"Always tag"}
    ]"#;

    #[test]
    fn its_remarks_join_ours_without_doubles() {
        let file = Text::new("D", "FROM a\nRUN pip install -r x\nUSER root\n");
        let ours = [file.warning(Code::ROOT_USER, &(0..4), "the image runs as root")];
        let joined = findings(&remarks(SAID).expect("remarks"), &file, &ours);
        let shown: Vec<_> =
            joined.iter().map(|finding| format!("{:?} {finding}", finding.severity)).collect();
        assert_eq!(
            shown,
            [
                "Warning QS512 hadolint DL3042: Avoid use of cache directory\n  --> D:2:1\n  \
                 hint: see https://github.com/hadolint/hadolint/wiki/DL3042",
                "Warning QS512 hadolint DL3006: Always tag\n  --> D:1:1\n  \
                 hint: see https://github.com/hadolint/hadolint/wiki/DL3006",
            ]
        );
    }

    #[test]
    fn what_does_not_answer_is_as_if_it_were_not_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = |program: &str| run(Path::new(program), folder.path(), Path::new("Dockerfile"));
        assert_eq!(run("no-such-hadolint"), None);
        assert_eq!(run("false"), None);
        assert_eq!(run("echo"), None);
        let program = folder.path().join("slow");
        std::fs::write(&program, "#!/bin/sh\nexec sleep 600\n").expect("a script");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).expect("a program");
        let answer = run_within(Duration::from_millis(50), &program, folder.path(), Path::new("Dockerfile"));
        assert_eq!(answer, None);
        assert_eq!(remarks("{}"), None);
        assert_eq!(remarks("[1]"), Some(Vec::new()));
    }
}
