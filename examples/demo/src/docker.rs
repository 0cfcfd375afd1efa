//! The docker client, as a user has it.

use tokio::process::Command;

use crate::children::Children;
use crate::failure::{Failure, Result};

/// Runs `docker` and answers what it wrote to stdout.
pub(crate) async fn docker(children: &Children, arguments: &[&str], input: &str) -> Result<String> {
    let mut command = Command::new("docker");
    // The builder that keeps no cache beside images, and no files in the user's home.
    command.args(arguments).env("DOCKER_BUILDKIT", "0");
    let output = children.output(&mut command, input).await?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = output.stderr.trim();
    Err(Failure::new(format!("docker {} failed: {said}", arguments.join(" "))))
}

/// The lines of an answer, without empty ones.
pub(crate) async fn lines(children: &Children, arguments: &[&str]) -> Result<Vec<String>> {
    let text = docker(children, arguments, "").await?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}
