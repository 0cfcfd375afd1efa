//! QS304, QS421: this machine can run the images, and has room for the tasks.

use std::collections::BTreeMap;

use super::Report;
use crate::finding::{Code, Finding, Severity};
use crate::registry::ResolvedImage;
use crate::workload::Workload;

const MIB: u64 = 1024 * 1024;

/// With less than this free, in bytes, an image may not fit any more.
const LITTLE: u64 = 1_000_000_000;

/// Images for another platform, such as `linux/arm64`, than the machine's. They run emulated, where that is set up,
/// and not at all elsewhere.
pub fn architecture(images: &BTreeMap<String, ResolvedImage>, machine: &str) -> Report {
    let reports = images.iter().map(|(container, image)| {
        // A variant such as `linux/arm/v7` is a matter of the processor's age.
        let same = image.platform == machine || image.platform.starts_with(&format!("{machine}/"));
        let message = format!(
            "image {} is for {}, and this machine is {machine}",
            image.image.reference, image.platform
        );
        let finding = Finding::new(Code::IMAGE_ARCHITECTURE, Severity::Warning, message)
            .on(format!("container {container}"))
            .with_hint(format!("build it with --platform {machine}"));
        Report::of(if same || image.platform.starts_with('/') { Vec::new() } else { vec![finding] })
    });
    reports.fold(Report::default(), Report::and)
}

/// Whether the tasks fit into the machine's memory, in bytes, when all of them use all that they may: so many at a
/// time, those of the release from before included.
pub fn memory(workload: &Workload, tasks: u32, machine: u64) -> Report {
    let of_containers = workload
        .containers
        .iter()
        .map(|container| container.memory_mib.or(container.memory_reservation_mib).map_or(0, u64::from));
    let task = workload.memory_mib.map_or_else(|| of_containers.sum(), u64::from);
    let (need, has) = (task * u64::from(tasks), machine / MIB);
    if need <= has {
        return Report::of(Vec::new());
    }
    let message =
        format!("{tasks} tasks of {task} MiB need {need} MiB at a time, and this machine has {has} MiB");
    let finding = Finding::new(Code::HOST_RESOURCES, Severity::Warning, message);
    Report::of(vec![finding.with_hint("fewer tasks, a smaller limit, or the strategy recreate")])
}

/// Whether there is room on the disk that the engine keeps images on.
pub fn disk(folder: &str, free: u64) -> Report {
    if free >= LITTLE {
        return Report::of(Vec::new());
    }
    let message = format!("only {} MB are free where the engine keeps images", free / 1_000_000);
    let finding = Finding::new(Code::HOST_RESOURCES, Severity::Warning, message).on(folder);
    Report::of(vec![finding.with_hint("docker system df shows what takes the room")])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryRegistry;
    use crate::registry::Registry as _;

    #[tokio::test]
    async fn an_image_for_another_processor_is_named() {
        let registry = MemoryRegistry::default();
        registry.insert("shop:1", b"one");
        let mut image = registry.resolve("shop:1").await.expect("an image");
        image.platform = "linux/arm64".into();
        let images = BTreeMap::from([("app".to_owned(), image)]);
        assert_eq!(architecture(&images, "linux/arm64").passed, 1);
        insta::assert_snapshot!(architecture(&images, "linux/amd64").findings[0], @r"
        QS304 image shop:1 is for linux/arm64, and this machine is linux/amd64
          --> container app
          hint: build it with --platform linux/amd64
        ");
    }

    #[test]
    fn tasks_that_do_not_fit_are_told_with_what_they_need() {
        let mut workload = Workload::single("app");
        workload.containers[0].memory_mib = Some(512);
        assert_eq!(memory(&workload, 4, 2048 * MIB).passed, 1);
        insta::assert_snapshot!(memory(&workload, 5, 2048 * MIB).findings[0], @r"
        QS421 5 tasks of 512 MiB need 2560 MiB at a time, and this machine has 2048 MiB
          hint: fewer tasks, a smaller limit, or the strategy recreate
        ");
        workload.memory_mib = Some(4096);
        assert!(memory(&workload, 1, 2048 * MIB).findings[0].message.starts_with("1 tasks of 4096 MiB"));
    }

    #[test]
    fn a_full_disk_is_told() {
        assert_eq!(disk("/var/lib/docker", LITTLE).passed, 1);
        assert_eq!(
            disk("/var/lib/docker", 5_000_000).findings[0].message,
            "only 5 MB are free where the engine keeps images"
        );
    }
}
