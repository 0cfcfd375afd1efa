//! A folder with a service in it, a state folder of its own, and images; dropped, nothing of it is left.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_quickserve");

/// A folder from which the command is run.
pub(crate) struct Shop {
    folder: TempDir,
    /// The service's name, unique on this machine.
    pub(crate) service: String,
    pub(crate) port: u16,
    images: Vec<String>,
}

/// What a command left.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    text: String,
}

impl Shop {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        let folder = TempDir::new().expect("a folder");
        let name = folder.path().file_name().and_then(|name| name.to_str()).expect("a name");
        let unique: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let service = format!("shop{}", unique.to_lowercase());
        std::fs::create_dir(folder.path().join("shop")).expect("a folder");
        Self { folder, service, port: free_port(), images: Vec::new() }
    }

    /// The storefront, and images of its versions.
    pub(crate) fn with_images(versions: &[&str]) -> Self {
        let mut shop = Self::empty();
        shop.configure("");
        shop.write(".env.example", "DATABASE_URL=\nSTRIPE_API_KEY=\n");
        shop.write(".env", "DATABASE_URL=postgresql://u:s3cret-value@db/shop\nSTRIPE_API_KEY=s3cret-value\n");
        for version in versions {
            shop.build(version);
        }
        shop
    }

    /// Writes quickserve.toml; `more` comes before the first table.
    pub(crate) fn configure(&self, more: &str) {
        let Self { service, port, .. } = self;
        let text = format!(
            r#"service = "{service}"
port = 3000
health_check = {{ path = "/health", grace = "2s" }}
env_contract = ".env.example"
{more}
[deploy]
bake_time = "300ms"
[[smoke]]
path = "/health"
expect = {{ status = 200, json = {{ "/status" = "OK" }} }}
[environments.local]
public_port = {port}
env_file = ".env"
"#
        );
        self.write("quickserve.toml", &text);
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("a file");
    }

    /// Where the command is run.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("shop")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The name of a version's image.
    pub(crate) fn image(&self, version: &str) -> String {
        format!("{}:{version}", self.service)
    }

    fn build(&mut self, version: &str) {
        let image = self.image(version);
        let target = Path::new(BINARY).ancestors().nth(2).expect("a target folder");
        let storefront = target.join("artifacts/storefront");
        assert!(storefront.exists(), "{} is missing; `make artifacts` builds it", storefront.display());
        let context = self.folder.path().join("image");
        std::fs::create_dir_all(&context).expect("a folder");
        std::fs::copy(storefront, context.join("storefront")).expect("a copy");
        let dockerfile = format!(
            "FROM scratch\nCOPY storefront /storefront\nLABEL of={image}\nENTRYPOINT [\"/storefront\"]\n"
        );
        std::fs::write(context.join("Dockerfile"), dockerfile).expect("a file");
        docker(&["build", "--quiet", "--tag", &image, &context.display().to_string()]);
        self.images.push(image);
    }

    /// The command with nothing of this process's environment but what it needs.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .env_clear()
            .env("QUICKSERVE_STATE_DIR", self.state())
            .env("USER", "ada")
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.path())
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.ran(arguments, &self.command(arguments).output().expect("a run"))
    }

    /// Runs it with variables.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        self.ran(arguments, &command.envs(variables.iter().copied()).output().expect("a run"))
    }

    /// Starts it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a process")
    }

    pub(crate) fn ran(&self, arguments: &[&str], output: &Output) -> Ran {
        let code = output.status.code().unwrap_or(-1);
        let stdout = String::from_utf8(output.stdout.clone()).expect("text");
        let stderr = String::from_utf8(output.stderr.clone()).expect("text");
        for text in [&stdout, &stderr] {
            assert!(!text.contains("s3cret-value"), "a secret value is shown: {text}");
        }
        let mut text = format!("$ quickserve {}\n", arguments.join(" "));
        for (name, stream) in [("stdout", &stdout), ("stderr", &stderr)] {
            if !stream.is_empty() {
                let _ = write!(text, "--- {name}\n{}\n", stream.trim_end());
            }
        }
        let _ = write!(text, "--- exit {code}");
        Ran { code, text: self.redacted(&text), stdout, stderr }
    }

    /// What differs from run to run, in the same width.
    fn redacted(&self, text: &str) -> String {
        let text = text
            .replace(&self.service, "shop")
            .replace(&self.folder.path().display().to_string(), "/folder")
            .replace(&self.port.to_string(), "18080");
        numbered_releases(&text)
    }

    /// What the service answers on its public port.
    pub(crate) fn version(&self) -> String {
        let (_, body) = self.get("/version");
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        answer["version"].as_str().unwrap_or("nothing").to_owned()
    }

    fn get(&self, path: &str) -> (u16, String) {
        use std::io::{Read as _, Write as _};
        let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", self.port)) else {
            return (0, String::new());
        };
        let request = format!("GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        (status, body.to_owned())
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if self.images.is_empty() {
            return;
        }
        // The file may be one that a test has broken.
        self.configure("");
        let _ = self.command(&["down", "--volumes"]).output();
        let _ = self.command(&["router", "stop", "--force"]).output();
        for image in &self.images {
            let _ = Command::new("docker").args(["image", "rm", "--force", image]).output();
        }
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Ran {
    /// The lines of stdout as JSON.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

/// Compares what ran with a snapshot of that name.
pub(crate) fn snapshot(name: &str, ran: &Ran) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, text) in FILTERS {
        settings.add_filter(pattern, *text);
    }
    settings.bind(|| insta::assert_snapshot!(name, ran));
}

const FILTERS: &[(&str, &str)] = &[
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "2026-11-23T07:12:31.123456789Z"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "2026-11-23 07:12:31Z"),
    // An event is told before its step is journalled, so a sudden death may leave either.
    (r"(now at|left at): [^;\n]+", "$1: bake r-000001 for 300s"),
    // It stays while another test's service is on it.
    (r"(, |; with )the network", ""),
    (r"\d\d:\d\d:\d\dZ", "07:12:31Z"),
    (r"\b\d+\.\d s", "0.0 s"),
    (r"d-\d{8}-", "d-20261123-"),
    (r"sha256:[0-9a-f]{4}…", "sha256:4be2…"),
    (r"-(\d+)-[0-9a-f]{8}\b", "-$1-1a2b3c4d"),
    (r"127\.0\.0\.1:(1[0-79]|[2-9])\d{3,4}", "127.0.0.1:40000"),
    (r"ada@[\w.-]+", "ada@host"),
    (r"process \d+ \([^)]*\)", "process 4711 (listener)"),
    (r"pid \d+", "pid 4711"),
];

/// Releases by the order of their appearance: which one is meant stays plain.
fn numbered_releases(text: &str) -> String {
    let mut known: Vec<String> = Vec::new();
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("r-") {
        let (before, found) = rest.split_at(at + 2);
        let digits: String = found.chars().take_while(char::is_ascii_hexdigit).take(12).collect();
        let word = before[..at].ends_with(|last: char| last.is_ascii_alphanumeric());
        shown.push_str(before);
        rest = found;
        if digits.len() < 6 || word {
            continue;
        }
        let short = digits[..6].to_owned();
        let place = known.iter().position(|one| *one == short).unwrap_or_else(|| {
            known.push(short);
            known.len() - 1
        });
        let _ = write!(shown, "{:0width$}", place + 1, width = digits.len());
        rest = &rest[digits.len()..];
    }
    shown + rest
}

/// Runs docker, which these tests need.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output();
    let output = output.expect("these tests need the docker command");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {}: {stderr}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A port that nobody listens on, of five digits.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
