//! Who answers: version, release, and the container or task that it runs in.

use std::time::Duration;

use hyper::Uri;
use serde_json::{Value, json};

use crate::client;
use crate::config::Settings;

/// How long ECS may take to name the task; the service starts without the name otherwise.
const LIMIT: Duration = Duration::from_secs(1);

/// What `/version` tells.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The image's tag.
    pub(crate) version: String,
    /// The release, as the deployment named it.
    pub(crate) release: String,
    hostname: String,
    task: Option<String>,
}

impl Identity {
    /// Learns who this is; on ECS from the task metadata endpoint.
    pub(crate) async fn learn(settings: &Settings) -> Self {
        Self {
            version: settings.version.clone(),
            release: settings.release.clone(),
            hostname: settings.hostname.clone(),
            task: match &settings.task_metadata {
                Some(uri) => task_id(uri).await,
                None => None,
            },
        }
    }

    /// The answer of `/version`.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "version": self.version,
            "release": self.release,
            "hostname": self.hostname,
            "task": self.task,
        })
    }
}

/// ECS doc: task metadata endpoint version 4, `${ECS_CONTAINER_METADATA_URI_V4}/task`, field `TaskARN`, whose
/// last part is the task's id.
async fn task_id(uri: &Uri) -> Option<String> {
    let (host, port) = (uri.host()?, uri.port_u16().unwrap_or(80));
    let path = format!("{}/task", uri.path().trim_end_matches('/'));
    let (_, body) =
        client::get(host, port, &path, LIMIT).await.ok().filter(|(status, _)| status.is_success())?;
    let task: Value = serde_json::from_slice(&body).ok()?;
    task["TaskARN"].as_str()?.rsplit('/').next().map(str::to_owned)
}
