//! What can be read and built, and from which folder.

use std::path::PathBuf;

use jiff::civil::date;

use super::{assert_fine, assert_found, line, of_code};
use crate::Subject;
use crate::dockerfile::{Circumstances, judge, read_files};

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
    let stage = "warning 4: dpes is no stage before this one";
    assert_found(511, "FROM a AS deps\nRUN x\nFROM b\nCOPY --from=dpes /a /a", stage);
    for fine in [
        "FROM a AS deps\nFROM b\nCOPY --from=deps /a /a",
        "FROM a AS deps\nFROM b\nCOPY --from=nginx /a /a",
        "FROM a AS deps\nFROM b\nCOPY --from=0 /a /a",
    ] {
        assert_fine(511, fine);
    }
    assert_found(510, "FROM a\nRUN npm ci &&\nCMD x", "error 2: nothing follows &&: no shell runs that");
    let builder = "warning 2: nothing follows ||: no shell runs that";
    assert_found(510, "FROM a AS b\nRUN npm ci || # or\nFROM c", builder);
    for fine in ["RUN cat x | tr , \\|", "RUN x # a ||", "RUN x '&&'", "RUN x &"] {
        assert_fine(510, &format!("FROM a\n{fine}\nCMD x"));
    }
    assert_fine(510, "FROM a\nRUN npm ci && \\\n  npm test\nCMD x");
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
    let circumstances = Circumstances::on(date(2026, 11, 28));
    let findings = judge(&build, &circumstances).findings;
    let missing: Vec<_> = findings.iter().filter(|finding| finding.code.number() == 511).map(line).collect();
    assert_eq!(missing, ["warning 2: other.py is copied and not in the build context"]);
}
