//! A folder with a service in it, a state folder of its own, and images; dropped, nothing of it is left.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::docker::{build, docker};
use crate::ran::Ran;

/// The value of every secret: it must never be seen.
pub(crate) const SECRET: &str = "s3cret-value";

/// A request to the service that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(20);

/// The ports that [`free_port`] gives away.
const PORTS: RangeInclusive<u16> = 20_000..=32_000;

/// A folder from which the command is run.
#[derive(Debug)]
pub struct Shop {
    folder: TempDir,
    /// The service's name, unique on this machine.
    pub service: String,
    /// The environment's name.
    pub environment: String,
    /// Its public port.
    pub port: u16,
    images: Vec<String>,
}

/// What quickserve.toml says beside the names and the port.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// The value of `health_check`.
    pub health_check: &'a str,
    /// Lines before the first table.
    pub top: &'a str,
    /// The lines of `[deploy]`.
    pub deploy: &'a str,
    /// The lines of the only `[[smoke]]`.
    pub smoke: &'a str,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self {
            health_check: r#"{ path = "/health", grace = "2s" }"#,
            top: "",
            deploy: r#"bake_time = "300ms""#,
            smoke: "path = \"/health\"\nexpect = { status = 200, json = { \"/status\" = \"OK\" } }",
        }
    }
}

/// The command under test. Cargo puts it beside the folder of the tests' executables.
pub fn quickserve() -> PathBuf {
    let found = target().join("quickserve");
    assert!(found.exists(), "{} is missing; `cargo build -p quickserve-cli` builds it", found.display());
    found
}

/// The command in a folder of its own, without what is installed beside it.
pub fn quickserve_alone(folder: &Path) -> PathBuf {
    let alone = folder.join("quickserve");
    std::fs::copy(quickserve(), &alone).expect("a copy");
    alone
}

/// What `make artifacts` made.
pub fn artifact(name: &str) -> PathBuf {
    let found = target().with_file_name("artifacts").join(name);
    assert!(found.exists(), "{} is missing; `make artifacts` builds it", found.display());
    found
}

/// What `.ci/setup aws` has put under the target folder.
pub fn tool(name: &str) -> PathBuf {
    let found = target().with_file_name("aws").join(name);
    assert!(found.exists(), "{} is missing; `.ci/setup aws` brings it", found.display());
    found
}

/// The folder of the build that this test belongs to.
fn target() -> PathBuf {
    let test = std::env::current_exe().expect("this test's executable");
    test.ancestors().nth(2).expect("the target folder").to_owned()
}

impl Shop {
    /// An empty folder.
    pub fn empty() -> Self {
        let folder = TempDir::new().expect("a folder");
        let name = folder.path().file_name().and_then(|name| name.to_str()).expect("a name");
        let unique: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let service = format!("shop{}", unique.to_lowercase());
        std::fs::create_dir(folder.path().join("shop")).expect("a folder");
        Self { folder, service, environment: "local".to_owned(), port: free_port(), images: Vec::new() }
    }

    /// The storefront, and images of its versions.
    pub fn with_images(versions: &[&str]) -> Self {
        let mut shop = Self::empty();
        shop.furnish(versions);
        shop
    }

    /// The same in an environment of its own: nobody else is on its network.
    pub fn apart(versions: &[&str]) -> Self {
        let mut shop = Self::empty();
        shop.environment.clone_from(&shop.service);
        shop.furnish(versions);
        shop
    }

    fn furnish(&mut self, versions: &[&str]) {
        self.configure("");
        self.write(".env.example", "DATABASE_URL=\nSTRIPE_API_KEY=\n");
        let values = format!("DATABASE_URL=postgresql://u:{SECRET}@db/shop\nSTRIPE_API_KEY={SECRET}\n");
        self.write(".env", &values);
        for version in versions {
            self.build(version);
        }
    }

    /// Writes quickserve.toml; `more` comes before the first table.
    pub fn configure(&self, more: &str) {
        self.settle(Settings { top: more, ..Settings::default() });
    }

    /// Writes quickserve.toml.
    pub fn settle(&self, settings: Settings<'_>) {
        let Self { service, environment, port, .. } = self;
        let Settings { health_check, top, deploy, smoke } = settings;
        let text = format!(
            r#"service = "{service}"
port = 3000
health_check = {health_check}
env_contract = ".env.example"
{top}
[deploy]
{deploy}
[[smoke]]
{smoke}
[environments.{environment}]
public_port = {port}
env_file = ".env"
platform = "docker"
"#
        );
        self.write("quickserve.toml", &text);
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("a file");
    }

    /// Where the command is run.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("shop")
    }

    /// The command's state folder.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The name of a version's image.
    pub fn image(&self, version: &str) -> String {
        format!("{}:{version}", self.service)
    }

    fn build(&mut self, version: &str) {
        let image = self.image(version);
        let context = self.folder.path().join("image");
        std::fs::create_dir_all(&context).expect("a folder");
        std::fs::copy(artifact("storefront"), context.join("storefront")).expect("a copy");
        let dockerfile = format!(
            "FROM scratch\nCOPY storefront /storefront\nLABEL of={image}\nENTRYPOINT [\"/storefront\"]\n"
        );
        std::fs::write(context.join("Dockerfile"), dockerfile).expect("a file");
        build(&image, &context);
        self.images.push(image);
    }

    /// Gives a version's image another tag, which goes with the shop.
    pub fn tag(&mut self, version: &str, tag: &str) {
        docker(&["tag", &self.image(version), tag]);
        self.images.push(tag.to_owned());
    }

    /// The command with nothing of this process's environment but what it needs.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(&quickserve(), arguments)
    }

    /// The same of another executable.
    pub fn command_of(&self, executable: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(executable);
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
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.ran(arguments, &self.command(arguments).output().expect("a run"))
    }

    /// Runs it to its end, which must be this exit code.
    pub fn ends(&self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, code, "{ran}");
        ran
    }

    /// Runs it with variables.
    pub fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        self.ran(arguments, &command.envs(variables.iter().copied()).output().expect("a run"))
    }

    /// Starts it.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a process")
    }

    /// What a command with these arguments left.
    pub fn ran(&self, arguments: &[&str], output: &Output) -> Ran {
        Ran::new(arguments, output, |text| self.redacted(text))
    }

    /// What differs from shop to shop, in the same width.
    fn redacted(&self, text: &str) -> String {
        text.replace(&self.service, "shop")
            .replace(&self.folder.path().display().to_string(), "/folder")
            .replace(&self.port.to_string(), "18080")
    }

    /// What the service answers on its public port.
    pub fn version(&self) -> String {
        self.identity()["version"].as_str().unwrap_or("nothing").to_owned()
    }

    /// Who answers on the public port: version and release. Null where nobody does, or not with a success.
    pub fn identity(&self) -> Value {
        match self.get("/version") {
            Ok((200, body)) => serde_json::from_str(&body).unwrap_or_default(),
            _ => Value::Null,
        }
    }

    /// One request to the public port: status and body.
    pub fn get(&self, path: &str) -> io::Result<(u16, String)> {
        self.get_of("shop", path)
    }

    /// The same of a host.
    pub fn get_of(&self, host: &str, path: &str) -> io::Result<(u16, String)> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(LIMIT))?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(io::ErrorKind::UnexpectedEof)?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        Ok((status, body.to_owned()))
    }
}

impl Shop {
    /// Takes the service and its router away.
    pub fn close(&self) {
        // The file may be one that a test has broken.
        self.configure("");
        let _ = self.command(&["down", "--volumes"]).output();
        let _ = self.command(&["router", "stop", "--force"]).output();
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if self.images.is_empty() {
            return;
        }
        self.close();
        for image in &self.images {
            let _ = Command::new("docker").args(["image", "rm", "--force", image]).output();
        }
    }
}

/// A port that nobody listens on, of five digits, and that no other test of this build is given. It lies below those
/// that the kernel hands out (ip(7), `ip_local_port_range`), so that no connection and no listener takes it before the
/// service does.
pub fn free_port() -> u16 {
    let path = target().join("next-port");
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).open(path).expect("a file");
    file.lock().expect("its lock");
    let mut last = String::new();
    file.read_to_string(&mut last).expect("a number");
    let last = last.trim().parse().unwrap_or(*PORTS.end());
    let after = (last..*PORTS.end()).map(|port| port + 1);
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok();
    let port = after.chain(PORTS).find(free).expect("a free port");
    file.rewind().expect("its start");
    write!(file, "{port}").expect("written");
    port
}
