//! What a report of a scanner says of its image.
//!
//! Source of the forms: Trivy, `pkg/types/report.go` (`Report`, `Metadata`) and `pkg/report/sarif.go` (`properties` of
//! a run); Grype, `grype/presenter/models` (`source.target` of an image: syft's `ImageMetadata`); OASIS, "SARIF Version
//! 2.1.0".

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use jiff::Timestamp;
use quickserve_core::finding::{Code, Finding};
use quickserve_core::release::Digest;
use serde::Deserialize;
use serde_json::Value;

/// The largest report that is read, in bytes. That of a large image with many findings has some tens of MB.
const LIMIT: u64 = 256 << 20;

/// The digests by which an image is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digests {
    /// Of its configuration: an engine's image id.
    pub ids: BTreeSet<Digest>,
    /// Of its manifest, or of the index of several: that under which a registry has it.
    pub manifests: BTreeSet<Digest>,
}

/// A report of a scanner, as far as it says what was scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanReport {
    /// What findings call it.
    pub file: String,
    /// The scanner, such as `Trivy`.
    pub scanner: String,
    /// What was scanned, as the scanner was told, and the tags that it found.
    pub names: Vec<String>,
    /// Whether what was scanned is an image, as far as it is said.
    pub is_image: bool,
    /// The image.
    pub digests: Digests,
    /// When.
    pub time: Option<Timestamp>,
}

/// What is read of any report. What has another shape than the scanner writes is read as absent.
#[derive(Debug, Deserialize)]
struct Anything {
    #[serde(rename = "ArtifactName")]
    artifact_name: Option<Value>,
    #[serde(rename = "ArtifactType")]
    artifact_type: Option<Value>,
    #[serde(rename = "CreatedAt")]
    created_at: Option<Value>,
    #[serde(rename = "Metadata")]
    metadata: Option<Value>,
    source: Option<Value>,
    descriptor: Option<Value>,
    runs: Option<Vec<Run>>,
}

/// One run of SARIF.
#[derive(Debug, Deserialize)]
struct Run {
    tool: Option<Value>,
    properties: Option<Value>,
    invocations: Option<Value>,
}

impl ScanReport {
    /// Reads a file.
    ///
    /// # Errors
    /// A finding where it is not there, no file, larger than 256 MiB, or no report of Trivy, Grype or in SARIF.
    pub fn read(path: &Path, file: &str) -> Result<Self, Box<Finding>> {
        let failed = |error: &std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                unusable(file, "does not exist", "let the scanner write it first, or correct its name")
            }
            _ => unusable(file, &format!("cannot be read: {error}"), "make it a file that you may read"),
        };
        // A pipe or a device could be read for ever.
        let metadata = std::fs::metadata(path).map_err(|error| failed(&error))?;
        if !metadata.is_file() || metadata.len() > LIMIT {
            let what = if metadata.is_file() { "is larger than 256 MiB" } else { "is no file" };
            return Err(unusable(file, what, "name the report that the scanner wrote"));
        }
        let opened = File::open(path).map_err(|error| failed(&error))?;
        Self::parse(BufReader::new(opened.take(LIMIT)), file)
    }

    /// Reads a report that is in hand.
    ///
    /// # Errors
    /// A finding where it is no report of Trivy, Grype or in SARIF.
    pub fn parse(json: impl Read, file: &str) -> Result<Self, Box<Finding>> {
        let anything: Anything = serde_json::from_reader(json).map_err(|error| {
            let what = if error.is_data() {
                "is no report of a scanner".to_owned()
            } else {
                format!("is no JSON, at line {}", error.line())
            };
            unusable(file, &what, FORMS)
        })?;
        let report = anything.sarif(file).or_else(|| anything.grype(file)).or_else(|| anything.trivy(file));
        report.ok_or_else(|| unusable(file, "is no report of a scanner", FORMS))
    }

    /// What it is of, for a person.
    pub fn name(&self) -> &str {
        self.names.first().map_or("what it does not name", String::as_str)
    }
}

const FORMS: &str = "write it with `trivy image --format json`, `grype -o json`, or as SARIF";

fn unusable(file: &str, what: &str, hint: &str) -> Box<Finding> {
    let finding = Finding::error(Code::CONFIGURED_FILE, format!("scan report {file} {what}"));
    Box::new(finding.with_hint(hint).on(file))
}

impl Anything {
    fn trivy(&self, file: &str) -> Option<ScanReport> {
        let artifact = text(self.artifact_name.as_ref()?)?;
        let nothing = Value::Null;
        let metadata = self.metadata.as_ref().unwrap_or(&nothing);
        // Before version 0.20 it did not say.
        let kind = self.artifact_type.as_ref().and_then(text);
        let is_image = kind.is_none_or(|kind| kind == "container_image");
        Some(ScanReport {
            file: file.to_owned(),
            scanner: "Trivy".to_owned(),
            names: std::iter::once(artifact).chain(texts(&metadata["RepoTags"])).collect(),
            is_image,
            digests: digests(&metadata["ImageID"], &nothing, &metadata["RepoDigests"]),
            time: self.created_at.as_ref().and_then(time),
        })
    }

    fn grype(&self, file: &str) -> Option<ScanReport> {
        let source = self.source.as_ref()?;
        let nothing = Value::Null;
        let target = &source["target"];
        let told = text(&target["userInput"]).or_else(|| text(target)).filter(|told| !told.is_empty());
        Some(ScanReport {
            file: file.to_owned(),
            scanner: "Grype".to_owned(),
            names: told.into_iter().chain(texts(&target["tags"])).collect(),
            is_image: text(&source["type"]).is_some_and(|kind| kind == "image"),
            digests: digests(&target["imageID"], &target["manifestDigest"], &target["repoDigests"]),
            time: self.descriptor.as_ref().unwrap_or(&nothing).get("timestamp").and_then(time),
        })
    }

    fn sarif(&self, file: &str) -> Option<ScanReport> {
        let run = self.runs.as_ref()?.first()?;
        let nothing = Value::Null;
        let tool = run.tool.as_ref().and_then(|tool| text(&tool["driver"]["name"]));
        let properties = run.properties.as_ref().unwrap_or(&nothing);
        let invocations = run.invocations.as_ref().unwrap_or(&nothing);
        Some(ScanReport {
            file: file.to_owned(),
            scanner: tool.unwrap_or_else(|| "a scanner".to_owned()),
            names: text(&properties["imageName"]).into_iter().chain(texts(&properties["repoTags"])).collect(),
            is_image: true,
            digests: digests(&properties["imageID"], &nothing, &properties["repoDigests"]),
            time: time(&invocations[0]["endTimeUtc"]),
        })
    }
}

/// An image id, a manifest's digest, and `name@digest` of registries.
fn digests(id: &Value, manifest: &Value, of_registries: &Value) -> Digests {
    let digest = |text: String| text.rsplit('@').next().and_then(|digest| digest.parse().ok());
    Digests {
        ids: text(id).and_then(digest).into_iter().collect(),
        manifests: text(manifest).into_iter().chain(texts(of_registries)).filter_map(digest).collect(),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(text).collect()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::scanned) const TRIVY: &str = include_str!("testdata/trivy.json");
    pub(in crate::scanned) const GRYPE: &str = include_str!("testdata/grype.json");
    pub(in crate::scanned) const SARIF: &str = include_str!("testdata/grype.sarif.json");

    fn report(text: &str) -> ScanReport {
        ScanReport::parse(text.as_bytes(), "scan.json").expect("a report")
    }

    /// A text with one more field in the object after a mark.
    pub(in crate::scanned) fn with(text: &str, mark: &str, field: &str) -> String {
        assert!(text.contains(mark), "{mark}");
        text.replacen(mark, &format!("{mark}{field},"), 1)
    }

    fn digest(text: &str) -> BTreeSet<Digest> {
        BTreeSet::from([text.parse().expect("a digest")])
    }

    #[test]
    fn trivy_says_which_image_it_has_scanned_and_when() {
        let registry = format!(r#""RepoDigests": ["ghcr.io/shop/web@sha256:{}"]"#, "1".repeat(64));
        let report = report(&with(TRIVY, "\"Metadata\": {", &registry));
        let id = "sha256:c2c03a296d2329a4f3ab72a7bf38b78a8a80108204d326b0139d6af700e152d1";
        assert_eq!((report.scanner.as_str(), report.is_image), ("Trivy", true));
        assert_eq!(report.digests.ids, digest(id));
        assert_eq!(report.digests.manifests, digest(&format!("sha256:{}", "1".repeat(64))));
        assert_eq!(report.names[1], "ghcr.io/aquasecurity/trivy-test-images:debian-buster");
        assert_eq!(
            report.time.map(|time| time.to_string()).as_deref(),
            Some("2021-08-25T12:20:30.000000005Z")
        );
        let folder = TRIVY.replace("container_image", "filesystem");
        assert!(!self::report(&folder).is_image);
    }

    #[test]
    fn grype_says_which_image_it_has_scanned() {
        let report = report(GRYPE);
        let id = "sha256:ab5608d634db2716a297adbfa6a5dd5d8f8f5a7d0cab73649ea7fbb8c8da544f";
        let manifest = "sha256:ca738abb87a8d58f112d3400ebb079b61ceae7dc290beb34bda735be4b1941d5";
        assert_eq!((report.scanner.as_str(), report.name(), report.is_image), ("Grype", "user-input", true));
        assert_eq!((&report.digests.ids, &report.digests.manifests), (&digest(id), &digest(manifest)));
        let folder = self::report(include_str!("testdata/grype-of-a-folder.json"));
        assert_eq!((folder.is_image, folder.digests), (false, Digests::default()));
    }

    #[test]
    fn sarif_says_it_where_its_scanner_does() {
        let grype = report(SARIF);
        assert_eq!((grype.scanner.as_str(), &grype.digests), ("grype", &Digests::default()));
        // As Trivy writes it.
        let id = format!("sha256:{}", "2".repeat(64));
        let properties = format!(
            r#""properties": {{"imageID": "{id}", "imageName": "shop:1", "repoDigests": [], "repoTags": ["shop:1"]}}"#
        );
        let trivy = report(&with(SARIF, "\"runs\": [\n    {", &properties));
        assert_eq!((trivy.digests.ids, trivy.names), (digest(&id), vec!["shop:1".to_owned(); 2]));
    }

    #[test]
    fn what_is_no_report_is_a_finding() {
        let message =
            |text: &str| ScanReport::parse(text.as_bytes(), "s.json").expect_err("a finding").message;
        assert_eq!(message("{}"), "scan report s.json is no report of a scanner");
        assert_eq!(message("[1]"), "scan report s.json is no report of a scanner");
        assert_eq!(message("{\n\"runs\": ["), "scan report s.json is no JSON, at line 2");
        assert_eq!(message(r#"{"runs": []}"#), "scan report s.json is no report of a scanner");
        assert_eq!(
            message(r#"{"ArtifactName": 3, "Metadata": []}"#),
            "scan report s.json is no report of a scanner"
        );
        let absent = ScanReport::read(Path::new("no-such-file"), "s.json").expect_err("a finding").message;
        assert_eq!(absent, "scan report s.json does not exist");
        let folder = ScanReport::read(Path::new("."), "s.json").expect_err("a finding").message;
        assert_eq!(folder, "scan report s.json is no file");
    }
}
