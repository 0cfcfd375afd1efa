//! A command in a task that runs, through ECS Exec.

use std::fmt;

use aws_sdk_ecs::types::{DesiredStatus, Task};
use quickserve_core::document::near;
use quickserve_core::orchestrator::TaskId;
use quickserve_core::release::Release;
use quickserve_core::{Error, ErrorKind, Result};
use secrecy::SecretString;
use serde_json::json;

use super::super::observe::task_id;
use super::super::platform::Ecs;
use crate::error::{Call, call};

const EXECUTE: Call = call("ecs", "ExecuteCommand");

/// Where a command will run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecPlace {
    /// The task.
    pub task: TaskId,
    /// The container of the workload.
    pub container: String,
    arn: String,
    /// As Session Manager names it.
    target: String,
}

/// A session that ECS has opened for a command. Whoever has its token is in the task.
pub struct ExecSession {
    /// The session with its token, as JSON.
    pub session: SecretString,
    /// The region that it is in.
    pub region: String,
    /// What was asked for, as JSON.
    pub request: String,
    /// Where Session Manager is reached.
    pub endpoint: String,
}

impl Ecs {
    /// Finds the container of a release's task that a command is meant for; the first task where none is named.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when no task of the release runs; [`ErrorKind::Invalid`] when none is meant, or several
    /// are, or the container does not run; [`ErrorKind::Unsupported`] when the task takes no commands.
    pub async fn find_task(
        &self,
        release: &Release,
        word: Option<&str>,
        container: Option<&str>,
    ) -> Result<ExecPlace> {
        let mut tasks = Vec::new();
        for task in self.tasks(DesiredStatus::Running).await? {
            let known = self.known(task.task_definition_arn().unwrap_or_default()).await?;
            if known.release.as_ref() == Some(&release.id) && task.last_status() == Some("RUNNING") {
                tasks.push(task);
            }
        }
        tasks.sort_by_key(|task| task_id(task).0);
        let task = meant(&tasks, release, word)?;
        let id = task_id(task);
        if !task.enable_execute_command() {
            let message = format!("task {id} takes no commands: it was started without ECS Exec");
            return Err(Error::new(ErrorKind::Unsupported, message).with_hint(format!(
                "aws ecs update-service --cluster {} --service {} --enable-execute-command, then quickserve restart; the task \
                 role must allow ssmmessages:CreateControlChannel, CreateDataChannel, OpenControlChannel and OpenDataChannel",
                self.cluster(),
                self.service()
            )));
        }
        let name = container.unwrap_or(release.workload.main_container());
        let known = task.containers().iter().filter_map(|container| container.name());
        let found = task.containers().iter().find(|container| container.name() == Some(name));
        let Some(found) = found else { return Err(no_container(name, known)) };
        let (Some(runtime), Some("RUNNING")) = (found.runtime_id(), found.last_status()) else {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("container {name} of task {id} does not run"),
            ));
        };
        let cluster = task.cluster_arn().and_then(|arn| arn.rsplit('/').next()).unwrap_or(self.cluster());
        // AWS documentation, "Using ECS Exec": how Session Manager names a container.
        let target = format!("ecs:{cluster}_{id}_{runtime}");
        let arn = task.task_arn().unwrap_or_default().to_owned();
        Ok(ExecPlace { task: id, container: name.to_owned(), arn, target })
    }

    /// Opens a session for a command where [`find_task`](Self::find_task) found it to be meant.
    ///
    /// # Errors
    /// When ECS refuses, such as for a task role that may not open the channel.
    pub async fn exec(&self, place: &ExecPlace, command: &[String]) -> Result<ExecSession> {
        let request = self.client().execute_command().cluster(self.cluster()).task(&place.arn);
        let request = request.container(&place.container).interactive(true).command(line(command));
        let answer = request.send().await.map_err(|error| EXECUTE.failed(error))?;
        let session = answer.session().ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, "ecs:ExecuteCommand: read the answer, which holds no session")
        })?;
        let session = json!({
            "SessionId": session.session_id(), "StreamUrl": session.stream_url(), "TokenValue": session.token_value(),
        });
        let region = self.clients().region().unwrap_or_default().to_owned();
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        Ok(ExecSession {
            session: session.to_string().into(),
            request: json!({ "Target": place.target }).to_string(),
            endpoint: format!("https://ssm.{region}.{domain}"),
            region,
        })
    }
}

/// The task that a word means.
fn meant<'a>(tasks: &'a [Task], release: &Release, word: Option<&str>) -> Result<&'a Task> {
    let Some(word) = word else {
        return tasks.first().ok_or_else(|| {
            Error::new(ErrorKind::Conflict, format!("no task of {:#} runs", release.id))
                .with_hint("quickserve status shows what there is; quickserve scale 1 starts one")
        });
    };
    let is_meant = |(index, task): &(usize, &Task)| {
        let id = task_id(task).0;
        id == word || word.len() > 2 && id.contains(word) || index.to_string() == word
    };
    let found: Vec<&Task> = tasks.iter().enumerate().filter(is_meant).map(|(_, task)| task).collect();
    let names = || tasks.iter().map(|task| task_id(task).0).collect::<Vec<_>>().join(", ");
    match found.as_slice() {
        [only] => Ok(only),
        [] => Err(Error::new(ErrorKind::Invalid, format!("no task is named {word}"))
            .with_hint(format!("there are: {}", names()))),
        _ => Err(Error::new(ErrorKind::Invalid, format!("{word} means several tasks"))
            .with_hint(format!("name one of {}", names()))),
    }
}

fn no_container<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Error {
    let hint = match near(name, known.clone()).first() {
        Some(near) => format!("did you mean {near}"),
        None => format!("there are: {}", known.collect::<Vec<_>>().join(", ")),
    };
    Error::new(ErrorKind::Invalid, format!("no container is named {name}")).with_hint(hint)
}

/// A command in one line, as ECS takes it: its agent takes it apart as a shell does.
fn line(command: &[String]) -> String {
    let is_plain = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./=:,@%+".contains(c))
    };
    let words = command
        .iter()
        .map(|word| if is_plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) });
    words.collect::<Vec<_>>().join(" ")
}

/// Its token is nobody's to see.
impl fmt::Debug for ExecSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecSession").field("request", &self.request).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        let command = |words: &[&str]| line(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        assert_eq!(command(&["sh", "-c", "echo $HOME"]), "sh -c 'echo $HOME'");
        assert_eq!(command(&["say", "it's", ""]), r"say 'it'\''s' ''");
    }
}
