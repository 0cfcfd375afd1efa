//! The checks on whole files: the case study's, and shapes of well-known projects.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use quickserve_core::config::Platform;
use quickserve_core::finding::{Code, Finding, Severity};

use super::*;
use crate::{EnvironmentFile, Subject, Text};

const CASE_STUDY: &str = include_str!("../../../tests/fixtures/case-study/.env.example");

/// Files in a folder, as a subject; each file of values is for the environment that its name ends in.
struct Project {
    folder: tempfile::TempDir,
    subject: Subject,
}

fn project(contract: &str, values: &[(&str, &str)]) -> Project {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(".env.example"), contract).expect("written");
    let mut subject = Subject::in_folder(folder.path());
    for (environment, text) in values {
        let path = format!(".env.{environment}");
        std::fs::write(folder.path().join(&path), text).expect("written");
        subject.env_files.push(EnvironmentFile { environment: (*environment).to_owned(), path: path.into() });
    }
    subject.environment = Some("production".to_owned());
    subject.platform = Some(Platform::Docker);
    Project { folder, subject }
}

impl Project {
    fn findings(&self) -> Vec<Finding> {
        let (contracts, mut findings) = read(&self.subject);
        let report = judge(&self.subject, &contracts, Some(&BTreeSet::new()), None);
        findings.extend(report.findings);
        crate::facts::sort(&mut findings);
        findings
    }

    fn shown(&self) -> String {
        let mut text = String::new();
        for finding in self.findings() {
            let _ = writeln!(text, "{:?} {finding}", finding.severity);
        }
        text
    }
}

#[test]
fn a_copy_of_the_case_studys_template_is_no_configuration() {
    insta::assert_snapshot!(project(CASE_STUDY, &[("production", CASE_STUDY)]).shown());
}

#[test]
fn the_case_studys_task_definition_lacks_three_variables() {
    let mut project = project(CASE_STUDY, &[]);
    project.subject.platform = Some(Platform::Ecs);
    let (contracts, findings) = read(&project.subject);
    assert_eq!(findings, []);
    let defined = BTreeSet::from(["NODE_ENV", "PORT", "DATABASE_URL", "STRIPE_API_KEY"]);
    let report = judge(&project.subject, &contracts, Some(&defined), None);
    let messages: Vec<&str> = report.findings.iter().map(|finding| finding.message.as_str()).collect();
    let expected = ["APP_NAME", "S3_BUCKET_NAME", "TWILIO_AUTH_TOKEN"];
    assert_eq!(messages, expected.map(|name| format!("required variable {name} is missing or empty")));
    assert_eq!(judge(&project.subject, &contracts, None, None).findings, [], "nothing is guessed");
}

#[test]
fn all_that_is_wrong_with_values_is_told_and_no_value() {
    let contract = "# @url @secret\nDATABASE_URL=\n# @port\nPORT=3000\n# @enum(debug|info)\nLOG_LEVEL=info\nSTRIPE_KEY=\n\
                    # optional @int\nWORKERS=\nEMPTY=\n# optional\nSENTRY_DSN=\nJWT_SECRET=0123456789abcdef-shown\n";
    let production = "DATABASE_URI=hunter2-uri\nPORT=hunter2\nLOG_LEVEL=trace-hunter2\nSTRIPE_KEY=sk_live_xxxxx\nWORKERS=$N\n\
                      WORKERS=hunter2-w\nEMPTY=\nSENTRY_DNS=hunter2\nJWT_SECRET=0123456789abcdef-shown\nhunter2\n";
    let project = project(contract, &[("production", production)]);
    insta::assert_snapshot!(project.shown());
    let findings = project.findings();
    assert!(
        !format!("{findings:?}").contains("hunter2") && !format!("{findings:?}").contains("abcdef-shown")
    );
}

#[test]
fn what_is_right_passes() {
    let contract = "# @url\nDATABASE_URL=postgres://user:password@host/db\nNODE_ENV=production\n# optional @int\nWORKERS=4\n\
                    PATH=\nHOSTNAME=\nIMAGE_TAG=\nAPP_NAME=\n";
    let values = "DATABASE_URL=\"postgres://shop:x@db:5432/shop\"\nNODE_ENV=production\nWORKERS=\nEXTRA=1\n";
    let mut project = project(contract, &[("production", values)]);
    project.subject.variables.insert("APP_NAME".to_owned(), "shop".to_owned());
    assert_eq!(project.shown(), "");
}

#[test]
fn environments_that_differ_are_told_by_name() {
    let staging = "DATABASE_URI=x\nEXTRA=1\nSAME=1\n";
    let project = project(
        "# optional\nDEBUG_SQL=\n",
        &[("production", "DATABASE_URL=x\nSAME=2\nDEBUG_SQL=1\n"), ("staging", staging)],
    );
    insta::assert_snapshot!(project.shown());
    let (contracts, _) = read(&project.subject);
    let difference = diff(&contracts.values[0], &contracts.values[1]);
    assert_eq!(difference.first, ["DATABASE_URL", "DEBUG_SQL"]);
    assert_eq!(difference.second, ["DATABASE_URI", "EXTRA"]);
}

#[test]
fn another_environments_file_weighs_less() {
    let project = project(
        "A_NAME=\n# @int\nB_NAME=\n",
        &[("production", "A_NAME=1\nB_NAME=1\n"), ("staging", "B_NAME=x\ntwo words")],
    );
    let findings = project.findings();
    assert!(findings.iter().all(|finding| finding.severity < Severity::Error), "{findings:?}");
    let codes: BTreeSet<Code> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, BTreeSet::from([Code::MISSING_VARIABLE, Code::ENV_FILE, Code::VARIABLE_TYPE]));
}

#[test]
fn a_file_of_values_that_is_not_there_says_how_to_make_it() {
    let mut project = project("A=\n", &[]);
    let path = ".env".into();
    project.subject.env_files.push(EnvironmentFile { environment: "production".to_owned(), path });
    insta::assert_snapshot!(project.shown(), @r"
    Error QS102 .env does not exist
      --> .env:1:1
      hint: cp .env.example .env, then fill it in
    ");
}

#[test]
fn the_template_in_place_of_values_is_no_file_of_values() {
    let mut project = project(CASE_STUDY, &[]);
    let path = ".env.example".into();
    project.subject.env_files.push(EnvironmentFile { environment: "production".to_owned(), path });
    assert_eq!(project.shown(), "");
}

#[test]
fn settings_are_judged_like_values() {
    let mut project = project("# @port\nPORT=\n", &[("production", "PORT=1\n")]);
    project.subject.variables.insert("PORT".to_owned(), "http".to_owned());
    project.subject.variables.insert("MAIL_HOST".to_owned(), "<your-host>".to_owned());
    project.subject.variables.insert("VERSION".to_owned(), "${IMAGE_TAG}".to_owned());
    insta::assert_snapshot!(project.shown(), @r"
    Error QS104 the value of PORT is not a port from 1 to 65535
      --> variables.PORT
      hint: such as 3000; .env.example:2:1 asks for `@port`
    Warning QS103 the value of MAIL_HOST is a placeholder
      --> variables.MAIL_HOST
      hint: give MAIL_HOST its own value
    ");
}

/// Templates in the shapes of those of well-known projects: a web framework of PHP, one of Ruby, a content management
/// system, a chat server, an analytics platform, a tool for forms, a photo library, a git host.
const SHAPES: [&str; 8] = [
    "APP_NAME=\"My App\"\nAPP_ENV=local\nAPP_KEY=\nAPP_DEBUG=true\nAPP_URL=http://localhost\n\nDB_CONNECTION=mysql\n\
     DB_HOST=127.0.0.1\nDB_PORT=3306\nDB_DATABASE=app\nDB_USERNAME=root\nDB_PASSWORD=\n\nMAIL_FROM_ADDRESS=\"hi@example.com\"\n\
     MAIL_FROM_NAME=\"${APP_NAME}\"\nVITE_APP_NAME=\"${APP_NAME}\"\n",
    "# This is a sample configuration file.\n# You can generate secrets with `rake secret`.\n#\n# Federation\n# ----------\n\
     # This identifies your server and cannot be changed safely later\n# ----------\nLOCAL_DOMAIN=example.com\n\n\
     # Redis\n# -----\nREDIS_HOST=localhost\nREDIS_PORT=6379\n\n# Secrets\nSECRET_KEY_BASE=\nOTP_SECRET=\n\
     # Make sure to use `@` only in addresses: admin@example.com\nSMTP_LOGIN=\nSMTP_FROM_ADDRESS=Shop <shop@example.com>\n",
    "HOST=0.0.0.0\r\nPORT=1337\r\nAPP_KEYS=\"toBeModified1,toBeModified2\"\r\nAPI_TOKEN_SALT=tobemodified\r\n\
     ADMIN_JWT_SECRET=tobemodified\r\n# @see https://docs.example.com/env\r\nTRANSFER_TOKEN_SALT=tobemodified",
    "# Docker image tag, @default latest\nRELEASE=\n### MongoDB ###\nMONGODB_VERSION=6.0\nMONGO_URL=mongodb://${MONGODB_HOST:-mongodb}:27017/chat?replicaSet=rs0\n\
     ROOT_URL=http://localhost:3000\nexport BIND_IP=0.0.0.0\n#TRAEFIK=\n",
    "DATABASE_URL='postgresql://postgres:postgres@localhost:5432/postgres?schema=public'\nNEXTAUTH_SECRET=\n\
     # - E2E: set to 1 to run\n# *********\nCSP_POLICY=\nLICENSE_CONSENT=''\n# Generate with: openssl rand -base64 32\nENCRYPTION_KEY=\n",
    "FORMS_HOST=\"https://forms.example.com\"\nPRIVATE_KEY=\"-----BEGIN KEY-----\nAbC=\n-----END KEY-----\n\" # paste it\nJSON='{\"a\": [1, 2]}'\n\
     # Optional. Feature switches\nFEATURES=\n",
    "# The location where your uploaded files are stored\nUPLOAD_LOCATION=./library\n# To set a timezone, uncomment the next line\n\
     # TZ=Etc/UTC\nVERSION=release\n# Connection secret. Please use only the characters `A-Za-z0-9`\nDB_PASSWORD=postgres\n\
     # The values below this line do not need to be changed\n##########\nDB_USERNAME=postgres\n",
    "GITEA__database__DB_TYPE=postgres\nGITEA__server__ROOT_URL=https://git.example.com/\n\n   # indented\n   USER_UID = 1000\nEMPTY=\t\n_X=1\n",
];

#[test]
fn well_known_shapes_of_templates_are_read_without_a_word() {
    for shape in SHAPES {
        let (contract, findings) = Contract::read(Text::new(".env.example", shape));
        assert!(contract.variables.len() > 3, "{shape}");
        assert_eq!(findings, [], "{shape}");
    }
}

#[test]
fn well_known_shapes_as_values_give_no_error_but_of_what_is_empty() {
    for shape in SHAPES.iter().filter(|shape| !shape.contains("Shop <")) {
        let findings = project(shape, &[("production", shape)]).findings();
        let disputable = |finding: &&Finding| {
            finding.severity == Severity::Error && !finding.message.ends_with("is set to nothing")
        };
        assert_eq!(findings.iter().find(disputable), None, "{shape}");
    }
}

#[test]
fn crlf_no_newline_and_nothing_at_all_are_files() {
    for text in ["", "\r\n", "A=1", "A=1\r\n", "\u{feff}A=1", "#"] {
        assert_eq!(project(text, &[("production", text)]).shown(), "", "{text:?}");
    }
}

#[test]
fn what_is_no_text_is_a_finding() {
    let project = project("", &[]);
    std::fs::write(project.folder.path().join(".env.example"), b"A=\xff").expect("written");
    assert_eq!(project.findings().first().map(|finding| finding.code), Some(Code::CONFIGURED_FILE));
}

#[test]
fn a_large_file_is_read_in_no_time() {
    let lines: Vec<String> =
        (0..50_000).map(|index| format!("# optional @int\nNAME_{index}=\"{index}\n")).collect();
    let (contract, _) = Contract::read(Text::new("f", lines.concat()));
    assert!(contract.variables.len() > 20_000);
}
