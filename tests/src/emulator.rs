//! The emulator `ministack`: AWS's answers with real containers behind them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::shop::{free_port, tool};

/// A busy machine takes its time to start a Python program.
const START: Duration = Duration::from_secs(90);
/// A running emulator of its own. It ends with the value, and so do its containers.
#[derive(Debug)]
pub struct Emulator {
    /// Its port on this machine.
    pub port: u16,
    process: Child,
}

impl Emulator {
    /// The access key of the account that it is used with.
    pub const ACCOUNT: &'static str = "test";

    /// Starts one.
    pub async fn start() -> Self {
        let port = free_port();
        let process = Command::new(tool("bin/ministack"))
            .env("GATEWAY_PORT", port.to_string())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("the emulator");
        let mut emulator = Self { port, process };
        let began = Instant::now();
        while emulator.try_http("GET", "/_ministack/health", &[], b"").is_none_or(|(status, _)| status != 200)
        {
            let ended = emulator.process.try_wait().expect("its state");
            assert!(ended.is_none(), "the emulator ended at once: {ended:?}");
            assert!(began.elapsed() < START, "the emulator does not answer after {START:?}");
            sleep(Duration::from_millis(100)).await;
        }
        emulator
    }

    /// One request, with nothing of what is under test.
    pub fn http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
        self.try_http(method, path, headers, body).unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }

    fn try_http(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_mins(1))).ok()?;
        let headers: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let headers = headers.concat();
        let (port, length) = (self.port, body.len());
        let first = format!("{method} {path} HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n");
        let head = format!("{first}{headers}content-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }

    /// A call of an AWS service in an account.
    pub fn aws(&self, account: &str, service: &str, target: &str, request: &Value) -> Value {
        let scope = format!("{account}/20261129/us-east-1/{service}/aws4_request");
        let signature = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target),
            ("authorization", &*signature),
        ];
        let (status, body) = self.http("POST", "/", &headers, request.to_string().as_bytes());
        assert_eq!(status, 200, "{target}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{target}: {error} in {body}"))
    }

    /// A call of a service that speaks AWS's query protocol; what it answers is XML.
    pub fn query(&self, account: &str, service: &str, form: &[(&str, &str)]) -> String {
        let scope = format!("{account}/20261129/us-east-1/{service}/aws4_request");
        let signature = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", &*signature)];
        let body: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let (status, answer) = self.http("POST", "/", &headers, body.join("&").as_bytes());
        assert_eq!(status, 200, "{form:?}: {answer}");
        answer
    }

    /// Makes a role that this service of AWS may take, and that may do nothing.
    pub fn role(&self, account: &str, name: &str, trusted: &str) {
        let trust = json!({ "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "Service": trusted } }] });
        let trust = trust.to_string();
        let role = [("Action", "CreateRole"), ("RoleName", name), ("AssumeRolePolicyDocument", &trust)];
        self.query(account, "iam", &role);
    }

    /// Lets a role do everything.
    pub fn allow_all(&self, account: &str, role: &str) {
        let all = json!({ "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] }).to_string();
        let policy = [
            ("Action", "PutRolePolicy"),
            ("RoleName", role),
            ("PolicyName", "all"),
            ("PolicyDocument", &all),
        ];
        self.query(account, "iam", &policy);
    }

    /// Makes a repository for images.
    pub fn repository(&self, name: &str) {
        let target = "AmazonEC2ContainerRegistry_V20150921.CreateRepository";
        self.aws(Self::ACCOUNT, "ecr", target, &json!({ "repositoryName": name }));
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Its containers go first: without it they would be nobody's.
        self.try_http("POST", "/_ministack/reset", &[], b"");
        drop(self.process.kill());
        drop(self.process.wait());
        // One that it was just starting is not among those that it removed.
        let docker = |arguments: &[&str]| Command::new("docker").args(arguments).output();
        let format = r#"{{.ID}} {{.Label "ministack.instance"}}"#;
        let Ok(listed) = docker(&["ps", "-a", "--filter", "label=ministack=ecs", "--format", format]) else {
            return;
        };
        for line in String::from_utf8_lossy(&listed.stdout).lines() {
            if let Some((id, _)) =
                line.split_once(' ').filter(|(_, of)| of.ends_with(&format!(":{}", self.port)))
            {
                drop(docker(&["rm", "-f", id]));
            }
        }
    }
}

/// RFC 3986, 2.1.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
