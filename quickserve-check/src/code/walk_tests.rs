use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use tempfile::TempDir;

use super::*;

/// A project with these files.
fn project(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    folder
}

fn scan(folder: &TempDir) -> (Code, Vec<Finding>) {
    walk(&Subject::in_folder(folder.path()))
}

fn git(folder: &TempDir, arguments: &[&str]) {
    let done = Command::new("git").args(arguments).current_dir(folder.path()).output().expect("git");
    assert!(done.status.success(), "git {arguments:?}");
}

fn committed(code: &Code) -> Vec<String> {
    code.committed.iter().map(|finding| format!("{:?} {finding}", finding.severity)).collect()
}

/// A token in pieces, since this repository is searched too.
fn token() -> String {
    ["gh", "p_", "kT7zQ2mXw9RbL4vN8sJ1dF6hY3cP5gA0eUiO"].concat()
}

#[test]
fn what_is_ignored_or_made_by_a_program_is_left_out() {
    let folder = project(&[
        (".gitignore", "secret/\n*.log\n"),
        (".github/workflows/a.yml", ""),
        ("server.js", "f(process.env.A1)"),
        ("node_modules/x/index.js", "f(process.env.B1)"),
        ("secret/x.js", "f(process.env.C1)"),
        ("tests/x.js", "f(process.env.D1)"),
        ("src/deep/main.py", "os.environ['E1']"),
        ("a.log", ""),
        ("binary.js", "process.env.F1\0"),
    ]);
    let (code, findings) = scan(&folder);
    let files: Vec<String> = code.files.iter().map(|path| path.display().to_string()).collect();
    let expected =
        [".github/workflows/a.yml", ".gitignore", "binary.js", "server.js", "src/deep/main.py", "tests/x.js"];
    assert_eq!(files, expected);
    assert_eq!(code.names().into_iter().collect::<Vec<_>>(), ["A1", "E1"]);
    assert_eq!(code.usages[0].place.to_string(), "server.js:1:15");
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn links_are_not_followed_and_a_loop_ends() {
    let folder = project(&[("a/server.js", "f(process.env.A1)")]);
    symlink("..", folder.path().join("a/up")).expect("a link");
    symlink("loop", folder.path().join("loop")).expect("a link");
    symlink("a/server.js", folder.path().join("link.js")).expect("a link");
    let (code, findings) = scan(&folder);
    assert_eq!(code.usages.len(), 1);
    assert!(code.files.contains(Path::new("link.js")));
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn what_cannot_be_read_is_one_finding() {
    let folder = project(&[("a.js", ""), ("b.js", ""), ("c/d.js", ""), ("e.js", "f(process.env.A1)")]);
    let locked = ["a.js", "b.js", "c"].map(|name| folder.path().join(name));
    for path in &locked {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000)).expect("permissions");
    }
    let (code, findings) = scan(&folder);
    std::fs::set_permissions(&locked[2], std::fs::Permissions::from_mode(0o700)).expect("permissions");
    assert_eq!(code.usages.len(), 1);
    // Root reads everything.
    if std::fs::File::open(&locked[0]).is_err() {
        assert_eq!(findings.len(), 2);
        assert!(findings[1].message.ends_with("secrets: a.js, b.js"), "{}", findings[1].message);
        assert_eq!(findings[1].severity, Severity::Info);
    }
    let names = ["a", "b", "c", "d"].map(String::from);
    let message = |names: &[String]| unread_files(names).map(|finding| finding.message);
    assert_eq!(message(&[]), None);
    assert!(message(&names[..1]).is_some_and(|message| message.starts_with("a cannot be read, so")));
    assert!(message(&names).is_some_and(|message| message.ends_with("secrets: a, b, c, ...")));
}

#[test]
fn a_folder_that_cannot_be_read_is_told_with_its_path() {
    let folder = project(&[("deploy/run.sh", ""), (".github/workflows/a.yml", ""), ("a.js", "")]);
    let locked = ["deploy", ".github/workflows", "a.js"];
    let seen = locked.map(|name| {
        let error = ignore::Error::WithPath {
            path: folder.path().join(name),
            err: Box::new(ignore::Error::Io(io::Error::from(io::ErrorKind::PermissionDenied))),
        };
        unwalked(folder.path(), &error).expect("a path")
    });
    let (_, findings) = gather(&Subject::in_folder(folder.path()), seen.into(), None);
    let told: Vec<_> = findings.iter().map(|finding| (finding.severity, finding.message.as_str())).collect();
    let folders = "2 folders cannot be read, so that nothing in them was checked: deploy, .github/workflows";
    let file = "a.js cannot be read, so that it was not searched for variables and secrets";
    assert_eq!(told, [(Severity::Warning, folders), (Severity::Info, file)]);
    assert!(unread_folders(&["deploy".to_owned()]).is_some_and(|finding| {
        finding.message == "folder deploy cannot be read, so that nothing in it was checked"
            && finding.location.is_some_and(|location| location.to_string() == "deploy")
    }));
}

#[test]
fn a_root_that_is_not_there_has_no_files() {
    let (code, findings) = walk(&Subject::in_folder("/nowhere/at/all"));
    assert!(code.files.is_empty());
    assert!(findings.len() <= 1);
}

#[test]
fn secrets_count_where_git_has_them() {
    let (token, example) = (token(), "sk_live_xxxxx");
    let folder = project(&[
        (".gitignore", ".env\n"),
        (".env", &format!("A1=x\nGITHUB_TOKEN={token}\n")),
        (".env.example", &format!("STRIPE_API_KEY={example}\n")),
        (".env.staging", "LOG_LEVEL=debug\n"),
        ("config.js", &format!("const t = '{token}';\n")),
        ("new.js", &format!("const t = '{token}';\n")),
        ("tests/a.js", &format!("const t = '{token}';\n")),
    ]);
    git(&folder, &["init", "-q"]);
    git(&folder, &["add", "-f", ".env", ".env.example", ".env.staging", "config.js", "tests"]);
    let (code, _) = scan(&folder);
    let shown = committed(&code).join("\n");
    assert!(!shown.contains(&token));
    insta::assert_snapshot!(shown);
}

#[test]
fn without_git_a_secret_in_code_is_a_warning() {
    let token = token();
    let folder =
        project(&[(".env", &format!("TOKEN={token}")), ("config.js", &format!("const t = '{token}';"))]);
    let (code, _) = scan(&folder);
    let findings = committed(&code);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].starts_with("Warning QS107 a GitHub token stands in a file that git would take"));
}

#[test]
fn a_line_with_a_secret_in_it_is_not_shown() {
    let folder = project(&[("a.js", &format!("t = process.env.A1 || '{}';\nu = process.env.B1;", token()))]);
    let (code, _) = scan(&folder);
    assert_eq!(code.usages.iter().map(|usage| usage.excerpt.is_some()).collect::<Vec<_>>(), [false, true]);
}
