//! QS307, QS308: whether what would be built is what others can see.
//!
//! Asks the `git` program, which changes nothing here: no lock is taken, no index written, no monitor started, no
//! submodule entered. A checkout of another owner git refuses itself (`safe.directory`); then nothing is said.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use quickserve_core::finding::{Code, Finding, Severity};

use crate::ask::{ask, ask_beginning};
use crate::git::command;

/// How long git may take. A checkout that is slower is left unjudged.
const DEADLINE: Duration = Duration::from_secs(5);

/// How much of git's answer is read, in bytes.
const ANSWER: u64 = 1 << 20;

/// What of the checkout around a folder no commit, or no remote, has. Nothing where it is no checkout.
pub(crate) fn tree(root: &Path) -> Vec<Finding> {
    let status = [
        "status",
        "--porcelain=v2",
        "--branch",
        "--untracked-files=normal",
        "--ignore-submodules=all",
        "-z",
        "--",
        ".",
    ];
    if runs_programs(root) {
        return Vec::new();
    }
    let Some(answer) = status_of(root, status) else { return Vec::new() };
    let mut findings = Vec::new();
    let State { commit, changed } = State::of(&answer);
    let Some(commit) = commit else { return findings };
    let short = &commit[..commit.len().min(12)];
    if let Some(first) = changed.first().map(|first| shown(first)) {
        let others = match changed.len() - 1 {
            0 => String::new(),
            1 => " and 1 other file".to_owned(),
            others if answer.ends_with(MORE) => format!(" and more than {others} other files"),
            others => format!(" and {others} other files"),
        };
        let verb = if others.is_empty() { "differs" } else { "differ" };
        let message = format!("{first}{others} {verb} from commit {short}: what is built is in no commit");
        let finding = Finding::new(Code::DIRTY_TREE, Severity::Warning, message).on("the checkout");
        findings.push(finding.with_hint("commit the changes, or put them aside with `git stash -u`"));
    }
    if has_remote_branches(root) && !is_on_remote(root, &commit) {
        let message = format!("commit {short} is on no remote: nobody else can see what is deployed");
        let finding = Finding::new(Code::UNPUSHED_COMMIT, Severity::Warning, message).on("the checkout");
        findings.push(finding.with_hint("run `git push`"));
    }
    findings
}

/// What `git status` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct State {
    /// None before the first commit.
    commit: Option<String>,
    /// The paths that differ.
    changed: Vec<String>,
}

impl State {
    /// Reads porcelain format 2 with `-z` (git-status(1)).
    fn of(answer: &str) -> Self {
        let mut state = Self::default();
        let mut lines = answer.split('\0');
        while let Some(line) = lines.next() {
            if let Some(commit) = line.strip_prefix("# branch.oid ") {
                state.commit = Some(commit.to_owned()).filter(|commit| commit != "(initial)");
            }
            let fields = match line.split(' ').next() {
                Some("1") => 9,
                Some("2") => 10,
                Some("u") => 11,
                Some("?") => 2,
                _ => continue,
            };
            if line.starts_with('2') {
                // The path from before follows on its own.
                lines.next();
            }
            state.changed.extend(line.splitn(fields, ' ').nth(fields - 1).map(str::to_owned));
        }
        state
    }
}

/// A path on one line, without what a terminal would obey.
fn shown(path: &str) -> String {
    let escaped = path
        .chars()
        .map(|char| if char.is_control() { char.escape_default().to_string() } else { char.to_string() });
    escaped.collect()
}

/// Whether the checkout knows what any remote has. That of a tag in CI does not.
fn has_remote_branches(root: &Path) -> bool {
    git(root, ["for-each-ref", "--count=1", "refs/remotes"]).is_some_and(|answer| !answer.trim().is_empty())
}

/// Whether a remote has the commit; also where that cannot be told.
fn is_on_remote(root: &Path, commit: &str) -> bool {
    let contains = format!("--contains={commit}");
    let answer = git(root, ["for-each-ref", "--count=1", &contains, "refs/remotes"]);
    answer.is_none_or(|answer| !answer.trim().is_empty())
}

/// The commit that is checked out around a folder, and whether the files of the checkout differ from it.
pub fn commit(root: &Path) -> Option<(String, bool)> {
    let hash = git(root, ["rev-parse", "--verify", "HEAD"])?.trim().to_owned();
    let differs = || {
        let status =
            ["status", "--porcelain=v2", "--untracked-files=no", "--ignore-submodules=untracked", "-z"];
        status_of(root, status).is_some_and(|answer| !answer.is_empty())
    };
    let differs = !runs_programs(root) && differs();
    Some((hash, differs))
}

/// What the settings of Git LFS are on every machine that has it: no stranger's program.
const LFS: [&str; 4] = [
    "filter.lfs.clean git-lfs clean -- %f",
    "filter.lfs.smudge git-lfs smudge -- %f",
    "filter.lfs.process git-lfs filter-process",
    "filter.lfs.required true",
];

/// Whether looking at files would run programs that the checkout's own configuration names, which a stranger may have
/// written: those through which files pass on their way into a commit.
fn runs_programs(root: &Path) -> bool {
    ["--local", "--worktree"].into_iter().any(|scope| {
        let answer = git(root, ["config", scope, "--includes", "--get-regexp", r"^filter\."]);
        answer.is_some_and(|answer| answer.lines().any(|line| !LFS.contains(&line)))
    })
}

/// What stands at the end of an answer of which only the beginning was read.
const MORE: char = '\u{fffd}';

/// What `git status` answers. The beginning of a long list says enough.
fn status_of<A: AsRef<OsStr>>(root: &Path, arguments: impl IntoIterator<Item = A>) -> Option<String> {
    let answer = ask_beginning(&mut command(root, arguments), DEADLINE, ANSWER)?;
    let is_whole = answer.len() as u64 <= ANSWER;
    let end = if is_whole { answer.len() } else { answer.iter().rposition(|byte| *byte == 0)? };
    let mut text = String::from_utf8_lossy(&answer[..end]).into_owned();
    text.extend((!is_whole).then_some(['\0', MORE]).into_iter().flatten());
    Some(text)
}

/// What git answers to a question; none where it fails, is not there, or takes too long.
fn git<A: AsRef<OsStr>>(root: &Path, arguments: impl IntoIterator<Item = A>) -> Option<String> {
    let answer = ask(&mut command(root, arguments), DEADLINE, ANSWER)?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// Runs git there, by nobody's configuration.
    fn run(folder: &Path, arguments: &[&str]) {
        let done = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", "-C"])
            .arg(folder)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(done.expect("git").success(), "{arguments:?}");
    }

    fn messages(folder: &Path) -> Vec<String> {
        tree(folder).into_iter().map(|finding| format!("{} {}", finding.code, finding.message)).collect()
    }

    #[test]
    fn no_checkout_is_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(tree(folder.path()), []);
        assert_eq!(tree(&folder.path().join("absent")), []);
    }

    #[test]
    fn changes_and_commits_that_others_lack_are_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let origin = folder.path().join("origin");
        let here = folder.path().join("here");
        std::fs::create_dir(&here).expect("a folder");
        run(&here, &["init", "-q", "-b", "main"]);
        std::fs::write(here.join("a"), "1").expect("written");
        assert_eq!(
            messages(&here),
            Vec::<String>::new(),
            "before the first commit there is nothing to compare"
        );
        run(&here, &["add", "a"]);
        run(&here, &["commit", "-q", "-m", "a"]);
        assert_eq!(messages(&here), Vec::<String>::new(), "without a remote nobody is meant to see it");

        run(folder.path(), &["clone", "-q", "--bare", "here", "origin"]);
        run(&here, &["remote", "add", "origin", origin.to_str().expect("a path")]);
        run(&here, &["fetch", "-q", "origin"]);
        assert_eq!(messages(&here), Vec::<String>::new());

        run(&here, &["mv", "a", "b c"]);
        std::fs::write(here.join("new"), "1").expect("written");
        let found = messages(&here);
        assert!(found[0].starts_with("QS307 b c and 1 other file differ from commit "), "{found:?}");
        assert_eq!(found.len(), 1);

        run(&here, &["add", "-A"]);
        run(&here, &["commit", "-q", "-m", "b"]);
        let found = messages(&here);
        assert!(found[0].starts_with("QS308 commit "), "{found:?}");
        assert_eq!(found.len(), 1);
        run(&here, &["push", "-q", "origin", "main"]);
        assert_eq!(messages(&here), Vec::<String>::new());
    }

    #[test]
    fn a_name_stays_on_one_line() {
        assert_eq!(shown("a\nb\u{1b}[31mé"), "a\\nb\\u{1b}[31mé");
    }

    #[test]
    fn no_program_of_the_checkout_is_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let here = folder.path();
        run(here, &["init", "-q"]);
        std::fs::write(here.join("a"), "1").expect("written");
        run(here, &["add", "a"]);
        run(here, &["commit", "-q", "-m", "a"]);
        let ran = here.join("ran");
        run(here, &["config", "filter.evil.clean", &format!("touch {}; cat", ran.display())]);
        std::fs::write(here.join(".gitattributes"), "* filter=evil\n").expect("written");
        std::fs::write(here.join("a"), "2").expect("written");
        assert_eq!(tree(here), []);
        assert!(commit(here).is_some_and(|(hash, differs)| hash.len() == 40 && !differs));
        assert!(!ran.exists(), "a stranger's program ran");
        // What everybody has for large files is none.
        run(here, &["config", "--unset", "filter.evil.clean"]);
        run(here, &["config", "filter.lfs.required", "true"]);
        assert_eq!(tree(here).len(), 1);
        assert!(commit(here).is_some_and(|(_, differs)| differs));
    }

    #[test]
    fn of_very_many_changes_the_beginning_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let here = folder.path();
        run(here, &["init", "-q"]);
        std::fs::write(here.join("a"), "1").expect("written");
        run(here, &["add", "a"]);
        run(here, &["commit", "-q", "-m", "a"]);
        for number in 0..6000 {
            std::fs::write(here.join(format!("{number:0200}")), "").expect("written");
        }
        let found = messages(here);
        assert!(found[0].contains(" and more than 5"), "{found:?}");
    }

    #[test]
    fn only_the_folder_itself_is_looked_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("service");
        std::fs::create_dir(&inner).expect("a folder");
        run(folder.path(), &["init", "-q"]);
        std::fs::write(inner.join("a"), "1").expect("written");
        run(folder.path(), &["add", "."]);
        run(folder.path(), &["commit", "-q", "-m", "a"]);
        std::fs::write(folder.path().join("other"), "1").expect("written");
        assert_eq!(tree(&inner), []);
        assert_eq!(tree(folder.path()).len(), 1);
    }
}
