//! QS305: whether the image that is deployed is the one that was scanned.
//!
//! A report of a scanner says of which image it is, by digests; [`judge`] compares these with the digests of what is
//! deployed. What the report says of vulnerabilities is the scanner's business, and that of its exit code.

mod judge;
mod report;

pub use judge::{Deployed, judge};
pub use report::{Digests, ScanReport};

use jiff::Timestamp;
use quickserve_core::finding::Finding;
use quickserve_core::preflight::Report;

use crate::{Facts, Subject};

/// Reads the reports of a subject. One that cannot be read is among the findings.
pub fn read(subject: &Subject) -> (Vec<ScanReport>, Vec<Finding>) {
    let (mut reports, mut findings) = (Vec::new(), Vec::new());
    for path in &subject.scan_reports {
        match ScanReport::read(&subject.path(path), &subject.name(path)) {
            Ok(report) => reports.push(report),
            Err(finding) => findings.push(*finding),
        }
    }
    (reports, findings)
}

/// Reads and judges the reports of a subject, for images that are known otherwise than by its files.
pub fn check_images(subject: &Subject, images: &[Deployed]) -> Report {
    if subject.scan_reports.is_empty() {
        return Report::default();
    }
    let (reports, findings) = read(subject);
    let unreadable = Report { passed: 0, findings };
    unreadable.and(judge(&reports, images, now()))
}

/// By the files alone: of images that are named by a digest.
pub(crate) fn check(subject: &Subject, facts: &Facts) -> Report {
    if subject.values_elsewhere {
        Report::default()
    } else {
        check_images(subject, &by_files(subject, facts))
    }
}

/// The images as the files name them.
fn by_files(subject: &Subject, facts: &Facts) -> Vec<Deployed> {
    let mut images: Vec<Deployed> = Vec::new();
    if let Some(definition) = &facts.definition {
        let main = definition.main(subject).map(|container| container.name().to_owned());
        for container in definition.containers() {
            let name = container.name();
            let own = subject.image.clone().filter(|_| main.as_deref() == Some(name));
            let image = own.or_else(|| definition.filled(container.image()?));
            images.extend(image.map(|image| Deployed::named(name, image)));
        }
    } else if let Some(image) = &subject.image {
        images.push(Deployed::named("", image.clone()));
    }
    images
}

#[expect(clippy::disallowed_methods, reason = "the age of a report is in days; an hour changes nothing")]
fn now() -> Timestamp {
    Timestamp::try_from(std::time::SystemTime::now()).unwrap_or(Timestamp::MAX)
}
