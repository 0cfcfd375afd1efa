//! Digests of reports beside those of images.

use std::collections::BTreeSet;

use jiff::{Timestamp, ToSpan as _};
use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::preflight::Report;
use quickserve_core::registry::ResolvedImage;
use quickserve_core::release::Digest;

use super::report::{Digests, ScanReport};

/// After how many days what a report does not say may well have become known.
const DAYS: i64 = 30;

/// An image that is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deployed {
    /// The container; empty where nobody has named it.
    pub container: String,
    /// The reference by which people know the image.
    pub reference: String,
    /// The digests that are known of it.
    pub digests: Digests,
}

impl Deployed {
    /// An image of which no more is known than its reference, and the digest where that names one.
    pub fn named(container: &str, reference: String) -> Self {
        let manifests = pinned(&reference).into_iter().collect();
        let digests = Digests { ids: BTreeSet::new(), manifests };
        Self { container: container.to_owned(), reference, digests }
    }

    /// An image that an engine has.
    pub fn resolved(container: &str, resolved: &ResolvedImage) -> Self {
        let mut deployed = Self::named(container, resolved.image.reference.clone());
        let image = &resolved.image;
        deployed.digests.manifests.extend(image.manifest.clone());
        // An engine that keeps its images as a registry does (containerd) names them by their manifests.
        if image.manifest.as_ref() == Some(&image.digest) {
            deployed.digests.manifests.insert(image.digest.clone());
        } else {
            deployed.digests.ids.insert(image.digest.clone());
        }
        deployed
    }

    /// The reference without its digest.
    fn name(&self) -> &str {
        self.reference.split('@').next().unwrap_or(&self.reference)
    }

    fn what(&self) -> String {
        if self.container.is_empty() {
            self.reference.clone()
        } else {
            format!("container {}", self.container)
        }
    }
}

/// The digest that a reference ends with.
fn pinned(reference: &str) -> Option<Digest> {
    reference.rsplit_once('@')?.1.parse().ok()
}

/// Whether a report is of an image.
enum Verdict<'a> {
    Same,
    /// Digests of one kind, of the image and of the report.
    Differs(&'a Digest, &'a Digest),
    /// None of the same kind.
    Unknown,
}

/// Whether each report is of one of the images that are deployed.
pub fn judge(reports: &[ScanReport], images: &[Deployed], now: Timestamp) -> Report {
    let judged =
        reports.iter().map(|report| Report::of(of_report(report, images, now).into_iter().collect()));
    judged.fold(Report::default(), Report::and)
}

fn of_report(report: &ScanReport, images: &[Deployed], now: Timestamp) -> Option<Finding> {
    let ScanReport { file, scanner, .. } = report;
    let finding = |severity, message: String| Finding::new(Code::NOT_THE_SCANNED, severity, message).on(file);
    if !report.is_image {
        let message =
            format!("the report of {scanner} is of {}, and of no image: it proves nothing", report.name());
        return Some(finding(Severity::Warning, message).with_hint("scan the image that is deployed"));
    }
    if report.digests == Digests::default() {
        let message =
            format!("the report of {scanner} names no digest: it proves nothing of what is deployed");
        let hint = "write it as JSON of Trivy or Grype, which names the image by its digests";
        return Some(finding(Severity::Warning, message).with_hint(hint));
    }
    let candidates = candidates(report, images);
    let mut differs = None;
    for image in &candidates {
        match compare(&image.digests, &report.digests) {
            Verdict::Same => {
                return too_old(report, now)
                    .map(|message| finding(Severity::Warning, message).with_hint(AGAIN));
            }
            Verdict::Differs(deployed, scanned) => differs = differs.or(Some((*image, deployed, scanned))),
            Verdict::Unknown => {}
        }
    }
    if let Some((image, deployed, scanned)) = differs {
        let message = format!(
            "{scanner} has scanned {scanned:#}, and {} would run {deployed:#} ({}): nobody has looked into that",
            image.what(),
            image.name()
        );
        let hint = "deploy by the digest that was scanned, or scan what is deployed";
        return Some(finding(Severity::Error, message).with_hint(hint));
    }
    // No image at all is told elsewhere.
    let image = candidates.first()?;
    let message = format!(
        "whether {} is what {scanner} has scanned cannot be told: no digest of the same kind is known of both",
        image.name()
    );
    let hint = "name the image by the digest that was scanned, such as name@sha256:...";
    Some(finding(Severity::Info, message).with_hint(hint))
}

const AGAIN: &str = "scan the image again";

/// The images that a report may be of: those of a repository that it names, where there are any.
fn candidates<'a>(report: &ScanReport, images: &'a [Deployed]) -> Vec<&'a Deployed> {
    let repositories: BTreeSet<&str> = report.names.iter().map(|name| repository(name)).collect();
    let is_named = |image: &&Deployed| repositories.contains(repository(&image.reference));
    let named: Vec<&Deployed> = images.iter().filter(is_named).collect();
    if named.is_empty() { images.iter().collect() } else { named }
}

/// A reference without its digest and tag.
fn repository(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or(reference);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

/// A digest that both have is proof. One may name an image of a registry by the index of several platforms and the other
/// by the platform's own: image ids, where both are known, decide.
fn compare<'a>(deployed: &'a Digests, scanned: &'a Digests) -> Verdict<'a> {
    let share = |one: &BTreeSet<Digest>, other: &BTreeSet<Digest>| !one.is_disjoint(other);
    if share(&deployed.ids, &scanned.ids) || share(&deployed.manifests, &scanned.manifests) {
        return Verdict::Same;
    }
    let ids = deployed.ids.first().zip(scanned.ids.first());
    let manifests = || deployed.manifests.first().zip(scanned.manifests.first());
    match ids.or_else(manifests) {
        Some((deployed, scanned)) => Verdict::Differs(deployed, scanned),
        None => Verdict::Unknown,
    }
}

fn too_old(report: &ScanReport, now: Timestamp) -> Option<String> {
    let time = report.time?;
    let oldest = now.checked_sub((DAYS * 24).hours()).ok()?;
    let days = now.duration_since(time).as_hours() / 24;
    (time < oldest).then(|| {
        format!(
            "the report of {} is {days} days old: what became known since then is not in it",
            report.scanner
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{GRYPE, SARIF, TRIVY, with};
    use super::*;
    use quickserve_core::release::Image;

    const ID: &str = "sha256:c2c03a296d2329a4f3ab72a7bf38b78a8a80108204d326b0139d6af700e152d1";

    fn other(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    fn trivy(manifest: Option<&str>) -> ScanReport {
        let text = match manifest {
            Some(manifest) => {
                with(TRIVY, "\"Metadata\": {", &format!(r#""RepoDigests": ["r/shop@{manifest}"]"#))
            }
            None => TRIVY.to_owned(),
        };
        ScanReport::parse(text.as_bytes(), "scan.json").expect("a report")
    }

    fn on_engine(reference: &str, id: &str, manifest: Option<&str>) -> Deployed {
        let digest = |text: &str| text.parse().expect("a digest");
        let image = Image { reference: reference.into(), digest: digest(id), manifest: manifest.map(digest) };
        let resolved = ResolvedImage {
            image,
            platform: "linux/amd64".into(),
            exposed_ports: Vec::new(),
            variables: Vec::new(),
            has_health_check: false,
            user: String::new(),
            revision: None,
        };
        Deployed::resolved("app", &resolved)
    }

    fn said(report: &ScanReport, images: &[Deployed]) -> String {
        let now = "2021-09-01T00:00:00Z".parse().expect("a time");
        let report = judge(std::slice::from_ref(report), images, now);
        let finding = |finding: &Finding| format!("{:?}: {}", finding.severity, finding.message);
        report.findings.first().map_or_else(|| "passed".to_owned(), finding)
    }

    #[test]
    fn the_image_that_was_scanned_passes_by_any_of_its_digests() {
        let manifest = other('1');
        assert_eq!(said(&trivy(None), &[on_engine("shop:1", ID, None)]), "passed");
        assert_eq!(said(&trivy(Some(&manifest)), &[on_engine("shop:1", ID, Some(&other('9')))]), "passed");
        assert_eq!(
            said(&trivy(Some(&manifest)), &[Deployed::named("app", format!("r/shop:1@{manifest}"))]),
            "passed"
        );
        // A sidecar is beside it, and was scanned by others.
        let sidecar = on_engine("log:1", &other('5'), None);
        assert_eq!(said(&trivy(None), &[sidecar, on_engine("shop:1", ID, None)]), "passed");
    }

    #[test]
    fn another_image_is_refused_with_and_without_an_engine() {
        insta::assert_snapshot!(said(&trivy(None), &[on_engine("shop:1", &other('3'), None)]), @"Error: Trivy has scanned sha256:c2c03a296d23, and container app would run sha256:333333333333 (shop:1): nobody has looked into that");
        let pinned = Deployed::named("app", format!("r/shop@{}", other('4')));
        insta::assert_snapshot!(said(&trivy(Some(&other('1'))), std::slice::from_ref(&pinned)), @"Error: Trivy has scanned sha256:111111111111, and container app would run sha256:444444444444 (r/shop): nobody has looked into that");
        let grype = ScanReport::parse(GRYPE.as_bytes(), "scan.json").expect("a report");
        assert!(said(&grype, &[pinned]).starts_with("Error: Grype has scanned sha256:ca738abb87a8, and"));
        // It is the image of that repository that must be the same, not any.
        let named =
            Deployed::named("app", format!("ghcr.io/aquasecurity/trivy-test-images:9@{}", other('4')));
        let beside = Deployed::named("log", format!("log@{}", other('1')));
        assert!(said(&trivy(Some(&other('1'))), &[beside, named]).starts_with("Error: "));
    }

    #[test]
    fn what_proves_nothing_is_said_and_refuses_nothing() {
        let tagged = Deployed::named("app", "shop:1".into());
        insta::assert_snapshot!(said(&trivy(None), std::slice::from_ref(&tagged)), @"Info: whether shop:1 is what Trivy has scanned cannot be told: no digest of the same kind is known of both");
        let sarif = ScanReport::parse(SARIF.as_bytes(), "scan.sarif").expect("a report");
        insta::assert_snapshot!(said(&sarif, std::slice::from_ref(&tagged)), @"Warning: the report of grype names no digest: it proves nothing of what is deployed");
        let folder = TRIVY.replace("container_image", "filesystem");
        let folder = ScanReport::parse(folder.as_bytes(), "scan.json").expect("a report");
        insta::assert_snapshot!(said(&folder, &[tagged]), @"Warning: the report of Trivy is of testdata/fixtures/images/debian-buster.tar.gz, and of no image: it proves nothing");
        assert_eq!(said(&trivy(None), &[]), "passed", "that no image is named is told elsewhere");
    }

    #[test]
    fn an_old_report_is_a_warning_also_of_the_right_image() {
        let image = on_engine("shop:1", ID, None);
        let on =
            |day: &str| judge(&[trivy(None)], std::slice::from_ref(&image), day.parse().expect("a time"));
        assert_eq!(on("2021-09-24T12:20:30Z").passed, 1);
        insta::assert_snapshot!(on("2021-09-24T12:20:31Z").findings[0].message, @"the report of Trivy is 30 days old: what became known since then is not in it");
    }

    #[test]
    fn an_engine_that_names_images_by_their_manifests_is_not_taken_for_one_with_image_ids() {
        let manifest = other('1');
        let image = on_engine("shop:1", &manifest, Some(&manifest));
        assert_eq!(said(&trivy(Some(&manifest)), std::slice::from_ref(&image)), "passed");
        assert!(
            said(&trivy(None), &[image]).starts_with("Info: "),
            "an id and a manifest cannot be compared"
        );
    }
}
