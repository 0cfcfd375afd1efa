//! Which programs an image has, found in its layers: nothing is run, and no container is made.
//!
//! Source of the form: OCI image specification, "Image Layer Filesystem Changeset" (whiteouts), and the archive of
//! `docker save`, whose `manifest.json` names the layers from the lowest up.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read};
use std::time::Duration;

use flate2::bufread::GzDecoder;
use quickserve_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use tar::{Archive, Entry, EntryType};

use crate::ImageStore;

mod tree;

use tree::Tree;

/// How long the engine may take to hand out an image: several GB from a slow disk.
const DEADLINE: Duration = Duration::from_mins(1);
/// What is first in a gzip stream. RFC 1952, 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What is at byte 257 of a tar archive. POSIX, pax.
const USTAR: &[u8] = b"ustar";

/// Programs that are there and such that are not, of those that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Programs {
    asked: BTreeSet<String>,
    present: BTreeSet<String>,
    /// Those of which nobody knows: where a link on the way leads nowhere or in a circle, or where the folder is that
    /// they are looked for in.
    unknown: BTreeSet<String>,
    /// Whether some layer could not be looked into, such as one that is compressed in a way that we cannot read.
    partial: bool,
}

impl Programs {
    /// Whether the image surely has no such program. One that was not asked for may be there.
    pub fn lacks(&self, program: &str) -> bool {
        !self.partial
            && self.asked.contains(program)
            && !self.present.contains(program)
            && !self.unknown.contains(program)
    }
}

impl ImageStore {
    /// Looks for programs in an image: names such as `curl`, which the shell would find in a folder of programs, and
    /// absolute paths.
    ///
    /// # Errors
    /// When the engine does not have the image, or has not handed it out within a minute.
    pub async fn programs(&self, reference: &str, programs: BTreeSet<String>) -> Result<Programs> {
        self.programs_within(DEADLINE, reference, programs).await
    }

    /// The same within another time.
    ///
    /// # Errors
    /// When the engine does not have the image, or has not handed it out within that time.
    pub async fn programs_within(
        &self,
        time: Duration,
        reference: &str,
        programs: BTreeSet<String>,
    ) -> Result<Programs> {
        let archive = self.engine().export(reference, time);
        let read = tokio::task::spawn_blocking(move || read(archive, programs)).await;
        let action = || format!("look into image {reference}");
        let read = read.map_err(|error| Error::new(ErrorKind::Unexpected, action()).with_source(error))?;
        read.map_err(|error| Error::new(ErrorKind::Unavailable, action()).with_source(error))
    }
}

/// One element of `manifest.json`.
#[derive(Default, Deserialize)]
struct Manifest {
    #[serde(rename = "Config", default)]
    config: Option<String>,
    #[serde(rename = "Layers")]
    layers: Vec<String>,
}

/// What one layer does to the paths that are of interest.
#[derive(Debug, Default)]
struct Layer {
    /// Files and links whose name is asked for.
    added: BTreeSet<String>,
    /// Links, which may be folders on the way to a program, and where they lead.
    links: BTreeMap<String, String>,
    /// Folders: one of a higher layer takes the place of a link.
    folders: BTreeSet<String>,
    /// Paths that lower layers have, and this one has not any more.
    removed: BTreeSet<String>,
    /// Folders of which nothing is left that lower layers have.
    emptied: BTreeSet<String>,
}

impl Layer {
    /// Whether a path of lower layers is there no more.
    fn hides(&self, path: &str) -> bool {
        let within = |folder: &String| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.removed.contains(path) || self.removed.iter().any(within) || self.emptied.iter().any(within)
    }
}

/// What of a blob of the archive is of interest.
enum Blob {
    Layer(Layer),
    /// The image's configuration, or another document.
    Document(Vec<u8>),
    Other,
}

fn read(archive: impl Read, asked: BTreeSet<String>) -> io::Result<Programs> {
    let names: BTreeSet<&str> = asked.iter().map(|program| base(program)).collect();
    let (mut layers, mut links, mut documents) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut manifest = Manifest::default();
    let mut partial = false;
    let mut archive = Archive::new(archive);
    for entry in archive.entries()? {
        let entry = entry?;
        let path = path(&entry);
        if entry.header().entry_type() == EntryType::Symlink {
            links.insert(path, target(&entry));
        } else if path == "manifest.json" {
            let manifests: Vec<Manifest> = serde_json::from_reader(entry)?;
            manifest = manifests.into_iter().next().unwrap_or_default();
        } else {
            match blob(entry, &names)? {
                Blob::Layer(layer) => drop(layers.insert(path, layer)),
                Blob::Document(document) => drop(documents.insert(path, document)),
                Blob::Other => {}
            }
        }
    }
    let mut tree = Tree::default();
    for name in &manifest.layers {
        // Of two layers that are the same the engine writes one, and a link `../<id>/layer.tar` to it.
        let linked = links.get(name).map(|target| target.trim_start_matches("../").to_owned());
        match layers.get(linked.as_ref().unwrap_or(name)) {
            Some(layer) => tree.lay(layer),
            None => partial = true,
        }
    }
    let search = match &manifest.config {
        None => Some(tree::DEFAULT_PATH.to_owned()),
        Some(config) => documents.get(config).and_then(|document| tree::search_path(document)),
    };
    let mut programs = Programs { partial: partial || manifest.layers.is_empty(), ..Programs::default() };
    for program in &asked {
        match tree.has(program, search.as_deref()) {
            Some(true) => programs.present.insert(program.clone()),
            Some(false) => false,
            None => programs.unknown.insert(program.clone()),
        };
    }
    Ok(Programs { asked, ..programs })
}

/// The largest document that is read, in bytes. That of an image is a few thousand.
const DOCUMENT: u64 = 4 << 20;

/// A blob of the archive.
fn blob(blob: impl Read, names: &BTreeSet<&str>) -> io::Result<Blob> {
    let mut blob = BufReader::with_capacity(64 << 10, blob);
    let head = fill(&mut blob)?;
    if head.starts_with(&GZIP) {
        let mut plain = BufReader::with_capacity(64 << 10, GzDecoder::new(blob));
        return if is_tar(fill(&mut plain)?) {
            paths(plain, names).map(Blob::Layer)
        } else {
            Ok(Blob::Other)
        };
    }
    if head.starts_with(b"{") {
        let mut document = Vec::new();
        blob.take(DOCUMENT).read_to_end(&mut document)?;
        return Ok(Blob::Document(document));
    }
    if is_tar(head) { paths(blob, names).map(Blob::Layer) } else { Ok(Blob::Other) }
}

/// What comes first, as much as one read gives.
fn fill(reader: &mut impl BufRead) -> io::Result<&[u8]> {
    reader.fill_buf()
}

fn is_tar(head: &[u8]) -> bool {
    // An archive without entries is all zeros.
    head.get(257..262) == Some(USTAR) || (head.len() >= 512 && head[..512].iter().all(|byte| *byte == 0))
}

fn paths(layer: impl Read, names: &BTreeSet<&str>) -> io::Result<Layer> {
    let mut found = Layer::default();
    for entry in Archive::new(layer).entries()? {
        let entry = entry?;
        let path = path(&entry);
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name == ".wh..wh..opq" {
            found.emptied.insert(folder.to_owned());
        } else if let Some(gone) = name.strip_prefix(".wh.") {
            let gone = if folder.is_empty() { gone.to_owned() } else { format!("{folder}/{gone}") };
            found.removed.insert(gone);
        } else {
            let kind = entry.header().entry_type();
            if kind.is_symlink() {
                found.links.insert(path.clone(), target(&entry));
            }
            if kind.is_dir() {
                found.folders.insert(path);
            } else if names.contains(name) {
                found.added.insert(path);
            }
        }
    }
    Ok(found)
}

fn path(entry: &Entry<'_, impl Read>) -> String {
    let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    path.trim_start_matches("./").trim_matches('/').to_owned()
}

fn target(entry: &Entry<'_, impl Read>) -> String {
    entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned()).unwrap_or_default()
}

fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in entries {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o755);
            header.set_cksum();
            builder.append_data(&mut header, path, *bytes).expect("an entry");
        }
        builder.into_inner().expect("an archive")
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("written");
        encoder.finish().expect("compressed")
    }

    /// An archive of one link.
    fn link(path: &str, target: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, path, target).expect("an entry");
        builder.into_inner().expect("an archive")
    }

    fn programs_in(path: &str, layers: &[Vec<u8>], asked: &[&str]) -> Programs {
        let names: Vec<String> = (0..layers.len()).map(|index| format!("blobs/sha256/{index}")).collect();
        let manifest = serde_json::json!([{ "Config": "blobs/sha256/c", "Layers": names }]).to_string();
        let config = serde_json::json!({ "config": { "Env": ["A=1", format!("PATH={path}")] } }).to_string();
        let mut entries: Vec<(&str, &[u8])> =
            names.iter().map(String::as_str).zip(layers.iter().map(Vec::as_slice)).collect();
        entries.push(("manifest.json", manifest.as_bytes()));
        entries.push(("blobs/sha256/c", config.as_bytes()));
        read(&*archive(&entries), asked.iter().map(|name| (*name).to_owned()).collect()).expect("read")
    }

    #[test]
    fn programs_are_looked_for_where_the_image_says() {
        let layers = [archive(&[("busybox/wget", b"x"), ("other/curl", b"x")])];
        let seen = programs_in("/usr/bin:/busybox/", &layers, &["wget", "curl", "tools/health"]);
        assert!(!seen.lacks("wget") && seen.lacks("curl"));
        assert!(!seen.lacks("tools/health"), "it depends on where it is run");
    }

    #[test]
    fn links_of_folders_are_followed() {
        let program = archive(&[("srv/app/health", b"x"), ("srv/app/tools/wget", b"x")]);
        let layers = [program, link("app", "/srv/app"), link("opt/tools", "../srv/app/tools")];
        let asked = ["/app/health", "/app/absent", "wget", "curl"];
        let seen = programs_in("/opt/tools", &layers, &asked);
        assert!(!seen.lacks("/app/health") && !seen.lacks("wget"));
        assert!(seen.lacks("/app/absent") && seen.lacks("curl"));
        // A folder in the place of the link, and a link in a circle.
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(EntryType::Directory);
        header.set_size(0);
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_data(&mut header, "app", &b""[..]).expect("an entry");
        let folder = builder.into_inner().expect("an archive");
        let seen = programs_in("", &[&layers[..], &[folder]].concat(), &["/app/health"]);
        assert!(seen.lacks("/app/health"));
        let seen = programs_in("", &[link("app", "/app")], &["/app/health"]);
        assert!(!seen.lacks("/app/health"), "nobody knows");
    }

    fn programs(layers: &[Vec<u8>], asked: &[&str]) -> Programs {
        let names: Vec<String> = (0..layers.len()).map(|index| format!("blobs/sha256/{index}")).collect();
        let manifest = serde_json::json!([{ "Layers": names }]).to_string();
        let mut entries: Vec<(&str, &[u8])> =
            names.iter().map(String::as_str).zip(layers.iter().map(Vec::as_slice)).collect();
        entries.push(("manifest.json", manifest.as_bytes()));
        read(&*archive(&entries), asked.iter().map(|name| (*name).to_owned()).collect()).expect("read")
    }

    #[test]
    fn a_program_is_found_in_any_layer_compressed_or_not() {
        let layers = [
            archive(&[("bin/busybox", b"x"), ("bin/sh", b"x")]),
            gzipped(&archive(&[("usr/bin/curl", b"x")])),
        ];
        let programs = programs(&layers, &["curl", "wget", "/bin/sh", "/bin/bash"]);
        assert!(!programs.lacks("curl") && !programs.lacks("/bin/sh"));
        assert!(programs.lacks("wget") && programs.lacks("/bin/bash"));
        assert!(!programs.lacks("node"), "nobody asked");
    }

    #[test]
    fn what_a_higher_layer_removes_is_not_there() {
        let low = archive(&[("usr/bin/curl", b"x"), ("opt/tool/bin/node", b"x"), ("usr/bin/wget", b"x")]);
        let high = archive(&[("usr/bin/.wh.curl", b""), ("opt/.wh.tool", b""), ("data/.wh..wh..opq", b"")]);
        let seen = programs(&[low.clone(), high.clone()], &["curl", "node", "wget"]);
        assert!(seen.lacks("curl") && seen.lacks("node") && !seen.lacks("wget"));
        let again = archive(&[("usr/local/bin/curl", b"x")]);
        assert!(!programs(&[low, high, again], &["curl"]).lacks("curl"));
    }

    #[test]
    fn a_file_of_that_name_elsewhere_is_no_program() {
        let layers = [archive(&[("usr/share/doc/curl", b"x"), ("usr/share/curl/readme", b"x")])];
        assert!(programs(&layers, &["curl"]).lacks("curl"));
    }

    #[test]
    fn of_a_layer_that_cannot_be_read_nothing_is_said() {
        let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0, 0].to_vec();
        assert!(!programs(&[zstd], &["curl"]).lacks("curl"));
        assert!(!programs(&[], &["curl"]).lacks("curl"), "no layer is named");
    }
}
