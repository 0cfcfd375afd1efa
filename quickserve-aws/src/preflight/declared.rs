//! What the task definition and the service's file say of AWS, beside what a workload holds.

use std::collections::{BTreeMap, BTreeSet};

use oci_client::Reference;
use quickserve_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::balancer::Balancer;
use super::subject::Subject;
use crate::policy::Place;
use crate::registry::registry_at;
use crate::secrets::Source;

/// The facts of the files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declared {
    pub(crate) family: String,
    pub(crate) execution_role: Option<String>,
    pub(crate) task_role: Option<String>,
    /// `awsvpc`, `bridge`, `host` or `none`.
    pub(crate) network_mode: Option<String>,
    /// Where each container logs to, of those that log to `CloudWatch`.
    pub(crate) logs: Vec<LogTarget>,
    /// Where each secret is found, those with which images are pulled included.
    pub(crate) secrets: Vec<Source>,
    /// The service's file.
    pub(crate) service: ServiceFile,
    /// Account, region and name of each repository that is ECR's.
    repositories: BTreeSet<(String, String, String)>,
}

/// Where a container logs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogTarget {
    pub(crate) container: String,
    pub(crate) group: String,
    /// The region, where it is not the service's.
    pub(crate) region: Option<String>,
    /// Whether it is made when it is not there.
    pub(crate) is_made: bool,
}

/// What is read of the file that says how a service is made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServiceFile {
    pub(crate) launch_type: Option<String>,
    pub(crate) load_balancers: Option<Vec<Balancer>>,
    network_configuration: Option<NetworkConfiguration>,
}

impl ServiceFile {
    /// The subnets in which tasks have addresses of their own.
    pub(crate) fn subnets(&self) -> &[String] {
        let network = self.network_configuration.as_ref().and_then(|it| it.awsvpc_configuration.as_ref());
        network.map(|network| network.subnets.as_slice()).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkConfiguration {
    awsvpc_configuration: Option<AwsvpcConfiguration>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AwsvpcConfiguration {
    subnets: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    family: Option<String>,
    execution_role_arn: Option<String>,
    task_role_arn: Option<String>,
    network_mode: Option<String>,
    container_definitions: Option<Vec<ContainerDefinition>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerDefinition {
    name: Option<String>,
    image: Option<String>,
    log_configuration: Option<LogConfiguration>,
    repository_credentials: Option<RepositoryCredentials>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogConfiguration {
    log_driver: Option<String>,
    options: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RepositoryCredentials {
    credentials_parameter: Option<String>,
}

impl Declared {
    /// Reads the files of a service.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] where one is not what it must be.
    pub(crate) fn read(subject: &Subject) -> Result<Self> {
        let definition: Definition = read(subject.workload.document.as_deref(), "the task definition")?;
        let containers = definition.container_definitions.unwrap_or_default();
        let of_workload = subject.workload.containers.iter().flat_map(|it| it.secrets.values().cloned());
        let of_images = containers.iter().filter_map(|it| it.repository_credentials.as_ref());
        let of_images = of_images.filter_map(|it| it.credentials_parameter.clone());
        let sources: BTreeSet<String> = of_workload.chain(of_images).collect();
        let unnamed = containers
            .iter()
            .filter(|it| !it.name.as_ref().is_some_and(|name| subject.images.contains_key(name)));
        let unnamed = unnamed.filter_map(|it| without_placeholder(it.image.as_deref()?));
        let images: Vec<&str> = subject.images.values().map(String::as_str).chain(unnamed).collect();
        Ok(Self {
            family: definition.family.unwrap_or_else(|| subject.family.clone()),
            execution_role: definition.execution_role_arn.filter(|role| !role.is_empty()),
            // A described definition may have an empty one where there is none.
            task_role: definition.task_role_arn.filter(|role| !role.is_empty()),
            network_mode: definition.network_mode,
            logs: containers.iter().filter_map(log_target).collect(),
            secrets: sources.iter().map(|source| Source::parse(source)).collect::<Result<_>>()?,
            service: read(subject.definition.as_deref(), "the service's definition")?,
            repositories: images.into_iter().filter_map(repository).collect(),
        })
    }

    /// The ARN of each repository that is ECR's.
    pub(crate) fn repositories(&self, place: &Place) -> Vec<String> {
        let arn = |(account, region, name): &(String, String, String)| {
            Place { account: account.clone(), ..place.clone() }.arn_in(
                "ecr",
                region,
                format!("repository/{name}"),
            )
        };
        self.repositories.iter().map(arn).collect()
    }

    /// The ARN of each log group that is wanted, without the streams in it.
    pub(crate) fn log_groups(&self, place: &Place, wanted: impl Fn(&LogTarget) -> bool) -> BTreeSet<String> {
        let wanted = self.logs.iter().filter(|logs| wanted(logs));
        let arn = |logs: &LogTarget| {
            let region = logs.region.as_deref().unwrap_or(&place.region);
            place.arn_in("logs", region, format!("log-group:{}", logs.group))
        };
        wanted.map(arn).collect()
    }

    /// The ARNs of the roles with which ECS shifts traffic.
    pub(crate) fn shifting_roles(&self, place: &Place) -> BTreeSet<String> {
        let balancers = self.service.load_balancers.iter().flatten();
        balancers.filter_map(|it| it.shift.as_ref()?.role.as_ref()).map(|role| place.role(role)).collect()
    }

    /// The ARNs of the roles that tasks are given.
    pub(crate) fn roles(&self, place: &Place) -> BTreeSet<String> {
        self.execution_role.iter().chain(&self.task_role).map(|role| place.role(role)).collect()
    }
}

fn read<T: Default + DeserializeOwned>(text: Option<&str>, what: &str) -> Result<T> {
    let Some(text) = text else { return Ok(T::default()) };
    serde_json::from_str(text)
        .map_err(|error| Error::new(ErrorKind::Invalid, format!("read {what}")).with_source(error))
}

/// ECS documentation, "awslogs log driver options".
fn log_target(container: &ContainerDefinition) -> Option<LogTarget> {
    let logs =
        container.log_configuration.as_ref().filter(|it| it.log_driver.as_deref() == Some("awslogs"))?;
    let option = |name: &str| logs.options.as_ref().and_then(|options| options.get(name));
    Some(LogTarget {
        container: container.name.clone().unwrap_or_default(),
        group: option("awslogs-group")?.clone(),
        region: option("awslogs-region").cloned(),
        is_made: option("awslogs-create-group").is_some_and(|it| it == "true"),
    })
}

/// An image as far as the file says which it is: `shop:${IMAGE_TAG}` is of the repository `shop`.
fn without_placeholder(image: &str) -> Option<&str> {
    let known = image.split("${").next()?.trim_end_matches([':', '@']);
    // What ends within a name is another repository's.
    let is_whole = known.len() == image.len() || image[known.len()..].starts_with([':', '@']);
    is_whole.then_some(known)
}

fn repository(image: &str) -> Option<(String, String, String)> {
    let image: Reference = image.parse().ok()?;
    let (account, region) = registry_at(image.registry())?;
    Some((account.to_owned(), region.to_owned(), image.repository().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_of_an_image_is_known_before_its_tag_is() {
        let table = [
            ("1.dkr.ecr/shop:${TAG}", Some("1.dkr.ecr/shop")),
            ("1.dkr.ecr/shop:1.${MINOR}", None),
            ("1.dkr.ecr/shop@${DIGEST}", Some("1.dkr.ecr/shop")),
            ("1.dkr.ecr/shop:1", Some("1.dkr.ecr/shop:1")),
            ("1.dkr.ecr/${NAME}:1", None),
            ("${IMAGE}", None),
        ];
        for (image, known) in table {
            assert_eq!(without_placeholder(image), known, "{image}");
        }
    }
}
