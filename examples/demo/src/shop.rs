//! The shop that is deployed: its folder, its commands, and how all of it goes away again.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use crate::children::{Children, Output};
use crate::docker::{docker, lines};
use crate::failure::{Doing as _, Failure, Result};
use crate::images;
use crate::screen::Screen;
use crate::traces::Traces;

pub(crate) const SERVICE: &str = "storefront";
pub(crate) const ENVIRONMENT: &str = "demo";

/// The port that people expect; another one where it is taken.
const PORT: u16 = 8080;

/// In every folder of a demo: whatever lies in another one is not ours to remove.
const MARK: &str = ".quickserve-demo";

/// The exit code while another command holds the service, and how long one of ours may.
const BUSY: i32 = 7;
const DEPLOYING: Duration = Duration::from_mins(1);

/// How long a process may take to end after it said that it will.
const ENDING: Duration = Duration::from_secs(15);

/// A folder with a quickserve.toml, and what was made from it.
#[derive(Debug)]
pub(crate) struct Shop {
    quickserve: PathBuf,
    folder: PathBuf,
    /// Held while the demo runs, so that two do not share a folder.
    _lock: fs::File,
    pub(crate) port: u16,
    /// The ids of the images that were built.
    pub(crate) images: Vec<String>,
}

impl Shop {
    /// Takes the folder.
    pub(crate) fn open(quickserve: &Path, folder: &Path) -> Result<Self> {
        let whole = |path: &Path| path.canonicalize().doing(format!("find {}", path.display()));
        let quickserve = whole(quickserve)?;
        fs::create_dir_all(folder).doing(format!("make {}", folder.display()))?;
        let folder = whole(folder)?;
        let lock = fs::File::open(&folder).doing("open the demo's folder")?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| Failure::new(format!("another demo runs in {}", folder.display())))?;
        let mark = folder.join(MARK);
        let is_empty = fs::read_dir(&folder).doing("look into the demo's folder")?.next().is_none();
        if !is_empty && !mark.exists() {
            return Err(Failure::new(format!("{} holds something else than a demo", folder.display())));
        }
        fs::write(&mark, "").doing("write to the demo's folder")?;
        Ok(Self { quickserve, folder, _lock: lock, port: free_port()?, images: Vec::new() })
    }

    /// Removes what a demo left that was killed.
    pub(crate) async fn clear_left_over(&self, children: &Children, screen: &Screen) -> Result<()> {
        if self.folder.join("quickserve.toml").exists() {
            screen.say("an earlier demo was killed; removing what it left");
            self.clear_engine(children).await?;
        }
        self.empty(true)?;
        images::remove(children).await?;
        let traces = Traces::look(children).await?;
        match traces.ours().as_slice() {
            [] => Ok(()),
            left => Err(Failure::new(format!("in the demo's way, and not from here: {}", left.join(", ")))),
        }
    }

    /// Writes the files and builds the images.
    pub(crate) async fn furnish(&mut self, storefront: &Path, children: &Children) -> Result<()> {
        let port = self.port;
        let files = [
            (
                "quickserve.toml",
                format!(
                    "service = \"{SERVICE}\"\n\
                     port = 3000\n\
                     health_check = {{ path = \"/health\", grace = \"2s\" }}\n\
                     env_contract = \".env.example\"\n\
                     \n\
                     [deploy]\n\
                     bake_time = \"6s\"\n\
                     \n\
                     [environments.{ENVIRONMENT}]\n\
                     platform = \"docker\"\n\
                     public_port = {port}\n\
                     env_file = \".env\"\n"
                ),
            ),
            (".env.example", "DATABASE_URL=postgresql://shop@db/shop\nSTRIPE_API_KEY=change-me\n".to_owned()),
            (".env", "DATABASE_URL=postgresql://shop:hunter2@db/shop\nSTRIPE_API_KEY=sk-demo\n".to_owned()),
        ];
        for (name, text) in files {
            fs::write(self.folder.join(name), text).doing(format!("write {name}"))?;
        }
        self.images = images::build(children, &self.folder, storefront).await?;
        Ok(())
    }

    /// The folder, for people.
    pub(crate) fn shown(&self) -> String {
        self.folder.display().to_string()
    }

    /// A line for the shell.
    pub(crate) fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        self.at_home(&mut command);
        command
    }

    /// `quickserve` with arguments.
    pub(crate) fn quickserve(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.quickserve);
        command.args(arguments);
        self.at_home(&mut command);
        command
    }

    fn at_home(&self, command: &mut Command) {
        command.current_dir(&self.folder).env("QUICKSERVE_STATE_DIR", self.folder.join("state"));
        // What the caller has set is about the caller's services.
        for name in ["CONFIG", "ENVIRONMENT", "SERVICE", "FORMAT", "IMAGE", "STRATEGY"] {
            command.env_remove(format!("QUICKSERVE_{name}"));
        }
        command.env_remove("GITHUB_ACTIONS");
    }

    /// Removes everything.
    pub(crate) async fn clear(&self, children: &Children) -> Result<()> {
        let engine = self.clear_engine(children).await;
        let images = images::remove(children).await;
        let folder =
            self.await_end().await.and_then(|()| self.empty(false)).and_then(|()| {
                fs::remove_dir(&self.folder).doing(format!("remove {}", self.folder.display()))
            });
        engine.and(images).and(folder)
    }

    /// `down`, once nobody deploys any more: a command outlives a demo that was killed, and ends its work.
    async fn take_down(&self, children: &Children) -> Result<Output> {
        let began = tokio::time::Instant::now();
        loop {
            let down = children.output(&mut self.quickserve(&["down", "--volumes"]), "").await?;
            if down.status.code() != Some(BUSY) || began.elapsed() >= DEPLOYING {
                return Ok(down);
            }
            children.unless_interrupted(tokio::time::sleep(Duration::from_millis(500))).await?;
        }
    }

    async fn clear_engine(&self, children: &Children) -> Result<()> {
        let down = self.take_down(children).await?;
        let stop = children.output(&mut self.quickserve(&["router", "stop", "--force"]), "").await?;
        if down.status.success() && stop.status.success() {
            return Ok(());
        }
        // It must be gone all the same; that it had to be done by hand is a failure.
        let ours = format!("label=dev.quickserve.service={SERVICE}");
        let here = format!("label=dev.quickserve.environment={ENVIRONMENT}");
        let containers = ["ps", "--all", "--quiet", "--filter", &ours, "--filter", &here];
        for id in lines(children, &containers).await? {
            docker(children, &["rm", "--force", "--volumes", &id], "").await?;
        }
        let pins = format!("reference=quickserve/{SERVICE}.{ENVIRONMENT}");
        let format = ["--format", "{{.Repository}}:{{.Tag}}"];
        for tag in lines(children, &["image", "ls", "--filter", &pins, format[0], format[1]]).await? {
            docker(children, &["image", "rm", &tag], "").await?;
        }
        let network = format!("name=^quickserve-{ENVIRONMENT}$");
        for id in lines(children, &["network", "ls", "--quiet", "--filter", &network]).await? {
            docker(children, &["network", "rm", &id], "").await?;
        }
        let said = [down.stderr.trim(), stop.stderr.trim()].join("\n");
        Err(Failure::new(format!("quickserve down or router stop did not clean up:\n{said}")))
    }

    /// Waits until no process knows the folder any more.
    async fn await_end(&self) -> Result<()> {
        let waiting = async {
            while let Some(process) = self.process() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                drop(process);
            }
        };
        match tokio::time::timeout(ENDING, waiting).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Failure::new(format!("still running: {}", self.process().unwrap_or_default()))),
        }
    }

    /// A process other than this one that was started with the folder in its arguments or works in it.
    fn process(&self) -> Option<String> {
        let folder = self.folder.to_string_lossy().into_owned();
        let own = std::process::id().to_string();
        for entry in fs::read_dir("/proc").ok()?.flatten() {
            let id = entry.file_name().to_string_lossy().into_owned();
            if id == own || !id.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
            let works_here =
                fs::read_link(entry.path().join("cwd")).is_ok_and(|at| at.starts_with(&self.folder));
            if works_here && arguments.contains("quickserve")
                || arguments.contains(&format!("{folder}/state"))
            {
                return Some(format!("process {id} ({})", arguments.trim()));
            }
        }
        None
    }

    /// What of the shop is still on this machine.
    pub(crate) fn left(&self) -> Option<String> {
        if self.folder.exists() {
            return Some(format!("the folder {}", self.folder.display()));
        }
        self.process()
    }

    /// What went wrong in the router lately.
    pub(crate) fn router_log(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.join("state/router/router.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains(" INFO ")).collect();
        lines.iter().skip(lines.len().saturating_sub(10)).map(|line| (*line).to_owned()).collect()
    }

    fn empty(&self, but_for_the_mark: bool) -> Result<()> {
        let removed = fs::read_dir(&self.folder).and_then(|entries| {
            for entry in entries {
                let path = entry?.path();
                if but_for_the_mark && path.ends_with(MARK) {
                    continue;
                }
                if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
            }
            Ok(())
        });
        removed.doing(format!("empty {}", self.folder.display()))
    }
}

fn free_port() -> Result<u16> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    bound.and_then(|listener| listener.local_addr()).map(|at| at.port()).doing("find a free port")
}
