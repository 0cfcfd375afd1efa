//! A port that the code fixes.

use super::{NONE, Project, task};

const DOCKERFILE: &str = "FROM node:22\nWORKDIR /app\nCOPY . .\nCMD [\"node\", \"server.js\"]\n";
const MESSAGE: &str = "the port that server.js listens on is 3000, and containerPort of app is 8080";

fn mismatch(container: &str, files: &[(&str, &str)]) -> Vec<String> {
    let definition = task(container);
    let mut all = vec![("deploy/task.json", definition.as_str())];
    all.extend(files);
    Project::new(&all).coded("QS203")
}

const PORT: &str = r#", "portMappings": [{"containerPort": 8080}]"#;

#[test]
fn a_port_that_the_code_fixes_is_compared() {
    let server = ("server.js", "app.get('/', x)\napp.listen(3000)\n");
    let dockerfile = ("Dockerfile", DOCKERFILE);
    assert_eq!(mismatch(PORT, &[server, dockerfile]), [format!("Error server.js:2:12 {MESSAGE}")]);
    assert_eq!(mismatch(PORT, &[server]), [format!("Warning server.js:2:12 {MESSAGE}")], "who starts it?");
    let start = ("package.json", r#"{"scripts": {"start": "node server.js"}}"#);
    let by_npm = ("Dockerfile", "FROM node:22\nCMD [\"npm\", \"start\"]\n");
    assert_eq!(mismatch(PORT, &[server, start, by_npm]).len(), 1);
    let variable = format!(r#"{PORT}, "environment": [{{"name": "PORT", "value": "8080"}}]"#);
    assert_eq!(mismatch(&variable, &[server, dockerfile]).len(), 1, "the variable means nothing to it");
    let exposed = format!("{DOCKERFILE}EXPOSE 3000\n");
    let told = mismatch(PORT, &[server, ("Dockerfile", &exposed)]);
    let message = "containerPort of app is 8080, and the port that server.js listens on is 3000";
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("Error deploy/task.json:") && told[0].ends_with(message), "{told:?}");
    let go = ("main.go", "package main\nfunc main() { http.ListenAndServe(\":3000\", nil) }\n");
    assert_eq!(mismatch(PORT, &[go]).len(), 1);
    let python = ("app.py", "app.run(host='0.0.0.0', port=5000)\n");
    let by_python = ("Dockerfile", "FROM python:3\nCMD [\"python\", \"app.py\"]\n");
    assert_eq!(mismatch(PORT, &[python, by_python]).len(), 1);
}

#[test]
fn a_port_that_may_be_another_is_not() {
    let dockerfile = ("Dockerfile", DOCKERFILE);
    let server = |text: &str| mismatch(PORT, &[("server.js", text), dockerfile]);
    for text in [
        "app.listen(8080)",
        "app.listen(process.env.PORT || 3000)",
        "app.listen(config.port); admin.listen(3000)",
        "app.listen(8080); admin.listen(3000)",
        "// app.listen(3000)",
    ] {
        assert_eq!(server(text), NONE, "{text}");
    }
    let listens = ("server.js", "app.listen(3000)");
    assert_eq!(mismatch(PORT, &[listens, ("lib.js", "x.listen(o)"), dockerfile]), NONE);
    assert_eq!(mismatch(PORT, &[("tests/server.js", "app.listen(3000)"), dockerfile]), NONE);
    assert_eq!(mismatch(PORT, &[("tools/dev.js", "app.listen(3000)"), dockerfile]), NONE, "another program");
    let gunicorn = ("Dockerfile", "FROM python:3\nCMD [\"gunicorn\", \"app:app\"]\n");
    assert_eq!(mismatch(PORT, &[("app.py", "app.run(port=5000)"), gunicorn]), NONE);
    let proxy =
        r#", "portMappings": [{"containerPort": 8080}]}, {"name": "api", "image": "r/api:1", "memory": 64"#;
    assert_eq!(mismatch(proxy, &[listens, dockerfile]), NONE, "a proxy is in front");
    let both = r#", "portMappings": [{"containerPort": 8080}, {"containerPort": 3000}]"#;
    assert_eq!(mismatch(both, &[listens, dockerfile]), NONE);
}
