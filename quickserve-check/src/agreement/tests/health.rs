//! What a health check asks for, and what answers.

use super::{NONE, Project, task};
use crate::{Subject, check};

fn asks(path: &str) -> String {
    task(&format!(
        r#", "portMappings": [{{"containerPort": 80}}], "healthCheck": {{"command": ["CMD-SHELL", "curl -f http://localhost{path} || exit 1"]}}"#
    ))
}

fn told(code: &str, path: &str, files: &[(&str, &str)]) -> Vec<String> {
    let definition = asks(path);
    let mut all = vec![("deploy/task.json", definition.as_str())];
    all.extend(files);
    Project::new(&all).coded(code)
}

const PACKAGE: (&str, &str) = ("package.json", r#"{"dependencies": {"express": "5"}}"#);
const EXPRESS: &str = "const app = express();\napp.use(express.json());\napp.use(cors());\n\
                       app.get('/', (q, r) => r.send('x'));\napp.get('/healthz', (q, r) => r.send('ok'));\napp.listen(80);\n";
const FLASK: &str = "app = Flask(__name__)\n\n@app.route(\"/healthz\")\ndef healthz():\n    return \"ok\"\n";

#[test]
fn a_path_that_no_route_has_is_found() {
    let message = "the health check asks for /health, which no route of the code has";
    let express = told("QS413", "/health", &[PACKAGE, ("server.js", EXPRESS)]);
    assert_eq!(express.len(), 1, "{express:?}");
    assert!(
        express[0].starts_with("Warning deploy/task.json:") && express[0].ends_with(message),
        "{express:?}"
    );
    assert_eq!(told("QS413", "/health", &[("app.py", FLASK)]).len(), 1);
    let fastapi = FLASK.replace("Flask(__name__)", "FastAPI()").replace(".route(", ".get(");
    assert_eq!(told("QS413", "/health", &[("main.py", &fastapi)]).len(), 1);
}

#[test]
fn the_path_of_the_settings_is_looked_for_too() {
    let project = Project::new(&[PACKAGE, ("server.js", EXPRESS)]);
    let asked = |path: &str| {
        let subject = Subject { health_path: Some(path.to_owned()), ..Subject::in_folder(project.root()) };
        let mut findings = check(&subject).findings;
        findings.retain(|finding| finding.code.to_string() == "QS413");
        findings.pop().map(|finding| finding.hint.unwrap_or_default())
    };
    assert_eq!(asked("/health").as_deref(), Some("did you mean /healthz"));
    assert_eq!(asked("/healthz"), None);
}

#[test]
fn what_may_answer_elsewhere_is_no_finding() {
    let express = |line: &str| {
        let text = EXPRESS.replace("app.use(cors());", line);
        told("QS413", "/health", &[PACKAGE, ("server.js", &text)])
    };
    for line in [
        "app.use('/api', api);",
        "app.use(routes);",
        "app.use(require('./routes'));",
        "app.use(express.static('public'));",
        "app.use(health());",
        "app.get('/:page', page);",
        "app.get('*', page);",
        "app.get(/h/, page);",
        "app.get(['/a', path], page);",
        "app.get(HEALTH, page);",
        "app.use((q, r, n) => q.path === x ? r.send() : n());",
        "const router = express.Router();",
        "register('/health');",
    ] {
        assert_eq!(express(line), NONE, "{line}");
    }
    let server = ("server.js", EXPRESS);
    let brings = ("package.json", r#"{"dependencies": {"express": "5", "@godaddy/terminus": "4"}}"#);
    assert_eq!(told("QS413", "/health", &[brings, server]), NONE);
    assert_eq!(told("QS413", "/health", &[PACKAGE, server, ("web.py", FLASK)]), NONE, "two services");
    assert_eq!(told("QS413", "/health", &[PACKAGE, server, ("routes.js", "add('/health')")]), NONE);
    assert_eq!(told("QS413", "/", &[PACKAGE, server]), NONE);
    assert_eq!(told("QS413", "/docs", &[("main.py", &FLASK.replace("Flask(__name__)", "FastAPI()"))]), NONE);
    let proxy = asks("/health").replace("}]}", "}, {\"name\": \"api\", \"image\": \"r/api:1\"}]}");
    let behind = Project::new(&[("deploy/task.json", &proxy), PACKAGE, server]);
    assert_eq!(behind.coded("QS413"), NONE, "a proxy is in front");
    assert_eq!(told("QS413", "/health", &[("server.js", "http.createServer(f).listen(80)")]), NONE);
    for line in
        ["app.register_blueprint(b)", "@app.route('/<name>')", "@app.before_request", "app.mount('/', x)"]
    {
        let text = format!("{FLASK}\n{line}\n");
        assert_eq!(told("QS413", "/health", &[("app.py", &text)]), NONE, "{line}");
    }
}

const POM: &str = "<artifactId>spring-boot-starter-actuator</artifactId>\n<artifactId>spring-boot-starter-data-jpa</artifactId>";

#[test]
fn springs_state_of_everything_is_no_liveness() {
    let found = |path: &str, pom: &str, settings: &str| {
        let settings = ("src/main/resources/application.yml", settings);
        told("QS410", path, &[("pom.xml", pom), settings])
    };
    let message = "/actuator/health is down when the database is: an outage of it ends every task";
    let all = found("/actuator/health", POM, "server:\n  port: 80\n");
    assert_eq!(all.len(), 1);
    assert!(all[0].ends_with(message), "{all:?}");
    for (path, pom, settings) in [
        ("/actuator/health/liveness", POM, ""),
        ("/actuator/health", "<artifactId>spring-boot-starter-actuator</artifactId>", ""),
        ("/actuator/health", "<artifactId>spring-boot-starter-data-jpa</artifactId>", ""),
        ("/actuator/health", POM, "management.health.db.enabled: false\n"),
        ("/actuator/health", POM, "management:\n  health:\n    db:\n      enabled: false\n"),
        ("/actuator/health", POM, "management:\n  health:\n    defaults:\n      enabled: false\n"),
    ] {
        assert_eq!(found(path, pom, settings), NONE, "{path} {settings}");
    }
}

#[test]
fn a_program_that_a_script_may_install_is_no_error() {
    let definition =
        task(r#", "healthCheck": {"command": ["CMD-SHELL", "curl -f http://localhost/ || exit 1"]}"#);
    let found = |run: &str| {
        let dockerfile = format!("FROM debian:12-slim\nCOPY . /app\n{run}\nCMD [\"/app/serve\"]\n");
        let files = [("deploy/task.json", definition.as_str()), ("Dockerfile", dockerfile.as_str())];
        let found = Project::new(&files).coded("QS412");
        found.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("RUN apt-get update && apt-get install -y libpq5"), ["Error"]);
    for run in [
        "RUN xargs -a packages.txt apt-get install -y",
        "RUN apt-get install -y $(cat packages.txt)",
        "RUN ./install.sh",
        "RUN bash /app/install",
        "COPY --from=tools /usr/local/bin/ /usr/local/bin/",
    ] {
        assert_eq!(found(run), ["Warning"], "{run}");
    }
}
