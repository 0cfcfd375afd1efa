//! The docker client, as a user has it.

use std::path::Path;
use std::process::Command;

/// Runs docker, which these tests need, and answers what it wrote to stdout.
pub fn docker(arguments: &[&str]) -> String {
    let mut command = Command::new("docker");
    // The builder that keeps no cache beside images.
    let output = command.args(arguments).env("DOCKER_BUILDKIT", "0").output();
    let output = output.expect("these tests need the docker command");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {}: {stderr}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Builds an image from a folder. None of its layers is another image's: this builder finds them in a cache that another
/// test empties when it removes its own.
pub fn build(tag: &str, context: &Path) {
    docker(&["build", "--quiet", "--no-cache", "--tag", tag, &context.display().to_string()]);
}

/// A container of a service, running or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its whole id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The whole name of its release.
    pub release: String,
    /// Such as `running`.
    pub state: String,
}

/// Every container of a service.
pub fn containers(service: &str) -> Vec<Container> {
    let ours = format!("label=dev.quickserve.service={service}");
    let format = "{{.ID}}\t{{.Names}}\t{{.Label \"dev.quickserve.release\"}}\t{{.State}}";
    let listed = docker(&["ps", "--all", "--no-trunc", "--filter", &ours, "--format", format]);
    let container = |line: &str| {
        let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let [id, name, release, state] = <[String; 4]>::try_from(fields).expect("four fields");
        Container { id, name, release, state }
    };
    listed.lines().map(container).collect()
}
