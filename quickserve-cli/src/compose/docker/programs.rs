//! Whether the images have what the health checks of their containers run.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use quickserve_core::preflight::{self, Report};
use quickserve_core::registry::ResolvedImage;
use quickserve_core::workload::{Container, Workload};
use quickserve_core::{ErrorKind, Result};
use quickserve_docker::ImageStore;

/// Looks into the layers of each image whose container has a health check of its own.
pub(crate) async fn check(
    store: &ImageStore,
    workload: &Workload,
    images: &BTreeMap<String, ResolvedImage>,
) -> Result<Report> {
    let looks = workload.containers.iter().filter_map(|container| {
        let image = &images.get(&container.name)?.image;
        Some(look(store, container, &image.reference, image.digest.as_str()))
    });
    let reports = try_join_all(looks).await?;
    Ok(reports.into_iter().fold(Report::default(), Report::and))
}

async fn look(store: &ImageStore, container: &Container, reference: &str, id: &str) -> Result<Report> {
    let needed = preflight::health_check_programs(container);
    if needed.is_empty() {
        return Ok(Report::default());
    }
    match store.programs(id, needed).await {
        Ok(programs) => {
            // With a search path of its own, a task finds its programs elsewhere than the image does.
            let searches = container.environment.contains_key("PATH");
            let lacks = |program: &str| programs.lacks(program) && (program.starts_with('/') || !searches);
            Ok(preflight::health_check(container, reference, lacks))
        }
        Err(error) if error.kind() == ErrorKind::Unexpected => Err(error),
        // An image that is run as well as any: only nobody knows whether it has the program.
        Err(error) => Ok(preflight::unseen(container, reference, &error)),
    }
}
