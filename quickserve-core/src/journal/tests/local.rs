//! The journal in a folder of this machine.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::error::ErrorKind;

#[tokio::test]
async fn a_journal_in_a_folder_outlives_its_process() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Hand::new();
    let folder = dir.path().join("state/journal");
    {
        let mut ada = journal(&local(&folder).unwrap(), &clock, "ada").await;
        ada.open(opened("ada")).await.unwrap();
        ada.append(ended()).await.unwrap();
        ada.open(opened("ada")).await.unwrap();
    }
    let reader = journal(&local(&folder).unwrap(), &clock, "reader").await;
    assert_eq!((reader.state().last, reader.state().deployments.len()), (3, 2));
    let names: Vec<_> = ["records/00000000000000000003.json", "leases/00000000000000000003.json"]
        .into_iter()
        .chain(["snapshots/00000000000000000002.json"])
        .map(|name| folder.join("local/shop").join(name))
        .collect();
    for name in names {
        assert!(name.is_file(), "{}", name.display());
    }
}

#[tokio::test]
async fn the_folder_is_for_its_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("state/journal");
    local(&folder).unwrap();
    let mode = folder.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = local(&file.join("journal")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn who_only_reads_makes_no_folder() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Hand::new();
    let folder = dir.path().join("state/journal");
    let reader = journal(&local_to_read(&folder).unwrap(), &clock, "reader").await;
    assert_eq!(reader.state().last, 0);
    assert!(!dir.path().join("state").exists());
    journal(&local(&folder).unwrap(), &clock, "ada").await.open(opened("ada")).await.unwrap();
    let reader = journal(&local_to_read(&folder).unwrap(), &clock, "reader").await;
    assert_eq!(reader.state().deployments.len(), 1);
}
