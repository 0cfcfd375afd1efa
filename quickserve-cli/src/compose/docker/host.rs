//! Whether this machine can run the images, and has room for the tasks.

use std::collections::BTreeMap;
use std::path::Path;

use quickserve_core::Result;
use quickserve_core::config::{Settings, Strategy};
use quickserve_core::preflight::{self, Report};
use quickserve_core::registry::ResolvedImage;
use quickserve_core::workload::Workload;
use quickserve_docker::Engine;

/// The bytes that are free for whoever is not root on the disk of a folder; `None` where it is not on this machine.
fn free(folder: &Path) -> Option<u64> {
    let seen = rustix::fs::statvfs(folder).ok()?;
    Some(seen.f_bavail * seen.f_frsize)
}

/// Looks at processor, memory and disk.
pub(crate) async fn check(
    engine: &Engine,
    settings: &Settings,
    workload: &Workload,
    images: &BTreeMap<String, ResolvedImage>,
) -> Result<Report> {
    let machine = engine.machine().await?;
    let architecture = preflight::architecture(images, &machine.platform);
    let tasks = settings.deploy.tasks.unwrap_or(1);
    let at_a_time = match settings.strategy_for(workload) {
        Strategy::Recreate => tasks,
        Strategy::Rolling => tasks.saturating_mul(settings.deploy.maximum_percent) / 100,
        Strategy::BlueGreen | Strategy::Canary | Strategy::Linear => tasks.saturating_mul(2),
    };
    let memory = machine.memory.map(|bytes| preflight::memory(workload, at_a_time.max(tasks), bytes));
    let disk = free(Path::new(&machine.folder)).map(|free| preflight::disk(&machine.folder, free));
    let reports = [memory, disk].into_iter().flatten();
    Ok(reports.fold(architecture, Report::and))
}
