//! What the final image is: its user, its health check, its bases, its ports.

use jiff::civil::date;
use quickserve_core::finding::Severity;

use super::{assert_fine, assert_found, found, of_code, report_on};
use crate::dockerfile::Circumstances;

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
fn an_image_should_have_a_health_check() {
    assert_found(502, "FROM a", "warning 1: no HEALTHCHECK: a process that hangs looks healthy");
    assert_found(502, "FROM a\nHEALTHCHECK NONE", "warning 2: the health check is switched off");
    assert_fine(502, "FROM a AS b\nHEALTHCHECK CMD x\nFROM b");
    let circumstances = Circumstances { has_other_health_check: true, ..Circumstances::on(date(2026, 1, 1)) };
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
fn bases_that_have_ended_are_found() {
    let message = "Node.js 18 gets no security updates since 2025-04-30";
    assert_found(513, "FROM node:18-alpine AS a\nFROM node:18-alpine", &format!("warning 2: {message}"));
    assert_found(513, "FROM node:18 AS a\nFROM scratch", &format!("info 1: {message}"));
    assert!(found(513, "FROM node:20").is_some());
    assert!(found(513, "FROM debian:buster-slim").is_some());
    for fine in ["FROM node:22", "FROM node", "FROM acme/node:18", "FROM debian:bookworm", "FROM node:18x"] {
        assert_fine(513, fine);
    }
    let early = Circumstances::on(date(2025, 4, 30));
    let findings = report_on(&[("Dockerfile", "FROM node:18")], &early).findings;
    assert!(findings.iter().all(|finding| finding.code.number() != 513));
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
fn a_health_check_asks_the_port_of_the_service() {
    let asks = "HEALTHCHECK CMD curl -f http://localhost:3000/health || exit 1";
    let exposed = "warning 3: HEALTHCHECK asks port 3000, and EXPOSE says 8080";
    assert_found(203, &format!("FROM a\nEXPOSE 8080\n{asks}"), exposed);
    let port = "warning 3: HEALTHCHECK asks port 3000, and PORT is 8080";
    assert_found(203, &format!("FROM a\nENV PORT=8080\n{asks}"), port);
    let command = "warning 3: HEALTHCHECK asks port 3000, and the command listens on 8000";
    assert_found(203, &format!("FROM a\nCMD [\"uvicorn\", \"a:b\", \"--port\", \"8000\"]\n{asks}"), command);
    let exec = "FROM a\nEXPOSE 80\nHEALTHCHECK CMD [\"wget\", \"-q\", \"http://127.0.0.1:81/\"]";
    assert_found(203, exec, "warning 3: HEALTHCHECK asks port 81, and EXPOSE says 80");
    for fine in [
        format!("FROM a\nEXPOSE 3000\n{asks}"),
        format!("FROM a\n{asks}"),
        format!("FROM a\nEXPOSE 80 3000\nENV PORT=80\n{asks}"),
        format!("FROM a\nEXPOSE 8080\nENV MANAGEMENT_SERVER_PORT=3000\n{asks}"),
        "FROM a\nEXPOSE 80\nHEALTHCHECK CMD curl -f http://localhost:$PORT/".to_owned(),
        "FROM a\nEXPOSE 80\nHEALTHCHECK CMD curl -f http://db:5432/".to_owned(),
    ] {
        assert_fine(203, &fine);
    }
}

#[test]
fn somebody_creates_the_user() {
    let error = |line: usize, base: &str| {
        format!("error {line}: nobody creates the user app, whom {base} does not have: no container starts")
    };
    assert_found(511, "FROM node:22\nRUN npm ci --omit=dev\nUSER app", &error(3, "node:22"));
    assert_found(511, "FROM scratch\nCOPY --from=b /srv /srv\nUSER app:app", &error(3, "scratch"));
    assert_found(
        511,
        "FROM gcr.io/distroless/static:nonroot\nUSER app",
        &error(2, "gcr.io/distroless/static:nonroot"),
    );
    let other =
        "FROM node:22 AS a\nRUN addgroup apps && adduser -S nodejs -G apps\nFROM a\nARG U=app\nUSER $U";
    assert_found(511, other, &error(5, "node:22"));
    let packages = "FROM debian:13\nRUN apt-get update && apt-get install -y libpq5\nUSER app";
    let message = "warning 3: neither debian:13 nor a command here is known to create the user app";
    assert_found(511, packages, message);
    for fine in [
        "FROM node:22\nUSER node",
        "FROM nginx\nUSER nginx",
        "FROM php:8-apache\nUSER www-data",
        "FROM python:3.13\nUSER 10001:app",
        "FROM gcr.io/distroless/static\nUSER nonroot:nonroot",
        "FROM acme/base\nUSER app",
        "FROM $BASE\nUSER app",
        "FROM golang:1-windowsservercore\nUSER ContainerUser",
        "FROM debian\nRUN useradd --system app\nUSER app",
        "FROM debian AS a\nRUN adduser app\nFROM a\nUSER app",
        "FROM debian\nARG U=app\nRUN adduser $U\nUSER $U",
        "FROM debian\nRUN <<E\nset -e\nuseradd app\nE\nUSER app",
        "FROM debian\nRUN echo app:x:7:7::/: >> /etc/passwd\nUSER app",
        "FROM alpine\nRUN apk add app-server\nUSER app",
        "FROM debian\nCOPY s.sh /\nRUN /s.sh\nUSER app",
        "FROM debian\nRUN sh s.sh\nUSER app",
        "FROM debian\nRUN make users\nUSER app",
        "FROM scratch\nCOPY --from=b /etc/passwd /etc/passwd\nUSER app",
        "FROM scratch\nCOPY --from=b / /\nUSER app",
        "FROM scratch\nADD rootfs.tar.gz /srv\nUSER app",
        "FROM debian\nWORKDIR /etc\nCOPY passwd .\nUSER app",
    ] {
        let found = of_code(511, &[("Dockerfile", fine)]);
        assert!(!found.iter().any(|line| line.contains("the user app")), "{fine}: {found:?}");
    }
}
