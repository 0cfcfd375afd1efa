//! Where a container's output goes, by its definition.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_ecs::types::{Container, ContainerDefinition, LogConfiguration, LogDriver};

use super::hidden::hidden;

/// Where a container's output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ecs) enum Output {
    /// To `CloudWatch` Logs.
    Awslogs(Stream),
    /// By a driver whose log is not read here.
    Other {
        driver: String,
        /// The address or the name that the driver sends it to, where its options have one.
        to: Option<String>,
    },
    /// Nowhere: it has no log configuration.
    Nowhere,
}

/// Options of log drivers that say where they send it. Docker documentation, "Configure logging drivers"; ECS
/// documentation, "Example Amazon ECS task definition: Route logs to `FireLens`".
const ADDRESSES: &[&str] = &[
    "splunk-url",
    "fluentd-address",
    "gelf-address",
    "syslog-address",
    "log_group_name",
    "delivery_stream",
    "Host",
    "Name",
];

/// Where its streams are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ecs) struct Stream {
    pub(super) group: String,
    pub(super) region: Option<String>,
    prefix: Option<String>,
    /// The variables whose values are secrets.
    pub(super) secrets: BTreeSet<String>,
}

/// Where a container's output goes, by its definition.
pub(in crate::ecs) fn output(definition: &ContainerDefinition) -> Output {
    let Some(configuration) = definition.log_configuration() else { return Output::Nowhere };
    let options = configuration.options();
    let option =
        |name: &str| options.and_then(|options: &HashMap<String, String>| options.get(name).cloned());
    if *configuration.log_driver() != LogDriver::Awslogs {
        let to = ADDRESSES.iter().find_map(|name| option(name));
        // An address may have a password or a token in it.
        let to = to.map(|to| hidden(&to, &BTreeSet::new()));
        return Output::Other { driver: configuration.log_driver().as_str().to_owned(), to };
    }
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

impl Output {
    /// Why it is not read here, where that is so.
    pub(in crate::ecs) fn unread(&self) -> Option<String> {
        match self {
            Self::Awslogs(_) => None,
            Self::Other { driver, to } => {
                let to = to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
                Some(format!("its log goes by {driver}{to}, and is not read here"))
            }
            Self::Nowhere => Some("its output is kept nowhere: it has no logConfiguration".to_owned()),
        }
    }
}

impl Stream {
    /// ECS documentation, "Send Amazon ECS logs to CloudWatch": `prefix/container/task`, and the container's id where
    /// no prefix is set.
    pub(super) fn name(&self, container: &Container, task: &str) -> Option<String> {
        let name = container.name()?;
        match &self.prefix {
            Some(prefix) => Some(format!("{prefix}/{name}/{task}")),
            None => container.runtime_id().map(str::to_owned),
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
        let said = output(&definition).unread();
        assert_eq!(said.as_deref(), Some("its log goes by awsfirelens, and is not read here"));
    }

    #[test]
    fn another_drivers_address_is_said_without_what_is_secret_in_it() {
        let log = LogConfiguration::builder().log_driver(LogDriver::Splunk);
        let log = log.options("splunk-url", "https://u:hunter2@splunk.acme:8088");
        let log = log.options("splunk-token", "0123").build().expect("complete");
        let said = output(&ContainerDefinition::builder().log_configuration(log).build()).unread();
        let expected = "its log goes by splunk to https://u:***@splunk.acme:8088, and is not read here";
        assert_eq!(said.as_deref(), Some(expected));
    }
}
