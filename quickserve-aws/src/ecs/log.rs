//! The end of a container's log in `CloudWatch` Logs.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_ecs::types::{Container, ContainerDefinition, LogConfiguration, LogDriver};
use quickserve_core::text::plain;
use quickserve_core::{Error, ErrorKind};

use super::hidden::hidden;
use super::platform::Ecs;
use crate::error::{Call, call};

const GET: Call = call("logs", "GetLogEvents");
/// How many last lines are shown.
const LINES: u16 = 20;

/// Where a container's output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    /// To `CloudWatch` Logs.
    Awslogs(Stream),
    /// By a driver whose log is not read here.
    Other(String),
    /// Nowhere: it has no log configuration.
    Nowhere,
}

/// Where its streams are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stream {
    group: String,
    region: Option<String>,
    prefix: Option<String>,
    /// The variables whose values are secrets.
    secrets: BTreeSet<String>,
}

/// Where a container's output goes, by its definition.
pub(super) fn output(definition: &ContainerDefinition) -> Output {
    let Some(configuration) = definition.log_configuration() else { return Output::Nowhere };
    if *configuration.log_driver() != LogDriver::Awslogs {
        return Output::Other(configuration.log_driver().as_str().to_owned());
    }
    let options = configuration.options();
    let option =
        |name: &str| options.and_then(|options: &HashMap<String, String>| options.get(name).cloned());
    let Some(group) = option("awslogs-group") else { return Output::Nowhere };
    Output::Awslogs(Stream {
        group,
        region: option("awslogs-region"),
        prefix: option("awslogs-stream-prefix"),
        secrets: secrets(definition, configuration),
    })
}

fn secrets(definition: &ContainerDefinition, log: &LogConfiguration) -> BTreeSet<String> {
    definition.secrets().iter().chain(log.secret_options()).map(|secret| secret.name().to_owned()).collect()
}

impl Stream {
    /// ECS documentation, "Send Amazon ECS logs to CloudWatch": `prefix/container/task`, and the container's id where
    /// no prefix is set.
    fn name(&self, container: &Container, task: &str) -> Option<String> {
        let name = container.name()?;
        match &self.prefix {
            Some(prefix) => Some(format!("{prefix}/{name}/{task}")),
            None => container.runtime_id().map(str::to_owned),
        }
    }
}

impl Ecs {
    /// The last lines that a task's container wrote, or why they are not to be had.
    pub(super) async fn last_lines(
        &self,
        output: &Output,
        container: &Container,
        task: &str,
    ) -> Result<Vec<String>, String> {
        let stream = match output {
            Output::Awslogs(stream) => stream,
            Output::Other(driver) => return Err(format!("its log goes by {driver}, and is not read here")),
            Output::Nowhere => {
                return Err("its output is kept nowhere: it has no logConfiguration".to_owned());
            }
        };
        let Some(name) = stream.name(container, task) else {
            return Err(format!("its stream in log group {} is not known", stream.group));
        };
        let clients = match &stream.region {
            Some(region) => self.clients().in_region(region),
            None => self.clients().clone(),
        };
        let request = clients.logs().get_log_events().log_group_name(&stream.group).log_stream_name(&name);
        let answer = request.limit(LINES.into()).start_from_head(false).send().await;
        let answer = answer.map_err(|error| unread(&GET.failed(error), &stream.group, &name))?;
        let lines: Vec<String> = answer
            .events()
            .iter()
            .filter_map(|event| event.message())
            .flat_map(str::lines)
            // Values are hidden first: what makes a line safe for a terminal changes it.
            .map(|line| plain(&hidden(line, &stream.secrets)))
            .collect();
        Ok(lines[lines.len().saturating_sub(LINES.into())..].to_vec())
    }
}

fn unread(error: &Error, group: &str, stream: &str) -> String {
    let text = error.to_string();
    match error.kind() {
        ErrorKind::NotFound if text.contains("log stream") => {
            format!("it wrote nothing to its log: log group {group} has no stream {stream}")
        }
        ErrorKind::NotFound => format!("its log is lost: log group {group} does not exist"),
        _ => {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            format!("its log could not be read: {text}{hint}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(options: &[(&str, &str)]) -> ContainerDefinition {
        let mut log = LogConfiguration::builder().log_driver(LogDriver::Awslogs);
        for (name, value) in options {
            log = log.options(*name, *value);
        }
        ContainerDefinition::builder().log_configuration(log.build().expect("complete")).build()
    }

    #[test]
    fn a_stream_is_named_by_prefix_container_and_task_or_by_the_container_alone() {
        let container = Container::builder().name("app").runtime_id("0123-4567").build();
        let name = |options: &[(&str, &str)]| match output(&definition(options)) {
            Output::Awslogs(stream) => stream.name(&container, "t1"),
            other => panic!("{other:?}"),
        };
        let group = ("awslogs-group", "/ecs/shop");
        assert_eq!(name(&[group, ("awslogs-stream-prefix", "web")]).as_deref(), Some("web/app/t1"));
        assert_eq!(name(&[group]).as_deref(), Some("0123-4567"));
    }

    #[test]
    fn what_goes_elsewhere_or_nowhere_is_said() {
        assert_eq!(output(&ContainerDefinition::builder().build()), Output::Nowhere);
        let log = LogConfiguration::builder().log_driver(LogDriver::Awsfirelens).build().expect("complete");
        let definition = ContainerDefinition::builder().log_configuration(log).build();
        assert_eq!(output(&definition), Output::Other("awsfirelens".into()));
    }
}
