//! Removing everything that QuickServe made for a service.

use futures_util::future::try_join_all;
use quickserve_core::Result;
use quickserve_core::fence::Fence;

use crate::engine::RestartPolicy;
use crate::images::ImageStore;
use crate::names;
use crate::platform::DockerPlatform;

/// What a sweep removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Names of containers.
    pub containers: Vec<String>,
    /// Names of volumes.
    pub volumes: Vec<String>,
    /// Names of volumes that stay, with the data in them.
    pub kept_volumes: Vec<String>,
    /// Tags that kept images.
    pub tags: Vec<String>,
    /// Whether the environment's network went too: nobody else used it.
    pub network: bool,
}

impl DockerPlatform {
    /// Removes everything that QuickServe made for this service on the engine, told by its labels alone.
    ///
    /// Containers that still run are stopped as they ask (stop signal, stop timeout) and waited for, so doom
    /// them first where requests may be in flight. Named volumes hold data: they go only when `volumes` says so.
    /// The router is not the engine's: see [`TrafficRouter::remove`](quickserve_core::traffic::TrafficRouter::remove).
    /// Sweeping what is swept already is a success.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`](quickserve_core::ErrorKind::Fenced) when a newer owner has been seen.
    pub async fn sweep(&self, fence: &Fence, volumes: bool) -> Result<Swept> {
        self.sets().fences().admit(fence)?;
        let listed = self.sets().list().await?;
        self.sets().fences().admit_beside(fence, &listed)?;
        let engine = self.engine();
        let ended = listed.iter().map(|container| async {
            engine.set_policy(&container.id, RestartPolicy::No).await?;
            engine.stop(&container.id).await?;
            engine.remove(&container.id).await?;
            Ok::<_, quickserve_core::Error>(container.name.clone())
        });
        let mut containers = try_join_all(ended).await?;
        containers.sort();
        let mut swept = Swept { containers, ..Swept::default() };
        let mut found = engine.volumes(&names::service_labels(self.key())).await?;
        found.sort();
        if volumes {
            for volume in &found {
                engine.remove_volume(volume).await?;
            }
            swept.volumes = found;
        } else {
            swept.kept_volumes = found;
        }
        swept.tags = ImageStore::new(engine.clone(), self.key().clone()).unpin_all(None).await?;
        swept.network = engine.remove_network(self.key().environment()).await?;
        Ok(swept)
    }
}
