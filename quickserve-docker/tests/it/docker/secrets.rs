//! Secrets from dotenv files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use quickserve_core::ErrorKind;
use quickserve_core::release::{Digest, Image, Release, SecretBinding, SecretVersion};
use quickserve_core::retention::{Retainer as _, Usage};
use quickserve_core::secrets::{BoundSecret, SecretPresence, SecretStore as _};
use quickserve_core::workload::Workload;
use quickserve_docker::{DotenvSecrets, valued_names, variable_names};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

fn store(folder: &TempDir, text: &str) -> DotenvSecrets {
    std::fs::write(folder.path().join(".env"), text).expect("a file");
    DotenvSecrets::new(folder.path().join(".env"), folder.path().join("state"))
}

async fn value(store: &DotenvSecrets, source: &str, version: &SecretVersion) -> String {
    match store.resolve(source, version).await.expect("a value") {
        BoundSecret::Value(value) => value.expose_secret().to_owned(),
        BoundSecret::Reference(reference) => panic!("a reference: {reference}"),
    }
}

#[tokio::test]
async fn a_bound_value_is_found_when_the_file_has_changed() {
    let folder = TempDir::new().expect("a folder");
    let secrets = store(&folder, "PASSWORD=old\nOTHER=old\n");
    let old = secrets.bind("PASSWORD").await.expect("a version");
    assert_eq!(
        secrets.bind("PASSWORD").await.expect("a version"),
        old,
        "an equal value has an equal version"
    );
    assert_ne!(secrets.bind("OTHER").await.expect("a version"), old, "equal values of two names differ");
    let secrets = store(&folder, "PASSWORD=new\n");
    let new = secrets.bind("PASSWORD").await.expect("a version");
    assert_ne!(new, old);
    assert_eq!(value(&secrets, "PASSWORD", &old).await, "old");
    assert_eq!(value(&secrets, "PASSWORD", &new).await, "new");
    assert_eq!(value(&secrets, "PASSWORD", &SecretVersion::Floating(None)).await, "new");
    let lost = SecretVersion::Pinned("0".repeat(64));
    let error = secrets.resolve("PASSWORD", &lost).await.expect_err("no such version");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let outside = SecretVersion::Pinned("../key".into());
    assert_eq!(secrets.resolve("PASSWORD", &outside).await.expect_err("invalid").kind(), ErrorKind::Invalid);
}

fn release(bound: &[(&str, &SecretVersion)]) -> Release {
    let binding = |(source, version): &(&str, &SecretVersion)| SecretBinding {
        container: "app".into(),
        variable: (*source).to_owned(),
        source: (*source).to_owned(),
        version: (*version).clone(),
    };
    let image = Image { reference: "shop:1".into(), digest: Digest::of(b"1"), manifest: None };
    let (images, secrets) = ([("app".to_owned(), image)].into(), bound.iter().map(binding).collect());
    Release::new("1", images, secrets, Workload::single("app"), None).expect("a release")
}

#[tokio::test]
async fn a_value_goes_with_the_last_release_that_is_bound_to_it() {
    let folder = TempDir::new().expect("a folder");
    let secrets = store(&folder, "PASSWORD=old\nTOKEN=same\n");
    let (old, token) = (secrets.bind("PASSWORD").await, secrets.bind("TOKEN").await);
    let (old, token) = (old.expect("a version"), token.expect("a version"));
    let secrets = store(&folder, "PASSWORD=new\nTOKEN=same\n");
    let new = secrets.bind("PASSWORD").await.expect("a version");
    assert_eq!(secrets.usage().await.expect("a usage"), Usage { count: 3, bytes: 10 });
    let outside = SecretVersion::Floating(Some("../key".into()));
    let gone = release(&[("PASSWORD", &old), ("TOKEN", &token), ("OTHER", &outside)]);
    let stay = release(&[("PASSWORD", &new), ("TOKEN", &token)]);
    for _ in 0..2 {
        secrets.let_go(std::slice::from_ref(&gone), std::slice::from_ref(&stay)).await.expect("let go");
    }
    let error = secrets.resolve("PASSWORD", &old).await.expect_err("nothing keeps it");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(value(&secrets, "PASSWORD", &new).await, "new");
    assert_eq!(value(&secrets, "TOKEN", &token).await, "same");
    assert!(folder.path().join("state/key").exists());
    assert_eq!(secrets.usage().await.expect("a usage"), Usage { count: 2, bytes: 7 });
}

#[tokio::test]
async fn what_is_kept_is_for_its_owner_only_and_shown_nowhere() {
    let folder = TempDir::new().expect("a folder");
    let secrets = store(&folder, "PASSWORD=hunter2\n");
    let version = secrets.bind("PASSWORD").await.expect("a version");
    let mode = |path: &Path| std::fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    let state = folder.path().join("state");
    assert_eq!((mode(&state), mode(&state.join("values")), mode(&state.join("key"))), (0o700, 0o700, 0o600));
    let SecretVersion::Pinned(name) = &version else { panic!("pinned: {version:?}") };
    assert_eq!(mode(&state.join("values").join(name)), 0o600);
    let bound = secrets.resolve("PASSWORD", &version).await.expect("a value");
    assert!(!format!("{secrets:?} {secrets} {version:?} {bound:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_check_reads_no_value_and_knows_what_was_meant() {
    let folder = TempDir::new().expect("a folder");
    let secrets = store(&folder, "DB_PASSWORD='a$b'\nEMPTY=\nRAW=pa$word\n");
    let sources = ["DB_PASSWORD", "EMPTY", "DB_PASWORD", "XYZ"].map(String::from);
    let near = vec!["DB_PASSWORD".to_owned()];
    assert_eq!(
        secrets.check(&sources).await.expect("a check"),
        [
            SecretPresence::Present,
            SecretPresence::Empty,
            SecretPresence::Missing { near },
            SecretPresence::Missing { near: Vec::new() }
        ]
    );
    let error = secrets.bind("DB_PASWORD").await.expect_err("no such secret");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.hint(), Some("did you mean DB_PASSWORD?"));
    let error = secrets.bind("RAW").await.expect_err("substituted");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains(".env:3"), "{error}");
    assert!(!folder.path().join("state").exists(), "nothing was kept");
}

#[tokio::test]
async fn processes_that_bind_at_once_agree() {
    let folder = TempDir::new().expect("a folder");
    let stores: Vec<DotenvSecrets> = (0..8).map(|_| store(&folder, "A=1\n")).collect();
    let versions = futures_util::future::join_all(stores.iter().map(|store| store.bind("A"))).await;
    let versions: Vec<SecretVersion> =
        versions.into_iter().map(|version| version.expect("a version")).collect();
    assert!(versions.windows(2).all(|pair| pair[0] == pair[1]), "{versions:?}");
}

#[test]
fn a_contract_lists_its_names_in_order() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join(".env.example");
    std::fs::write(&file, "# needed\nB=\nA=changeme\nB=again\n").expect("a file");
    assert_eq!(variable_names(&file).expect("names"), ["A", "B"]);
    std::fs::write(&file, "B=x\nA=\nC=\"\"\nB=again\n").expect("a file");
    assert_eq!(valued_names(&file).expect("names").into_iter().collect::<Vec<_>>(), ["B"]);
    let missing = variable_names(&folder.path().join("none")).expect_err("no file");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}
