//! What is said of whole projects of a few files.

mod health;
mod listening;
mod others;
mod processors;
mod replaced;

use std::path::Path;

use quickserve_core::finding::Finding;
use tempfile::TempDir;

use crate::{Subject, check};

/// A project of a few files.
pub(crate) struct Project(TempDir);

impl Project {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let project = Self(tempfile::tempdir().expect("a folder"));
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        check(&Subject::in_folder(self.root())).findings
    }

    /// Weight, place and message of the findings with that code.
    pub(crate) fn coded(&self, code: &str) -> Vec<String> {
        let findings = self.findings().into_iter().filter(|finding| finding.code.to_string() == code);
        let line = |finding: Finding| {
            let place = finding.location.map(|place| place.to_string()).unwrap_or_default();
            format!("{:?} {place} {}", finding.severity, finding.message)
        };
        findings.map(line).collect()
    }
}

pub(crate) const NONE: [&str; 0] = [];

/// A task of one container, with these fields.
pub(crate) fn task(container: &str) -> String {
    format!(
        r#"{{"family": "t", "containerDefinitions": [{{"name": "app", "image": "r/app:1.2", "memory": 64{container}}}]}}"#
    )
}

#[test]
fn no_health_script_outside_of_the_project_is_read() {
    let outer = Project::new(&[("h.js", "http.get('http://localhost:9999/up')")]);
    let project = outer.root().join("project");
    let absolute = outer.root().join("h.js");
    for script in ["../h.js", absolute.to_str().expect("a path"), "link.js"] {
        let command = format!(
            r#", "portMappings": [{{"containerPort": 80}}], "healthCheck": {{"command": ["CMD", "node", "{script}"]}}"#
        );
        outer.write("project/deploy/task.json", &task(&command));
        if !project.join("link.js").exists() {
            std::os::unix::fs::symlink("../h.js", project.join("link.js")).expect("a link");
        }
        let findings = check(&Subject::in_folder(&project)).findings;
        let quotes = |finding: &&Finding| finding.message.contains("9999");
        assert_eq!(findings.iter().find(quotes), None, "{script}");
        outer.write("project/own.js", "http.get('http://localhost:9999/up')");
    }
    let own = task(
        r#", "portMappings": [{"containerPort": 80}], "healthCheck": {"command": ["CMD", "node", "/app/own.js"]}"#,
    );
    outer.write("project/deploy/task.json", &own);
    let findings = check(&Subject::in_folder(&project)).findings;
    assert!(findings.iter().any(|finding| finding.message.contains("9999")), "{findings:?}");
}

#[test]
fn no_workflow_and_no_script_outside_of_the_project_is_read() {
    let outer = Project::new(&[
        ("scripts/a.sh", "docker push r/a:latest\n"),
        ("b.sh", "docker push r/a:latest\n"),
        ("w.yml", "on: push\njobs:\n  a:\n    steps:\n      - run: docker push r/a:latest\n"),
        ("project/.github/workflows/ok.yml", "on: push\njobs: {}\n"),
    ]);
    let project = outer.root().join("project");
    let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, project.join(at)).expect("a link");
    link("../scripts", "scripts");
    link("../b.sh", "b.sh");
    link("../../../w.yml", ".github/workflows/w.yml");
    let findings = check(&Subject::in_folder(&project)).findings;
    let pushed = findings.iter().filter(|finding| finding.code.to_string() == "QS803");
    assert_eq!(pushed.count(), 0, "{findings:?}");
    let refused = findings
        .iter()
        .filter(|finding| finding.message.ends_with("leads out of the project, and was not read"));
    assert_eq!(refused.count(), 2, "{findings:?}");
}

/// A container that listens, with these variables; the health check asks a port where one is given.
fn listening(port: u16, variable: u16, asked: Option<u16>) -> String {
    let health = asked.map(|port| {
        format!(
            r#", "healthCheck": {{"command": ["CMD-SHELL", "wget -q http://localhost:{port}/ || exit 1"]}}"#
        )
    });
    task(&format!(
        r#", "portMappings": [{{"containerPort": {port}}}], "environment": [{{"name": "PORT", "value": "{variable}"}}]{}"#,
        health.unwrap_or_default()
    ))
}

#[test]
fn a_variable_port_counts_where_the_code_reads_it() {
    let mismatch = |definition: String, code: &str| {
        Project::new(&[("deploy/task.json", &definition), ("server.js", code)]).coded("QS203")
    };
    let reads = "listen(process.env.PORT)";
    let message = "deploy/task.json:1:177 PORT of app is 3000, and containerPort of app is 80";
    assert_eq!(mismatch(listening(80, 3000, None), reads), [format!("Error {message}")]);
    assert_eq!(
        mismatch(listening(80, 3000, None), "serve()"),
        [format!("Warning {message}")],
        "such as nginx"
    );
    assert_eq!(
        mismatch(listening(80, 3000, Some(80)), reads),
        [format!("Warning {message}")],
        "the check agrees"
    );
    let asked = mismatch(listening(3000, 3000, Some(9999)), reads);
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("Error ") && asked[0].contains("asks is 9999"), "{asked:?}");
    let named = mismatch(listening(3000, 3000, Some(9999)), "listen(process.env.PORT); admin(9999)");
    assert!(named[0].starts_with("Warning "), "{named:?}");
}

#[test]
fn the_types_of_the_contract_hold_in_a_task_definition() {
    let contract = "# @port\nPORT=3000\n# @enum(debug|info)\nLOG_LEVEL=info\n# @url\nAPI_URL=https://a.example\n# @int\nSIZE=1\n";
    let environment = r#", "environment": [{"name": "PORT", "value": "http"}, {"name": "LOG_LEVEL", "value": "verbose"}, {"name": "API_URL", "value": "${API_URL}"}, {"name": "SIZE", "value": "12"}, {"name": "OTHER", "value": "x"}]"#;
    let definition = task(environment);
    let told = Project::new(&[(".env.example", contract), ("deploy/task.json", &definition)]).coded("QS104");
    let at = |value: &str| definition.find(value).expect("there") + 1;
    let expected = [
        format!(
            "Error deploy/task.json:1:{} the value of PORT is not a port from 1 to 65535",
            at("\"http\"")
        ),
        format!(
            "Error deploy/task.json:1:{} the value of LOG_LEVEL is not one of debug, info",
            at("\"verbose\"")
        ),
    ];
    assert_eq!(told, expected);
}

const TEMPLATE: &str =
    "PORT=\nDB_USER=\nNEXT_PUBLIC_URL=\nVITE_APP_NAME=\nAWS_SECRET_ACCESS_KEY=\nAPI_KEY=\n";
const READS: &[(&str, &str)] = &[
    (
        "main.go",
        "package main\nfunc main() {\n\tport := os.Getenv(\"PORT\")\n\tif port == \"\" {\n\t\tport = \"80\"\n\t}\n}\n",
    ),
    ("src/main/resources/application.properties", "user=${DB_USER:petclinic}\n"),
    ("server.js", "key(process.env.API_KEY)\n"),
];

#[test]
fn a_template_asks_for_nothing_where_no_environment_is_known() {
    let mut files = vec![(".env.example", TEMPLATE), ("Dockerfile", "FROM a\nENV NODE_ENV=production\n")];
    files.extend(READS);
    assert_eq!(Project::new(&files).coded("QS101"), NONE);
}

#[test]
fn what_the_code_has_a_default_for_refuses_nothing() {
    let definition = task(r#", "environment": [{"name": "NODE_ENV", "value": "production"}]"#);
    let mut files = vec![(".env.example", TEMPLATE), ("deploy/task.json", &definition)];
    files.extend(READS);
    let told = Project::new(&files).coded("QS101");
    let errors: Vec<&String> = told.iter().filter(|line| line.starts_with("Error")).collect();
    assert_eq!(errors, ["Error .env.example:6:1 required variable API_KEY is missing or empty"]);
    assert_eq!(told.len(), 6, "{told:?}");
}

#[test]
fn code_calls_aws_where_it_reads_or_has_what_does() {
    let definition = task("");
    let found = |file: (&str, &str)| {
        let files = [(".env.example", "S3_BUCKET=\n"), ("deploy/task.json", definition.as_str()), file];
        Project::new(&files).coded("QS423").len()
    };
    assert_eq!(found(("server.js", "serve(process.env.PORT)")), 0, "what is declared may be left over");
    assert_eq!(found(("server.js", "open(process.env.S3_BUCKET)")), 1);
    assert_eq!(found(("package.json", r#"{"dependencies": {"@aws-sdk/client-s3": "3"}}"#)), 1);
}

#[test]
fn spring_does_not_start_without_a_value() {
    const SETTINGS: &str = "src/main/resources/application.yml";
    let environment = r#", "environment": [{"name": "DB_URL", "value": "x"}]"#;
    let found = |files: &[(&str, &str)], definition: Option<&str>| {
        let mut all = files.to_vec();
        all.extend(definition.map(|text| ("deploy/task.json", text)));
        all.push((".env.example", "# optional\nDB_URL=\n"));
        Project::new(&all).coded("QS119")
    };
    let definition = task(environment);
    let settings = "db: ${DB_URL}\nmail: ${MAIL_KEY}\nmode: ${MODE:fast}\n";
    let errors = |files: &[(&str, &str)], definition: Option<&str>| {
        found(files, definition).into_iter().filter(|line| line.starts_with("Error")).collect::<Vec<_>>()
    };
    let message =
        format!("Error {SETTINGS}:2:9 MAIL_KEY has neither value nor default: Spring does not start");
    assert_eq!(errors(&[(SETTINGS, settings)], Some(&definition)), [message]);
    let annotated = ("src/main/java/A.java", "@Value(\"${KAFKA_BROKERS}\") String brokers;");
    assert_eq!(errors(&[annotated], Some(&definition)).len(), 1);
    assert_eq!(errors(&[(SETTINGS, settings)], None), NONE, "no environment is known");
    let imports = "spring.config.import: aws-secretsmanager:/x\nmail: ${MAIL_KEY}\n";
    assert_eq!(errors(&[(SETTINGS, imports)], Some(&definition)), NONE);
    assert_eq!(errors(&[("src/main/resources/application-dev.yml", settings)], Some(&definition)), NONE);
    assert_eq!(errors(&[("src/test/resources/application.yml", settings)], Some(&definition)), NONE);
}
