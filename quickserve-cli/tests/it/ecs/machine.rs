//! Another machine: the command in a container, with a name, processes and a home of its own.

use std::process::{Child, Command, Stdio};

use quickserve_tests::docker::docker;
use quickserve_tests::quickserve;

use super::cloud::{Cloud, in_production};
use crate::support::Ran;

/// What the command needs of a machine, beside itself and the service's folder.
const SYSTEM: [&str; 4] = ["/usr", "/lib", "/lib64", "/etc/ssl"];

/// Dropped, its containers are gone.
pub(super) struct Machine<'a> {
    cloud: &'a Cloud,
    host: &'static str,
    /// An image, whatever is in it.
    image: String,
}

impl<'a> Machine<'a> {
    /// A machine of this name, on which `grace` works.
    pub(super) fn new(cloud: &'a Cloud, host: &'static str, image: &str) -> Self {
        Self { cloud, host, image: image.to_owned() }
    }

    fn container(&self) -> String {
        format!("{}-{}", self.cloud.shop.service, self.host)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        let (folder, program) = (self.cloud.shop.path(), quickserve());
        let (folder, program) = (folder.display(), program.display());
        let name = self.container();
        command.args(["run", "--rm", "--network", "host", "--name", &name, "--hostname", self.host]);
        command
            .arg(format!("--volume={program}:/quickserve:ro"))
            .arg(format!("--volume={folder}:{folder}:ro"));
        let system = SYSTEM.iter().filter(|path| std::path::Path::new(path).exists());
        command.args(system.map(|path| format!("--volume={path}:{path}:ro")));
        let variables = self.cloud.variables().map(|(name, value)| format!("--env={name}={value}"));
        command.args(variables).args(["--env=USER=grace", "--env=HOME=/home/grace"]);
        command.arg(format!("--workdir={folder}")).args(["--entrypoint", "/quickserve", &self.image]);
        command.args(in_production(arguments)).stdin(Stdio::null());
        command
    }

    /// Starts the command there. Only one runs at a time.
    pub(super) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a process")
    }

    /// Runs the command there, to this exit code.
    pub(super) fn ends(&self, code: i32, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().expect("a run");
        let ran = self.cloud.shop.ran(arguments, &output);
        assert_eq!(ran.code, code, "{ran}");
        ran
    }

    /// The machine loses its power.
    pub(super) fn die(&self) {
        docker(&["kill", "--signal", "KILL", &self.container()]);
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "--force", &self.container()]).output();
    }
}
