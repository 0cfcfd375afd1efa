//! Rules on tiny files: found, and not found.

use std::path::{Path, PathBuf};

use jiff::civil::date;
use quickserve_core::finding::{Finding, Severity};
use quickserve_core::preflight::Report;

use super::{Circumstances, judge, read_files};
use crate::Subject;

/// A folder with these files, checked on a day of its own; what is wrong with the files themselves comes first.
fn report(files: &[(&str, &str)]) -> Report {
    report_on(files, &Circumstances { today: date(2026, 11, 28), has_other_health_check: false })
}

fn report_on(files: &[(&str, &str)], circumstances: &Circumstances) -> Report {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    report_of(folder.path(), circumstances)
}

fn report_of(folder: &Path, circumstances: &Circumstances) -> Report {
    let subject = Subject {
        root: folder.to_owned(),
        dockerfile: Some(PathBuf::from("Dockerfile")),
        ..Subject::default()
    };
    let (build, findings) = read_files(&subject);
    Report { passed: 0, findings }.and(judge(&build, circumstances))
}

/// "code weight line: message" of the findings with that code.
fn of_code(code: u16, files: &[(&str, &str)]) -> Vec<String> {
    let findings = report(files).findings;
    findings.iter().filter(|finding| finding.code.number() == code).map(line).collect()
}

fn line(finding: &Finding) -> String {
    let weight = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let line = finding.place().map_or(0, |place| place.line);
    format!("{weight} {line}: {}", finding.message)
}

/// Whether a Dockerfile alone gives a finding with that code.
fn found(code: u16, dockerfile: &str) -> Option<String> {
    let mut found = of_code(code, &[("Dockerfile", dockerfile)]);
    assert!(found.len() < 2, "{found:?}");
    found.pop()
}

#[track_caller]
fn assert_found(code: u16, dockerfile: &str, expected: &str) {
    assert_eq!(found(code, dockerfile).as_deref(), Some(expected), "{dockerfile}");
}

#[track_caller]
fn assert_fine(code: u16, dockerfile: &str) {
    assert_eq!(found(code, dockerfile), None, "{dockerfile}");
}

#[test]
fn a_syntax_error_hides_nothing_else() {
    let files = [("Dockerfile", "FROM debian\nRUNN x\nUSER root\n")];
    assert_eq!(of_code(510, &files), ["error 2: RUNN is no instruction"]);
    let secret = [("Dockerfile", "FROM scratch\nENV K=1\n3f9c1a77d0e2\nMIIEvQIBADANBgkqhkiG9w0B\nFOO x\n")];
    let expected = [
        "error 3: this is no instruction",
        "error 4: this is no instruction",
        "error 5: FOO is no instruction",
    ];
    assert_eq!(of_code(510, &secret), expected, "a part of a secret stays out");
    assert_eq!(of_code(501, &files), ["warning 3: the image runs as root"]);
    assert_eq!(of_code(510, &[("Dockerfile", "")]), ["error 1: there is no FROM"]);
    assert_eq!(of_code(117, &[("other", "")]), ["error 1: Dockerfile does not exist"]);
    let huge = "FROM a\n".repeat(4_000);
    let message = "warning 1: Dockerfile has more than 2000 instructions and was not judged";
    assert_eq!(of_code(510, &[("Dockerfile", &huge)]), [message]);
    let deep = format!("FROM a\n{}", "ONBUILD ".repeat(15_000));
    assert_eq!(of_code(510, &[("Dockerfile", &deep)]), ["error 2: ONBUILD cannot follow ONBUILD"]);
    let ignore = [("Dockerfile", "FROM a"), (".dockerignore", "a\nb[\n")];
    assert_eq!(of_code(510, &ignore), ["error 2: a pattern that Docker rejects"]);
}

#[test]
fn the_image_should_not_run_as_root() {
    let no_user = "warning 1: no USER: the image runs as root";
    assert_found(501, "FROM debian", no_user);
    assert_found(501, "FROM scratch", no_user);
    assert_found(501, "FROM a AS b\nUSER x\nUSER 0:0", "warning 3: the image runs as root");
    assert_found(501, "FROM node\nARG U=root\nUSER $U", "warning 3: the image runs as root");
    assert_found(501, "FROM node AS a\nUSER node\nFROM debian", "warning 3: no USER: the image runs as root");
    let unknown = "info 1: no USER, and which user ghcr.io/acme/base:1 sets is not known here";
    assert_found(501, "FROM ghcr.io/acme/base:1", unknown);
    assert_found(501, "FROM $BASE", "info 1: no USER, and the base is known to the build alone");
    for fine in [
        "FROM node\nUSER node",
        "FROM node AS a\nUSER node\nFROM a",
        "FROM gcr.io/distroless/static-debian12:nonroot",
        "FROM cgr.dev/chainguard/node:latest",
        "FROM nginxinc/nginx-unprivileged:1.27",
        "FROM debian\nUSER $UID",
        "FROM redis\nENTRYPOINT [\"gosu\", \"redis\", \"redis-server\"]",
    ] {
        assert_fine(501, fine);
    }
    let entry = [
        ("Dockerfile", "FROM debian\nCOPY entry.sh /\nENTRYPOINT [\"/entry.sh\"]"),
        ("entry.sh", "#!/bin/sh\nexec su-exec app \"$@\"\n"),
    ];
    assert_eq!(of_code(501, &entry), [""; 0]);
}

#[test]
fn what_cannot_be_built_is_found() {
    let version = "error 1: no ARG before the first FROM has NODE_VERSION, which is empty here";
    assert_found(510, "FROM node:${NODE_VERSION}-alpine", version);
    assert_found(510, "FROM node:$NODE_VERSION\nARG NODE_VERSION=20", version);
    for fine in [
        "ARG NODE_VERSION\nFROM node:${NODE_VERSION}-alpine",
        "FROM node:${NODE_VERSION:-20}",
        "FROM --platform=$BUILDPLATFORM a-$TARGETARCH",
    ] {
        assert_fine(510, fine);
    }
    let stage = "error 4: dpes is no stage before this one";
    assert_found(511, "FROM a AS deps\nRUN x\nFROM b\nCOPY --from=dpes /a /a", stage);
    for fine in [
        "FROM a AS deps\nFROM b\nCOPY --from=deps /a /a",
        "FROM a AS deps\nFROM b\nCOPY --from=nginx /a /a",
        "FROM a AS deps\nFROM b\nCOPY --from=0 /a /a",
    ] {
        assert_fine(511, fine);
    }
    assert_found(510, "FROM a\nRUN npm ci &&\nCMD x", "error 2: nothing follows &&: no shell runs that");
    assert_fine(510, "FROM a\nRUN npm ci && \\\n  npm test\nCMD x");
}

#[test]
fn an_image_should_have_a_health_check() {
    assert_found(502, "FROM a", "warning 1: no HEALTHCHECK: a process that hangs looks healthy");
    assert_found(502, "FROM a\nHEALTHCHECK NONE", "warning 2: the health check is switched off");
    assert_fine(502, "FROM a AS b\nHEALTHCHECK CMD x\nFROM b");
    let circumstances = Circumstances { today: date(2026, 1, 1), has_other_health_check: true };
    let findings = report_on(&[("Dockerfile", "FROM a")], &circumstances).findings;
    let check = findings.iter().find(|finding| finding.code.number() == 502).expect("a finding");
    assert_eq!(check.severity, Severity::Info);
    let hint =
        "add HEALTHCHECK CMD with a program that the image has, for where it runs without a task definition";
    assert_eq!(check.hint.as_deref(), Some(hint));
}

#[test]
fn a_base_should_be_pinned() {
    let untagged =
        "warning 1: base node without a tag, which is latest can be another image with every build";
    assert_found(503, "FROM node", untagged);
    assert_found(503, "FROM a:latest", "warning 1: base a:latest can be another image with every build");
    assert_found(503, "FROM a:1 AS x\nFROM a:1", "info 2: base a:1 has no digest: its tag can be moved");
    assert_found(503, "ARG V=1\nFROM a:$V", "info 2: base a:1 has no digest: its tag can be moved");
    let from = "FROM scratch\nCOPY --from=ghcr.io/astral-sh/uv:latest /uv /bin/";
    let message = "warning 2: base ghcr.io/astral-sh/uv:latest can be another image with every build";
    assert_found(503, from, message);
    for fine in
        ["FROM scratch", "FROM $X", "FROM a@sha256:0 AS b\nFROM b\nCOPY --from=b /x /y\nCOPY --from=0 /x /y"]
    {
        assert_fine(503, fine);
    }
}

#[test]
fn dependencies_are_installed_before_the_sources_come() {
    let message =
        "all sources are copied before `npm ci` (line 4): every change installs all dependencies again";
    assert_found(504, "FROM node\nWORKDIR /a\nCOPY . .\nRUN npm ci\n", &format!("warning 3: {message}"));
    assert!(found(504, "FROM python\nCOPY . /a\nRUN pip install -r requirements.txt").is_some());
    assert!(found(504, "FROM golang\nADD . .\nRUN go mod download").is_some());
    assert!(
        found(504, "FROM rust\nCOPY . .\nRUN cargo build --release").expect("a finding").starts_with("info")
    );
    for fine in [
        "FROM node\nCOPY package*.json ./\nRUN npm ci\nCOPY . .\nRUN npm run build",
        "FROM node AS deps\nCOPY package.json .\nRUN npm ci\nFROM deps\nCOPY . .\nRUN npm ci --omit=dev",
        "FROM node\nRUN npm install -g pnpm\nCOPY . .\nRUN npm run build",
        "FROM python\nCOPY . .\nRUN pip install gunicorn && pip install .",
        "FROM rust\nCOPY . .\nRUN --mount=type=cache,target=/usr/local/cargo/registry cargo build",
        "FROM node\nCOPY --from=x . .\nRUN npm ci",
    ] {
        assert_fine(504, fine);
    }
}

#[test]
fn the_final_image_has_nothing_to_build_with() {
    let found_tools = |text: &str| found(505, text).unwrap_or_default();
    assert_eq!(
        found_tools("FROM alpine:3\nRUN apk add --no-cache --virtual .x gcc musl-dev=1 curl"),
        "warning 2: tools for building stay in the final image: gcc, musl-dev"
    );
    assert_eq!(
        found_tools("FROM debian:12\nRUN <<EOF\nset -e\napt-get update\napt-get install -y git\nEOF"),
        "warning 5: tools for building stay in the final image: git"
    );
    assert_eq!(
        found_tools("FROM golang:1.99"),
        "warning 1: the final image is built on golang:1.99, which is for building"
    );
    assert!(found_tools("FROM mcr.microsoft.com/dotnet/sdk:10.0 AS a\nFROM a").starts_with("warning 1"));
    assert!(found_tools("FROM eclipse-temurin:21-jdk").starts_with("info 1"));
    assert!(found_tools("FROM python:3.12").starts_with("info 1"));
    assert_eq!(
        found_tools("FROM node:22-slim\nRUN npm install"),
        "warning 2: `npm install` leaves dependencies of development in the final image"
    );
    assert_eq!(
        found_tools(
            "FROM node:22 AS b\nRUN npm ci\nFROM node:22-slim\nCOPY --from=b /a/node_modules ./node_modules"
        ),
        "warning 4: node_modules of `npm ci` (line 2) have what only development needs"
    );
    for fine in [
        "FROM alpine:3\nRUN apk add --virtual .x gcc && make && apk del .x",
        "FROM debian:12\nRUN apt-get install -y gcc && make && apt-get purge -y gcc",
        "FROM debian:12 AS b\nRUN apt-get install -y gcc\nFROM debian:12-slim\nRUN apt-get install -y libpq5 curl",
        "FROM eclipse-temurin:21-jre",
        "FROM node:22-slim\nENV NODE_ENV=production\nRUN npm ci",
        "FROM node:22-slim\nRUN npm ci && npm run build && npm prune --omit=dev",
        "FROM node:22-slim\nRUN npm ci --omit=dev && npm install -g pm2",
        "FROM node:22 AS b\nRUN npm ci --only=production\nFROM node:22-slim\nCOPY --from=b /node_modules ./node_modules",
        "FROM node:22-slim\nRUN yarn install --frozen-lockfile --production=true",
    ] {
        assert_fine(505, fine);
    }
}

#[test]
fn secrets_stay_out_of_what_is_copied() {
    let dockerfile = ("Dockerfile", "FROM a AS b\nCOPY . .\nFROM c\nCOPY . /app\n");
    let env = (".env", "DB_PASSWORD=4f9a8e21c0\n");
    let message = "error 4: .env is copied into the image, and nothing keeps it out";
    let ignore = (".dockerignore", "node_modules\n.git");
    assert_eq!(of_code(506, &[dockerfile, env, ignore]), [message]);
    let builder = ("Dockerfile", "FROM a AS b\nCOPY . .\nFROM c\n");
    let message = "warning 2: .env is copied into a layer of the build, and nothing keeps it out";
    assert_eq!(of_code(506, &[builder, env, ignore]), [message]);
    let key = ("conf/tls.key", "-----BEGIN PRIVATE KEY-----\n");
    let folder = ("Dockerfile", "FROM a\nCOPY conf /etc/app\n");
    let message = "error 2: conf/tls.key is copied into the image, and nothing keeps it out";
    assert_eq!(of_code(506, &[folder, key]), [message]);
    for fine in [
        &[dockerfile, env, (".dockerignore", ".env*\n!.env.example\n.git")][..],
        &[dockerfile, (".env.example", "DB_PASSWORD=4f9a8e21c0"), ignore],
        &[folder, env],
        &[folder, ("conf/ca.pem", "-----BEGIN CERTIFICATE-----\n")],
        &[("Dockerfile", "FROM a\nCOPY --exclude=.env . /app"), env, ignore],
        &[dockerfile, (".env", ""), ignore],
    ] {
        assert_eq!(of_code(506, fine), [""; 0], "{fine:?}");
    }
    let harmless = of_code(506, &[dockerfile, (".env", "PORT=3000"), ignore]);
    assert!(harmless[0].starts_with("warning"), "{harmless:?}");
    let fixture = of_code(506, &[dockerfile, ("tests/x.key", "-----BEGIN PRIVATE KEY-----"), ignore]);
    assert!(fixture[0].starts_with("warning"), "{fixture:?}");
}

#[test]
fn the_history_and_modules_stay_out_too() {
    let dockerfile = ("Dockerfile", "FROM a\nCOPY . .\n");
    let none =
        |what: &str| [format!("warning 2: the whole folder is copied and there is no .dockerignore{what}")];
    assert_eq!(of_code(506, &[dockerfile]), none(""));
    assert_eq!(of_code(506, &[dockerfile, ("main.go", ""), (".git/HEAD", "x")]), none(": .git goes with it"));
    let both = [dockerfile, (".env", ""), (".git/HEAD", "x"), ("node_modules/a", "")];
    assert_eq!(of_code(506, &both), none(": .git, node_modules and .env go with it"));
    let git = (".git/HEAD", "x");
    let sent = "warning 2: .git is copied into the image: the whole history";
    assert_eq!(of_code(506, &[dockerfile, git, (".dockerignore", "*.md")]), [sent]);
    assert_eq!(of_code(506, &[dockerfile, git, (".dockerignore", "**\n!src")]), [""; 0]);
    assert_eq!(
        of_code(506, &[dockerfile, git, ("Dockerfile.dockerignore", ".git/**"), (".dockerignore", "")]),
        [""; 0]
    );
    assert_eq!(of_code(506, &[("Dockerfile", "FROM a\nCOPY src .\n"), git, ("src/a", "")]), [""; 0]);
}

#[test]
fn sigterm_reaches_the_program() {
    let shell = "the shell may stay process 1 and keep SIGTERM from node";
    assert_found(507, "FROM a\nCMD node x.js", &format!("warning 2: CMD is in shell form: {shell}"));
    assert_found(
        507,
        "FROM a\nENTRYPOINT [\"sh\", \"-c\", \"sleep 1 && node x\"]",
        &format!("warning 2: ENTRYPOINT starts a shell: {shell}"),
    );
    let npm = "warning 2: `npm start` makes npm process 1, which ends badly on SIGTERM";
    assert_found(507, "FROM a\nCMD npm start", npm);
    assert_found(507, "FROM a\nCMD [\"npm\", \"start\"]", npm);
    let both = of_code(507, &[("Dockerfile", "FROM a\nENTRYPOINT node x\nCMD [\"y\"]")]);
    let ignored = "warning 3: CMD has no effect: ENTRYPOINT is run by a shell, which gets no arguments";
    assert_eq!(both, [ignored, &format!("warning 2: ENTRYPOINT is in shell form: {shell}")]);
    for fine in [
        "FROM a\nCMD [\"node\", \"x.js\"]",
        "FROM a\nCMD exec node x.js",
        "FROM a\nCMD [\"sh\", \"-c\", \"migrate && exec node x\"]",
        "FROM a\nENTRYPOINT [\"tini\", \"--\", \"npm\", \"start\"]",
        "FROM a\nENTRYPOINT [\"dumb-init\", \"sh\", \"-c\", \"a; b\"]",
        "FROM a\nCMD x\nCMD [\"y\"]",
        "FROM a AS b\nCMD x\nFROM c\nCMD [\"y\"]",
        "FROM a\nENTRYPOINT []\nCMD [\"y\"]",
        "FROM a",
    ] {
        assert_fine(507, fine);
    }
}

#[test]
fn a_script_replaces_itself_by_the_program() {
    let dockerfile = ("Dockerfile", "FROM a\nWORKDIR /app\nCOPY . .\nENTRYPOINT [\"./bin/start.sh\"]\n");
    let message =
        "warning 4: bin/start.sh does not replace itself by what it starts: SIGTERM ends the script alone";
    assert_eq!(
        of_code(507, &[dockerfile, ("bin/start.sh", "#!/bin/sh\n# exec later\nmigrate\nnode x\n")]),
        [message]
    );
    for script in ["#!/bin/sh\nmigrate && exec \"$@\"", "trap stop TERM\nnode x & wait", "", "node x; exec y"]
    {
        assert_eq!(of_code(507, &[dockerfile, ("bin/start.sh", script)]), [""; 0], "{script}");
    }
}

#[test]
fn a_script_is_found_along_the_path_as_well() {
    let text = "FROM a\nCOPY docker-entrypoint.sh /usr/local/bin/\nENTRYPOINT [\"docker-entrypoint.sh\"]\nCMD [\"x\"]\n";
    let files = [("Dockerfile", text), ("docker-entrypoint.sh", "#!/bin/bash\nset -e\n\"$@\"\n")];
    assert!(of_code(507, &files)[0].contains("docker-entrypoint.sh does not replace itself"));
    let init = text.replace("[\"docker", "[\"tini\", \"--\", \"docker");
    assert_eq!(of_code(507, &[("Dockerfile", &init), files[1]]).len(), 1);
    assert_eq!(of_code(507, &[files[0], ("docker-entrypoint.sh", "#!/bin/bash\nexec \"$@\"\n")]), [""; 0]);
}

#[test]
fn deprecated_words_are_found() {
    assert_found(509, "FROM a\nMAINTAINER me", "warning 2: MAINTAINER is deprecated");
    assert_found(509, "FROM a\nENV A b c", "info 2: ENV without = is deprecated");
    let npm = "warning 3: npm --only=production is deprecated";
    assert_found(509, "FROM a\nRUN x && \\\n  npm ci --only=production", npm);
    assert!(
        found(509, "FROM a\nRUN curl x | apt-key add -")
            .expect("a finding")
            .starts_with("warning 2: apt-key")
    );
    let add = "warning 2: ADD of a URL without a checksum takes whatever is there";
    assert_found(509, "FROM a\nADD https://x.org/y.tgz /", add);
    assert_found(509, "FROM openjdk:17", "warning 1: the image openjdk is deprecated and gets no updates");
    for fine in [
        "FROM a\nENV A=b",
        "FROM a\nRUN npm ci --omit=dev",
        "FROM a\nRUN npm run build --production",
        "FROM a\nADD --checksum=sha256:0 https://x.org/y.tgz /",
        "FROM a\nADD https://github.com/x/y.git#v1 /y",
        "FROM a\nRUN echo 'apt-key add'",
    ] {
        assert_fine(509, fine);
    }
}

#[test]
fn what_is_copied_is_there() {
    let dockerfile =
        ("Dockerfile", "FROM a\nCOPY package*.json srv.js dist /app/\nCOPY public/x*.css /app/\n");
    let message = "warning 2: srv.js is copied and not in the build context";
    assert_eq!(of_code(511, &[dockerfile, ("server.js", "")]), [message]);
    let copied = ("Dockerfile", "FROM a\nCOPY config/app.yaml /etc/\nCOPY package*.json ./");
    let files = [copied, ("config/app.yaml", ""), ("package.json", ""), (".dockerignore", "config")];
    let message = "error 2: config/app.yaml is copied, and .dockerignore leaves it out: the build fails";
    assert_eq!(of_code(511, &files), [message]);
    let unmatched = [copied, ("config/app.yaml", ""), ("package.json", ""), (".dockerignore", "*.json")];
    let message = "warning 3: package*.json matches no file that .dockerignore lets through";
    assert_eq!(of_code(511, &unmatched), [message]);
    let fine = [
        copied,
        ("config/app.yaml", ""),
        ("package.json", ""),
        (".dockerignore", "*\n!config/app.yaml\n!pack*"),
    ];
    assert_eq!(of_code(511, &fine), [""; 0]);
    let folder = (
        "Dockerfile",
        "FROM a\nCOPY src /a\nCOPY --from=x nothing /b\nADD https://x.org/y.tgz /\nCOPY <<E /c\nE\n",
    );
    assert_eq!(of_code(511, &[folder, ("src/a", ""), (".dockerignore", "src\n!src/a")]), [""; 0]);
}

#[test]
fn npm_ci_has_its_lock_file() {
    let dockerfile = ("Dockerfile", "FROM a\nCOPY package*.json ./\nRUN npm ci\n");
    let message = "error 3: npm ci needs package-lock.json, and there is none: the build fails";
    assert_eq!(of_code(511, &[dockerfile, ("package.json", "{}")]), [message]);
    let ignored =
        [dockerfile, ("package.json", "{}"), ("package-lock.json", "{}"), (".dockerignore", "*lock*")];
    let message = "error 3: npm ci needs package-lock.json, and .dockerignore leaves it out: the build fails";
    assert_eq!(of_code(511, &ignored), [message]);
    assert_eq!(of_code(511, &[dockerfile, ("package.json", "{}"), ("package-lock.json", "{}")]), [""; 0]);
    let deeper = ("Dockerfile", "FROM a\nCOPY web/package*.json ./\nRUN npm ci\n");
    assert_eq!(of_code(511, &[deeper, ("web/package.json", "{}"), ("web/package-lock.json", "")]), [""; 0]);
    for fine in [
        "FROM a\nCOPY . /app\nWORKDIR /app/web\nRUN npm ci\n",
        "FROM a\nCOPY . .\nRUN npm install --package-lock-only && npm ci\n",
        "FROM a\nCOPY . .\nRUN cd web && npm ci\n",
    ] {
        assert_eq!(of_code(511, &[("Dockerfile", fine), ("package.json", "{}")]), [""; 0], "{fine}");
    }
    let made = ("Dockerfile", "FROM a\nCOPY package.json .\nCOPY --from=x /lock .\nRUN npm ci\n");
    assert_eq!(of_code(511, &[made, ("package.json", "{}")]), [""; 0]);
}

#[test]
fn what_is_run_is_there() {
    let text = "FROM a\nWORKDIR /app\nCOPY . .\nHEALTHCHECK CMD node healthcheck.js || exit 1\nCMD [\"node\", \"server.js\"]\n";
    let dockerfile = ("Dockerfile", text);
    let server = ("server.js", "");
    let message = "warning 4: healthcheck.js is run and not in the build context";
    assert_eq!(of_code(511, &[dockerfile, server]), [message]);
    let ignored = [dockerfile, server, ("healthcheck.js", ""), (".dockerignore", "health*")];
    let message = "error 4: healthcheck.js is run, and .dockerignore leaves healthcheck.js out of the image";
    assert_eq!(of_code(511, &ignored), [message]);
    assert_eq!(of_code(511, &[dockerfile, server, ("healthcheck.js", "")]), [""; 0]);
    for fine in [
        "FROM a\nWORKDIR /app\nCOPY . .\nCMD [\"node\", \"dist/server.js\"]",
        "FROM a\nWORKDIR /app\nCOPY . .\nRUN npm run build\nCMD [\"node\", \"server.js\"]",
        "FROM a\nWORKDIR /app\nCOPY --from=b /app .\nCMD [\"node\", \"server.js\"]",
        "FROM a\nCMD [\"node\", \"server.js\"]",
        "FROM a\nWORKDIR /app\nCOPY . .\nCMD [\"node\", \"--require\", \"x\", \"server.js\"]",
        "FROM a\nWORKDIR /app\nCOPY . .\nCMD python -m app",
    ] {
        assert_eq!(of_code(511, &[("Dockerfile", fine), ("package.json", "{}")]), [""; 0], "{fine}");
    }
    let start = ("Dockerfile", "FROM a\nWORKDIR /app\nCOPY . .\nCMD [\"node\", \"src/idx.js\"]\n");
    let absent = |weight: &str| [format!("{weight} 4: src/idx.js is run and not in the build context")];
    assert_eq!(of_code(511, &[start, ("src/index.js", "")]), absent("error"));
    assert_eq!(of_code(511, &[start]), absent("warning"), "the context may be another");
    assert_eq!(of_code(511, &[start, ("src/a.js", ""), ("src/idx.ts", "")]), absent("warning"));
    assert_eq!(of_code(511, &[start, ("src/a.js", ""), (".gitignore", "/src/idx.js")]), absent("warning"));
    let chmod = "FROM a\nCOPY . /\nRUN chmod +x /entry.sh\nENTRYPOINT [\"/entry.sh\"]";
    let message = "warning 4: entry.sh is run and not in the build context";
    assert_eq!(of_code(511, &[("Dockerfile", chmod)]), [message]);
    let named = "FROM a\nCOPY web/server.js /srv/\nCMD [\"node\", \"/srv/server.js\"]";
    assert_eq!(of_code(511, &[("Dockerfile", named), ("web/server.js", "")]), [""; 0]);
}

#[test]
fn bases_that_have_ended_are_found() {
    let message = "Node.js 18 gets no security updates since 2025-04-30";
    assert_found(513, "FROM node:18-alpine AS a\nFROM node:18-alpine", &format!("warning 2: {message}"));
    assert_found(513, "FROM node:18 AS a\nFROM scratch", &format!("info 1: {message}"));
    assert!(found(513, "FROM node:20").is_some());
    assert!(found(513, "FROM debian:buster-slim").is_some());
    for fine in ["FROM node:22", "FROM node", "FROM acme/node:18", "FROM debian:bookworm", "FROM node:18x"] {
        assert_fine(513, fine);
    }
    let early = Circumstances { today: date(2025, 4, 30), has_other_health_check: false };
    let findings = report_on(&[("Dockerfile", "FROM node:18")], &early).findings;
    assert!(findings.iter().all(|finding| finding.code.number() != 513));
}

#[test]
fn secrets_are_no_variables_of_the_image() {
    assert_found(
        106,
        "FROM a\nENV X=1 \\\n  DB_PASSWORD=4f9a8e21c0",
        "error 3: ENV DB_PASSWORD holds a secret",
    );
    assert_found(
        106,
        "FROM a AS b\nARG NPM_TOKEN=4f9a8e21c0\nFROM c",
        "error 2: ARG NPM_TOKEN holds a secret",
    );
    assert_found(106, "FROM a\nENV URL=postgres://app:4f9a8e21c0@db/x", "error 2: ENV URL holds a secret");
    let weak = "warning 2: ENV DB_PASSWORD is a password that everybody guesses";
    let login = "error 2: a login with its password stands in a command of the image";
    assert_found(106, "FROM a\nRUN docker login -u me --password Tr0ub4dor3x r.io", login);
    assert_found(106, "FROM a\nENV DB_PASSWORD=root", weak);
    let argument = "FROM a\nARG NPM_TOKEN\nRUN echo //x:_authToken=${NPM_TOKEN} > .npmrc && npm ci";
    let history = "warning 2: the build argument NPM_TOKEN stays readable in the image's history";
    assert_found(106, argument, history);
    let kept = "warning 3: ENV API_TOKEN keeps the build argument API_TOKEN in the image";
    assert_found(106, "FROM a\nARG API_TOKEN\nENV API_TOKEN=$API_TOKEN", kept);
    for fine in [
        "FROM a\nENV NODE_ENV=production PORT=3000",
        "FROM a\nENV DB_PASSWORD= API_KEY=changeme TOKEN_TTL=3600",
        "FROM a\nENV DB_PASSWORD_FILE=/run/secrets/db",
        "FROM a\nENV MYSQL_RANDOM_ROOT_PASSWORD=yes MYSQL_ALLOW_EMPTY_PASSWORD=1",
        "FROM a\nARG VERSION\nRUN echo $VERSION",
        "FROM a\nARG NPM_TOKEN\nRUN --mount=type=secret,id=npm npm ci",
    ] {
        assert_fine(106, fine);
    }
}

#[test]
fn no_value_of_a_secret_is_shown() {
    let secret = "4f9a8e21c0d7";
    let text = format!(
        "FROM a\nENV DB_PASSWORD={secret}\nENV API_TOKEN {secret}\nARG KEY_SECRET={secret}\nENV A=1 {secret}\n\
         LABEL {secret}\nENV DATABASE_URL=postgres://u:{secret}@db.example.org/x\nENV PORT=1 DB_PASSWORD={secret}\nEXPOSE 2\n\
         RUN npm config set //x/:_authToken={secret} && npm ci --only=production\n\
         RUN curl -u me:{secret} https://x.org/k | apt-key add -\nCOPY . .\nRUN npm ci --token {secret}\n\
         CMD serve --password {secret}\n"
    );
    let findings = report(&[("Dockerfile", &text)]).findings;
    assert!(findings.len() > 5);
    for finding in findings {
        let shown = format!("{finding:#}");
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn settings_of_one_environment_are_no_part_of_the_image() {
    let message = "DATABASE_URL is fixed in the image, and differs between environments";
    assert_found(
        124,
        "FROM a\nENV DATABASE_URL=postgres://db.internal:5432/x",
        &format!("warning 2: {message}"),
    );
    assert!(found(124, "FROM a\nENV REDIS_HOST=redis").is_some());
    for fine in [
        "FROM a\nENV NODE_ENV=production PORT=3000 HOST=0.0.0.0 APP_URL=http://localhost:3000",
        "FROM a\nENV TINI_URL=https://x.org/tini\nRUN curl $TINI_URL",
        "FROM a\nENV PIP_INDEX_URL=https://pypi.org/simple",
        "FROM a AS b\nENV API_URL=https://api.x.org\nFROM c",
        "FROM a\nENV DATABASE_URL=sqlite:///data/x.db DB_HOST= LISTEN_ADDR=:8080",
    ] {
        assert_fine(124, fine);
    }
}

#[test]
fn ports_agree_within_the_file() {
    assert_found(203, "FROM a\nENV PORT=8080\nEXPOSE 3000", "warning 2: PORT is 8080, and EXPOSE says 3000");
    let command = "warning 3: the command listens on 8000, and EXPOSE says 80";
    assert_found(203, "FROM a\nEXPOSE 80\nCMD [\"uvicorn\", \"a:b\", \"--port\", \"8000\"]", command);
    assert!(found(203, "FROM a\nEXPOSE 80\nCMD [\"gunicorn\", \"--bind=0.0.0.0:8000\", \"a\"]").is_some());
    for fine in [
        "FROM a\nENV PORT=8080\nEXPOSE $PORT 9090",
        "FROM a\nENV PORT=8080",
        "FROM a\nEXPOSE 80\nCMD [\"cp\", \"-p\", \"8000\"]",
        "FROM a\nEXPOSE 80\nCMD [\"uvicorn\", \"a:b\", \"--port\", \"$PORT\"]",
    ] {
        assert_fine(203, fine);
    }
}

#[test]
fn a_context_elsewhere_is_the_one_that_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("app")).expect("a folder");
    std::fs::write(folder.path().join("app/main.py"), "").expect("a file");
    std::fs::write(folder.path().join("Dockerfile"), "FROM a\nCOPY main.py other.py /\n").expect("a file");
    let subject = Subject {
        root: folder.path().to_owned(),
        dockerfile: Some(PathBuf::from("Dockerfile")),
        context: Some(PathBuf::from("app")),
        ..Subject::default()
    };
    let (build, _) = read_files(&subject);
    let circumstances = Circumstances { today: date(2026, 11, 28), has_other_health_check: false };
    let findings = judge(&build, &circumstances).findings;
    let missing: Vec<_> = findings.iter().filter(|finding| finding.code.number() == 511).map(line).collect();
    assert_eq!(missing, ["warning 2: other.py is copied and not in the build context"]);
}

/// The case study's own two files, beside the files that they speak of.
#[test]
fn the_case_study_is_judged_rightly() {
    let fixture = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/case-study").join(name);
        std::fs::read_to_string(path).expect("the case study")
    };
    let (dockerfile, ignore) = (fixture("Dockerfile"), fixture(".dockerignore"));
    let files = [
        ("Dockerfile", &*dockerfile),
        (".dockerignore", &*ignore),
        ("package.json", "{}"),
        ("package-lock.json", "{}"),
        ("server.js", ""),
        ("healthcheck.js", ""),
        (".env", "DB_PASSWORD=4f9a8e21c0\n"),
        (".env.example", "DB_PASSWORD=\n"),
        (".git/HEAD", ""),
        ("node_modules/express/index.js", ""),
    ];
    let shown = |report: Report| {
        let mut findings = report.findings;
        crate::facts::sort(&mut findings);
        findings
            .iter()
            .map(|finding| format!("{:?} {finding}", finding.severity))
            .collect::<Vec<_>>()
            .join("\n")
    };
    insta::assert_snapshot!("case_study", shown(report(&files)));
    insta::assert_snapshot!("case_study_alone", shown(report(&files[..2])));
}
