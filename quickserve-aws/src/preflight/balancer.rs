//! A service's load balancer, as ECS or the service's file describes it.

use aws_sdk_ecs::types::LoadBalancer;
use serde::Deserialize;

/// Which port of which container a target group sends requests to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Balancer {
    #[serde(rename = "targetGroupArn")]
    pub(crate) target_group: Option<String>,
    #[serde(rename = "containerName")]
    pub(crate) container: Option<String>,
    #[serde(rename = "containerPort")]
    pub(crate) port: Option<i32>,
    /// How traffic is shifted between releases that stand side by side.
    #[serde(rename = "advancedConfiguration")]
    pub(crate) shift: Option<Shift>,
}

/// What ECS shifts traffic with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Shift {
    /// The other target group.
    #[serde(rename = "alternateTargetGroupArn")]
    pub(crate) alternate: Option<String>,
    /// A rule of an Application Load Balancer, or a listener of a Network Load Balancer.
    #[serde(rename = "productionListenerRule")]
    pub(crate) production: Option<String>,
    #[serde(rename = "testListenerRule")]
    pub(crate) test: Option<String>,
    /// The role that ECS takes to do it.
    #[serde(rename = "roleArn")]
    pub(crate) role: Option<String>,
}

impl Balancer {
    /// Both target groups, as far as they are named.
    pub(crate) fn target_groups(&self) -> impl Iterator<Item = &str> {
        let alternate = self.shift.as_ref().and_then(|shift| shift.alternate.as_deref());
        self.target_group.as_deref().into_iter().chain(alternate)
    }
}

impl From<&LoadBalancer> for Balancer {
    fn from(of: &LoadBalancer) -> Self {
        let shift = of.advanced_configuration().map(|it| Shift {
            alternate: it.alternate_target_group_arn.clone(),
            production: it.production_listener_rule.clone(),
            test: it.test_listener_rule.clone(),
            role: it.role_arn.clone(),
        });
        Self {
            target_group: of.target_group_arn.clone(),
            container: of.container_name.clone(),
            port: of.container_port,
            shift,
        }
    }
}
