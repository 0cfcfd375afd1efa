//! What is checked.

use std::collections::BTreeMap;
use std::time::Duration;

use quickserve_core::config::Strategy;
use quickserve_core::service::ServiceKey;
use quickserve_core::workload::Workload;

use crate::s3::Location;

/// A service that shall be deployed, as its files say.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Whose journal it has.
    pub key: ServiceKey,
    /// Where the journal is, if it is on S3.
    pub journal: Option<Location>,
    /// The cluster's name or ARN.
    pub cluster: String,
    /// The service's name or ARN.
    pub service: String,
    /// The family of a task definition that names none.
    pub family: String,
    /// The role to deploy as, where the settings name one.
    pub assume_role: Option<String>,
    /// What runs. Its document is the task definition.
    pub workload: Workload,
    /// The image of each container, as a reference. Of one that is not named yet, the repository in the task definition is
    /// what policies are made from.
    pub images: BTreeMap<String, String>,
    /// How the service is made where it does not exist: JSON as for `aws ecs create-service --cli-input-json`.
    pub definition: Option<String>,
    /// How traffic moves from one release to the next.
    pub strategy: Strategy,
    /// How many tasks are asked for; as many as the service has without it.
    pub tasks: Option<u32>,
    /// The least part of the tasks that stays healthy, in percent.
    pub minimum_healthy_percent: u32,
    /// The most tasks at a time, in percent.
    pub maximum_percent: u32,
    /// How long requests in flight may take to end.
    pub drain_timeout: Duration,
    /// From the first step of a deployment to the last.
    pub timeout: Duration,
    /// The alarms that fail a deployment.
    pub alarms: Vec<String>,
    /// Whether the journal knows a release to go back to.
    pub has_good_release: bool,
}

impl Subject {
    /// The cluster's name, also where it is given by its ARN.
    pub(crate) fn cluster_name(&self) -> &str {
        last(&self.cluster)
    }

    /// The service's name, also where it is given by its ARN.
    pub(crate) fn service_name(&self) -> &str {
        last(&self.service)
    }
}

/// The last part of an ARN's resource. ECS documentation, "Amazon Resource Names (ARNs) and IDs":
/// `cluster/<name>`, `service/<cluster>/<name>`.
fn last(named: &str) -> &str {
    named.rsplit('/').next().unwrap_or(named)
}

#[cfg(test)]
pub(crate) mod tests {
    use quickserve_core::workload::{Reading, TaskDefinition};

    use super::*;

    /// A service with all that a definition can name.
    pub(crate) fn subject() -> Subject {
        let definition = r#"{
            "family": "shop", "networkMode": "awsvpc", "cpu": "256", "memory": "512",
            "executionRoleArn": "arn:aws-cn:iam::123456789012:role/shop/execution", "taskRoleArn": "task",
            "containerDefinitions": [{
                "name": "app", "image": "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/team/shop:1",
                "portMappings": [{"containerPort": 3000}],
                "secrets": [
                    {"name": "DB", "valueFrom": "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:db-AbCdEf:url::"},
                    {"name": "KEY", "valueFrom": "shop/key"}
                ],
                "logConfiguration": {"logDriver": "awslogs", "options": {
                    "awslogs-group": "/ecs/shop", "awslogs-region": "cn-north-1", "awslogs-create-group": "true",
                    "awslogs-stream-prefix": "shop"}}
            }]}"#;
        let workload = TaskDefinition::read(definition, &Reading::default()).expect("a definition").workload;
        let image = "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/team/shop:1";
        Subject {
            key: ServiceKey::new("shop", "production").expect("a key"),
            journal: Some("s3://acme-deploy/journal".parse().expect("a place")),
            cluster: "main".into(),
            service: "arn:aws-cn:ecs:cn-north-1:123456789012:service/main/shop".into(),
            family: "other".into(),
            assume_role: None,
            workload,
            images: BTreeMap::from([("app".into(), image.into())]),
            definition: None,
            strategy: Strategy::Rolling,
            tasks: None,
            minimum_healthy_percent: 100,
            maximum_percent: 200,
            drain_timeout: Duration::from_secs(30),
            timeout: Duration::from_mins(15),
            alarms: vec!["shop-5xx".into()],
            has_good_release: true,
        }
    }
}
