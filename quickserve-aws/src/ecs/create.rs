//! The first deployment makes the service, as a file says; and one that we made can be removed.

use aws_sdk_ecs::types::Service;
use quickserve_core::fence::Fence;
use quickserve_core::release::Digest;
use quickserve_core::rollout::RolloutSpec;
use quickserve_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use super::body::instead;
use super::configuration::members;
use super::fence::fenced;
use super::json::Object;
use super::platform::Ecs;
use super::service::MADE_TAG;
use crate::error::{Call, call};

const CREATE: Call = call("ecs", "CreateService");
const DELETE: Call = call("ecs", "DeleteService");

impl Ecs {
    /// Makes the service. The same call again is the same service: its token is made of what it asks for.
    pub(super) async fn create(&self, fence: &Fence, spec: &RolloutSpec) -> Result<Service> {
        let body = self.creation(spec)?;
        let answer = self
            .client()
            .create_service()
            .service_name(self.service())
            .customize()
            .config_override(fenced(fence, self.now())?)
            .mutate_request(instead(body))
            .send()
            .await
            .map_err(|error| CREATE.failed(error))?;
        answer.service.ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, "ecs:CreateService: read the answer, which holds no service")
        })
    }

    fn creation(&self, spec: &RolloutSpec) -> Result<String> {
        let Some(definition) = self.definition() else {
            let message = format!("find service {} in cluster {}", self.service(), self.cluster());
            return Err(Error::new(ErrorKind::NotFound, message)
                .with_hint("make it first, or name a file that says how: JSON as for aws ecs create-service --cli-input-json"));
        };
        let mut service: Object = serde_json::from_str(definition).map_err(|error| {
            Error::new(ErrorKind::Invalid, "read the service's definition").with_source(error)
        })?;
        service.set("cluster", &self.cluster())?;
        service.set("serviceName", &self.service())?;
        service.set("taskDefinition", &spec.revision)?;
        service.set("desiredCount", &spec.tasks.unwrap_or(1))?;
        let mut deployment: Object = service.get("deploymentConfiguration")?.unwrap_or_default();
        deployment.set("deploymentCircuitBreaker", &json!({ "enable": true, "rollback": true }))?;
        if !self.alarms().is_empty() {
            let alarms = json!({ "alarmNames": self.alarms(), "enable": true, "rollback": true });
            deployment.set("alarms", &alarms)?;
        }
        deployment.set("minimumHealthyPercent", &spec.minimum_healthy_percent)?;
        deployment.set("maximumPercent", &spec.maximum_percent)?;
        for (name, value) in members(spec)? {
            deployment.set(name, &value)?;
        }
        service.set("deploymentConfiguration", &deployment)?;
        let mut tags: Vec<Value> = service.get("tags")?.unwrap_or_default();
        tags.push(json!({ "key": MADE_TAG, "value": "true" }));
        service.set("tags", &tags)?;
        let content = serde_json::to_string(&service).map_err(unwritable)?;
        service.set("clientToken", &&Digest::of(content.as_bytes()).hex()[..32])?;
        serde_json::to_string(&service).map_err(unwritable)
    }

    /// Removes the service where we made it; whether it is gone.
    pub(super) async fn remove(&self, fence: &Fence) -> Result<bool> {
        let Some(live) = self.live().await? else { return Ok(true) };
        if live.is_draining() {
            return Ok(false);
        }
        if !live.is_ours() {
            let message = format!("remove service {}: it was not made by QuickServe", self.service());
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("whoever made it removes it: aws ecs delete-service --force"));
        }
        let request =
            self.client().delete_service().cluster(self.cluster()).service(self.service()).force(true);
        let request = request.customize().config_override(fenced(fence, self.now())?);
        request.send().await.map_err(|error| DELETE.failed(error))?;
        // It is inactive once its tasks have stopped: the next look says so.
        Ok(false)
    }
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "write the service's definition").with_source(error)
}
