//! Whether the tasks can run the images.

use std::collections::BTreeMap;

use quickserve_core::finding::{Code, Finding};
use quickserve_core::preflight::Report;
use quickserve_core::registry::ResolvedImage;
use quickserve_core::workload::Workload;

/// Compares each image's platform with that of the task definition. ECS starts the task all the same, and the container
/// ends at once with `exec format error`.
pub(crate) fn check_images(workload: &Workload, images: &BTreeMap<String, ResolvedImage>) -> Report {
    let wanted = workload.platform();
    let of_image = |(container, image): (&String, &ResolvedImage)| {
        // An image that does not say for which platform it is.
        let is_said = !image.platform.starts_with('/');
        // A variant such as `linux/arm64/v8` is a matter of the processor's age.
        let fits = image.platform == wanted || image.platform.starts_with(&format!("{wanted}/"));
        if fits || !is_said {
            return Report::of(Vec::new());
        }
        let (reference, platform) = (&image.image.reference, &image.platform);
        let message =
            format!("image {reference} is for {platform}, and the task definition runs on {wanted}");
        let hint = format!("build it with --platform {wanted}, or change `runtimePlatform`");
        let finding = Finding::error(Code::IMAGE_ARCHITECTURE, message);
        Report::of(vec![finding.on(format!("container {container}")).with_hint(hint)])
    };
    images.iter().map(of_image).fold(Report::default(), Report::and)
}

#[cfg(test)]
mod tests {
    use quickserve_core::release::{Digest, Image};

    use super::*;

    fn findings(platform: &str, document: &str) -> usize {
        let digest = Digest::of(b"image");
        let image = ResolvedImage {
            image: Image { reference: "shop:1".into(), digest, manifest: None },
            platform: platform.into(),
            exposed_ports: Vec::new(),
            variables: Vec::new(),
            has_health_check: false,
            user: String::new(),
            revision: None,
        };
        let workload = Workload { document: Some(document.into()), ..Workload::single("app") };
        check_images(&workload, &[("app".to_owned(), image)].into()).findings.len()
    }

    #[test]
    fn an_image_for_another_processor_is_refused() {
        let arm = r#"{"runtimePlatform": {"cpuArchitecture": "ARM64"}}"#;
        assert_eq!((findings("linux/amd64", "{}"), findings("linux/arm64", "{}")), (0, 1));
        assert_eq!((findings("linux/amd64", arm), findings("linux/arm64/v8", arm)), (1, 0));
        assert_eq!(findings("/", "{}"), 0, "one that does not say may be right");
    }
}
