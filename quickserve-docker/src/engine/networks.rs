//! Networks and volumes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{NetworkCreateRequest, VolumeCreateRequest};
use bollard::query_parameters::{ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptions};
use quickserve_core::release::Digest;
use quickserve_core::{Error, ErrorKind, Result};
use tokio::time::{Instant, sleep};

use super::containers::label_filters;
use super::{Engine, fault};
use crate::names;

/// How long a network that another owner makes may be on its way, and how often it is looked for.
const OTHERS_NETWORK: Duration = Duration::from_secs(10);
const OTHERS_NETWORK_LOOK: Duration = Duration::from_millis(50);

impl Engine {
    /// Makes an environment's bridge network where it does not exist.
    ///
    /// An engine before 25 allows two networks of one name. It never allows two with one bridge device,
    /// so the device's name is derived from the network's: of two owners that make it at once, one is refused
    /// and waits until it finds the other's. Podman allows no two networks of one name; beside a Docker engine on the same machine it
    /// needs devices of its own.
    pub(crate) async fn ensure_network(&self, environment: &str) -> Result<()> {
        let name = names::network(environment);
        if self.network_exists(&name).await? {
            return Ok(());
        }
        let device = (!self.is_podman).then(|| {
            let device = format!("qs-{}", &Digest::of(name.as_bytes()).hex()[..11]);
            HashMap::from([("com.docker.network.bridge.name".to_owned(), device)])
        });
        let labels = [(names::MANAGED, "true"), (names::ENVIRONMENT, environment)];
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".into()),
            options: device,
            labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
            ..Default::default()
        };
        let deadline = Instant::now() + OTHERS_NETWORK;
        loop {
            let Err(error) = self.docker.create_network(request.clone()).await else { return Ok(()) };
            if self.network_exists(&name).await? {
                return Ok(());
            }
            // The engine takes the device first and shows the network later: another owner is about to have made it.
            if !fault::is_device_taken(&error) || Instant::now() >= deadline {
                return Err(fault::to_core(format!("create network {name}"), error));
            }
            sleep(OTHERS_NETWORK_LOOK).await;
        }
    }

    async fn network_exists(&self, name: &str) -> Result<bool> {
        let filters = HashMap::from([("name", vec![name])]);
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let networks = self.docker.list_networks(Some(options)).await;
        let networks = networks.map_err(|error| fault::to_core("list networks", error))?;
        let mut exists = false;
        // The filter matches parts of names too.
        for network in networks.into_iter().filter(|network| network.name.as_deref() == Some(name)) {
            let ours = network.labels.is_some_and(|labels| labels.contains_key(names::MANAGED));
            if !ours {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("use network {name}: it exists and QuickServe did not make it"),
                )
                .with_hint(format!("remove it with: docker network rm {name}")));
            }
            exists = true;
        }
        Ok(exists)
    }

    /// Removes an environment's network when nobody uses it, and answers whether it did.
    pub(crate) async fn remove_network(&self, environment: &str) -> Result<bool> {
        let name = names::network(environment);
        let labels = BTreeMap::from([
            (names::MANAGED.to_owned(), "true".to_owned()),
            (names::ENVIRONMENT.to_owned(), environment.to_owned()),
        ]);
        let filters = HashMap::from([("label", label_filters(&labels))]);
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let networks = self.docker.list_networks(Some(options)).await;
        let networks = networks.map_err(|error| fault::to_core("list networks", error))?;
        let mut removed = false;
        for network in networks.into_iter().filter(|network| network.name.as_deref() == Some(&name)) {
            let Some(id) = network.id else { continue };
            // A stopped container holds no endpoint, so the engine would let its network go.
            if !self.list(&labels).await?.is_empty() {
                continue;
            }
            match self.docker.remove_network(&id).await {
                Ok(()) => removed = true,
                Err(error) => match fault::answer(&error) {
                    // Gone already, or in use by somebody.
                    Some((403 | 404 | 409, _)) => {}
                    _ => return Err(fault::to_core(format!("remove network {name}"), error)),
                },
            }
        }
        Ok(removed)
    }

    /// Makes a named volume where it does not exist.
    pub(crate) async fn ensure_volume(&self, name: &str, labels: BTreeMap<String, String>) -> Result<()> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(labels.into_iter().collect()),
            ..Default::default()
        };
        let created = self.docker.create_volume(request).await;
        created.map(drop).map_err(|error| fault::to_core(format!("create volume {name}"), error))
    }

    /// The names of the volumes with these labels.
    pub(crate) async fn volumes(&self, labels: &BTreeMap<String, String>) -> Result<Vec<String>> {
        let filters = HashMap::from([("label", label_filters(labels))]);
        let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
        let volumes = self.docker.list_volumes(Some(options)).await;
        let volumes = volumes.map_err(|error| fault::to_core("list volumes", error))?;
        Ok(volumes.volumes.unwrap_or_default().into_iter().map(|volume| volume.name).collect())
    }

    /// Removes a volume; one that does not exist is a success.
    pub(crate) async fn remove_volume(&self, name: &str) -> Result<()> {
        match self.docker.remove_volume(name, None::<RemoveVolumeOptions>).await {
            Ok(()) => Ok(()),
            Err(error) if fault::is_not_found(&error) => Ok(()),
            Err(error) => Err(fault::to_core(format!("remove volume {name}"), error)),
        }
    }
}
