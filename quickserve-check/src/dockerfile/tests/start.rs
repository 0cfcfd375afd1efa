//! What the image starts, and its health check, can be run.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use jiff::civil::date;

use super::{assert_fine, assert_found, line, report_of};
use crate::dockerfile::Circumstances;

const SCRIPT: &str = "#!/bin/sh\nexec \"$@\"\n";

/// What is said of a Dockerfile beside an entry script of that mode.
fn told(dockerfile: &str, script: &str, mode: u32) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), dockerfile, script, mode);
    told_of(folder.path())
}

fn write(folder: &Path, dockerfile: &str, script: &str, mode: u32) {
    std::fs::write(folder.join("Dockerfile"), dockerfile).expect("a file");
    let entry = folder.join("entry.sh");
    std::fs::write(&entry, script).expect("a file");
    std::fs::set_permissions(&entry, std::fs::Permissions::from_mode(mode)).expect("a mode");
}

fn told_of(folder: &Path) -> Vec<String> {
    let findings = report_of(folder, &Circumstances::on(date(2026, 11, 28))).findings;
    let shown = |finding: &quickserve_core::finding::Finding| {
        let file = finding.place().map_or("", |place| place.file.as_str());
        format!("{file} {}", line(finding))
    };
    findings.iter().filter(|finding| finding.code.number() == 515).map(shown).collect()
}

const ENTRY: &str = "FROM node:24-alpine\nCOPY entry.sh /\nENTRYPOINT [\"/entry.sh\"]\n";
const HANDED: &str = "FROM a AS b\nCOPY . /src\nFROM node:24-alpine\nCOPY --from=b /src/entry.sh /usr/local/bin/\nENTRYPOINT [\"entry.sh\"]\n";

#[test]
fn a_script_that_may_not_be_executed_is_told() {
    let message = |line: usize| {
        [format!(
            "Dockerfile error {line}: entry.sh may not be executed, and nothing gives it the right: no container starts"
        )]
    };
    assert_eq!(told(ENTRY, SCRIPT, 0o644), message(3));
    assert_eq!(told(HANDED, SCRIPT, 0o644), message(5));
    let init = "FROM a\nCOPY entry.sh /\nENTRYPOINT [\"dumb-init\", \"--\"]\nCMD [\"/entry.sh\", \"x\"]\n";
    assert_eq!(told(init, SCRIPT, 0o644), message(4));
    let shell = "FROM a\nCOPY entry.sh /\nCMD exec /entry.sh\n";
    assert_eq!(told(shell, SCRIPT, 0o644), message(3));
    let health = "FROM a\nCOPY entry.sh /\nHEALTHCHECK CMD /entry.sh || exit 1\n";
    let fails =
        "Dockerfile error 3: entry.sh may not be executed, and nothing gives it the right: it always fails";
    assert_eq!(told(health, SCRIPT, 0o644), [fails]);
    let other = "FROM a\nCOPY entry.sh /\nRUN apk add --no-cache tini && chmod +x /usr/local/bin/tool\nENTRYPOINT [\"/entry.sh\"]\n";
    assert_eq!(told(other, SCRIPT, 0o644), message(4));
    for fine in [
        "FROM a\nCOPY --chmod=755 entry.sh /\nENTRYPOINT [\"/entry.sh\"]",
        "FROM a\nCOPY entry.sh /\nRUN chmod +x /entry.sh\nENTRYPOINT [\"/entry.sh\"]",
        "FROM a\nCOPY . /app\nRUN chmod -R 755 /app\nENTRYPOINT [\"/app/entry.sh\"]",
        "FROM a\nCOPY . /app\nRUN find /app -name '*.sh' -exec chmod +x {} +\nENTRYPOINT [\"/app/entry.sh\"]",
        "FROM a AS b\nCOPY . /s\nRUN chmod +x /s/*.sh\nFROM c\nCOPY --from=b /s/entry.sh /\nENTRYPOINT [\"/entry.sh\"]",
        "FROM a AS b\nCOPY . /s\nFROM c\nCOPY --from=b --chmod=0755 /s/entry.sh /\nENTRYPOINT [\"/entry.sh\"]",
        "FROM a\nCOPY entry.sh /\nENTRYPOINT [\"sh\", \"/entry.sh\"]",
        "FROM a\nCOPY entry.sh /\nENTRYPOINT [\"/bin/sh\", \"-c\", \". /entry.sh\"]",
        "FROM a\nENTRYPOINT [\"/entry.sh\"]",
    ] {
        assert_eq!(told(fine, SCRIPT, 0o644), [""; 0], "{fine}");
    }
    assert_eq!(told(ENTRY, SCRIPT, 0o755), [""; 0]);
    assert_eq!(told(HANDED, SCRIPT, 0o755), [""; 0]);
}

#[test]
fn what_git_keeps_of_a_script_counts_too() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), ENTRY, SCRIPT, 0o755);
    let git = |arguments: &[&str]| {
        let status = std::process::Command::new("git").args(arguments).current_dir(folder.path()).output();
        assert!(status.expect("git").status.success(), "{arguments:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    write(folder.path(), ENTRY, &SCRIPT.replace('\n', "\r\n"), 0o644);
    let told = told_of(folder.path());
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("Dockerfile warning 3: entry.sh may not be executed"), "{told:?}");
}

#[test]
fn a_script_with_the_line_ends_of_windows_is_told() {
    let message = ["entry.sh error 1: the lines of entry.sh end as on Windows: no container starts"];
    let windows = "#!/bin/sh\r\nexec \"$@\"\r\n";
    assert_eq!(told(ENTRY, windows, 0o755), message);
    let by_shell = "FROM a\nCOPY entry.sh /\nCMD [\"sh\", \"/entry.sh\"]\n";
    assert_eq!(told(by_shell, windows, 0o644), message);
    let mended = "FROM a\nCOPY entry.sh /\nRUN sed -i 's/\\r$//' /entry.sh\nCMD [\"sh\", \"/entry.sh\"]\n";
    assert_eq!(told(mended, windows, 0o644), [""; 0]);
}

#[test]
fn the_interpreter_of_a_script_is_there() {
    let message = |base: &str| {
        [format!("entry.sh error 1: entry.sh asks for bash, which {base} does not have: no container starts")]
    };
    for first in ["#!/bin/bash", "#!/usr/bin/env bash", "#!/usr/bin/env -S bash -e"] {
        let script = format!("{first}\nexec \"$@\"\n");
        assert_eq!(told(ENTRY, &script, 0o755), message("node:24-alpine"), "{first}");
    }
    let bash = "#!/bin/bash\nexec \"$@\"\n";
    let rest = "COPY entry.sh /\nENTRYPOINT [\"/entry.sh\"]\n";
    for fine in [
        format!("FROM node:24-alpine\nRUN apk add --no-cache bash\n{rest}"),
        format!("FROM node:24\n{rest}"),
        format!("FROM acme/base\n{rest}"),
    ] {
        assert_eq!(told(&fine, bash, 0o755), [""; 0], "{fine}");
    }
    let listed = format!("FROM alpine\nRUN apk add $PACKAGES\n{rest}");
    assert!(told(&listed, bash, 0o755)[0].starts_with("entry.sh warning 1:"));
    let none = "exec \"$@\"\n";
    let message =
        "entry.sh error 1: entry.sh does not begin with #!, and is run without a shell: no container starts";
    assert_eq!(told(ENTRY, none, 0o755), [message]);
    assert_eq!(told("FROM a\nCOPY entry.sh /\nCMD /entry.sh\n", none, 0o755), [""; 0], "the shell reads it");
}

#[test]
fn what_is_started_is_in_the_image() {
    let shell =
        |base: &str| format!("error 2: CMD is in shell form, and {base} has no shell: no container starts");
    assert_found(515, "FROM scratch\nCMD /app", &shell("scratch"));
    let base = "gcr.io/distroless/nodejs22-debian12";
    assert_found(515, &format!("FROM {base}\nCMD node server.js"), &shell(base));
    let runs = |name: &str, base: &str| {
        format!("error 2: CMD runs {name}, which {base} does not have: no container starts")
    };
    assert_found(515, "FROM scratch\nCMD [\"sh\", \"-c\", \"/app\"]", &runs("sh", "scratch"));
    assert_found(
        515,
        "FROM node:24-alpine\nCMD [\"bash\", \"-c\", \"node x\"]",
        &runs("bash", "node:24-alpine"),
    );
    assert_found(515, "FROM alpine:3.22\nCMD [\"node\", \"server.js\"]", &runs("node", "alpine:3.22"));
    let tini = "error 2: ENTRYPOINT runs tini, which node:24-slim does not have: no container starts";
    assert_found(515, "FROM node:24-slim\nENTRYPOINT [\"tini\", \"--\"]\nCMD [\"node\", \"x.js\"]", tini);
    let twice = format!(
        "error 2: {base} starts node by itself, which takes node for its script: no container starts"
    );
    assert_found(515, &format!("FROM {base}\nCMD [\"node\", \"server.js\"]"), &twice);
    let path = "error 3: CMD runs app, which is in no folder of PATH: no container starts";
    assert_found(515, "FROM scratch\nCOPY --from=b /src/app /app\nCMD [\"app\"]", path);
    for fine in [
        "FROM scratch\nCOPY --from=b /src/app /app\nCMD [\"/app\"]",
        "FROM scratch\nCOPY --from=b /src/app /bin/\nCMD [\"app\"]",
        "FROM scratch\nCOPY --from=busybox:musl /bin/sh /bin/sh\nCMD /app",
        "FROM node:24-alpine\nRUN apk add --no-cache tini\nENTRYPOINT [\"/sbin/tini\", \"--\"]\nCMD [\"node\", \"x.js\"]",
        "FROM alpine\nRUN apk add --no-cache nodejs\nCMD [\"node\", \"server.js\"]",
        "FROM debian\nRUN apt-get install -y python3\nCMD [\"python\", \"x.py\"]",
        "FROM gcr.io/distroless/nodejs22-debian12\nCMD [\"server.js\"]",
        "FROM gcr.io/distroless/static:debug\nCMD [\"/busybox/sh\", \"-c\", \"x\"]",
        "FROM acme/base\nCMD bash x",
        "FROM node:24-alpine\nCMD sh -c 'node x'",
    ] {
        assert_fine(515, fine);
    }
    let copied = super::found(515, "FROM scratch\nCOPY --from=x / /\nCMD /app").expect("a finding");
    assert!(copied.starts_with("warning"), "{copied}");
}

#[test]
fn what_the_health_check_of_an_image_runs_is_in_it() {
    let runs = |name: &str, base: &str| {
        format!("error 2: HEALTHCHECK runs {name}, which {base} does not have: it always fails")
    };
    let curl = "HEALTHCHECK CMD curl -f http://localhost/ || exit 1";
    assert_found(412, &format!("FROM node:24-alpine\n{curl}"), &runs("curl", "node:24-alpine"));
    assert_found(412, &format!("FROM python:3.13-slim\n{curl}"), &runs("curl", "python:3.13-slim"));
    let exec = "FROM gcr.io/distroless/static\nHEALTHCHECK CMD [\"wget\", \"-q\", \"http://localhost/\"]";
    assert_found(412, exec, &runs("wget", "gcr.io/distroless/static"));
    let shell = "error 2: HEALTHCHECK is in shell form, and scratch has no shell: it always fails";
    assert_found(412, "FROM scratch\nHEALTHCHECK CMD /app health", shell);
    for fine in [
        format!("FROM node:24\n{curl}"),
        format!("FROM alpine\nRUN apk add --no-cache curl\n{curl}"),
        "FROM alpine\nHEALTHCHECK CMD wget -q --spider http://localhost/ || exit 1".to_owned(),
        "FROM scratch\nHEALTHCHECK CMD [\"/app\", \"health\"]".to_owned(),
        "FROM alpine\nHEALTHCHECK NONE".to_owned(),
    ] {
        assert_fine(412, &fine);
    }
}

#[test]
fn tools_of_another_distribution_end_the_build() {
    let message = |line: usize, name: &str, base: &str, family: &str| {
        format!("error {line}: {name} is not in {base}, which is {family}: the build fails")
    };
    let apt = "FROM node:24-alpine\nRUN apt-get update && apt-get install -y curl";
    assert_found(516, apt, &message(2, "apt-get", "node:24-alpine", "Alpine"));
    assert_found(516, "FROM alpine\nRUN useradd -m app", &message(2, "useradd", "alpine", "Alpine"));
    let apk = "FROM python:3.13-slim\nRUN apk add --no-cache curl";
    assert_found(516, apk, &message(2, "apk", "python:3.13-slim", "Debian"));
    let option = "error 2: adduser of node:24 has no such option: the build fails";
    assert_found(516, "FROM node:24\nRUN addgroup app && adduser -S app -G app", option);
    let stage = "FROM golang:1.25-alpine AS b\nRUN apt-get update\nFROM scratch\nCOPY --from=b /x /";
    assert_found(516, stage, &message(2, "apt-get", "golang:1.25-alpine", "Alpine"));
    let unbuilt = "FROM alpine AS b\nRUN apt-get update\nFROM scratch";
    let told = super::found(516, unbuilt).expect("a finding");
    assert!(told.starts_with("warning 2:"), "{told}");
    for fine in [
        "FROM alpine\nRUN apk add --no-cache shadow && useradd app",
        "FROM alpine\nRUN if command -v apt-get; then apt-get update; else apk update; fi",
        "FROM node:24\nRUN adduser --system app && apt-get update",
        "FROM alpine\nRUN adduser -S app",
        "FROM nginx:1.29-alpine\nRUN apk add curl",
        "FROM acme/base\nRUN apt-get update",
        "FROM amazonlinux:2023\nRUN dnf install -y nginx",
        "FROM node@sha256:00\nRUN apk add curl",
    ] {
        assert_fine(516, fine);
    }
}
