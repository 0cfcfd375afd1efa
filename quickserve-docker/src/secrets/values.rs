//! Values of secrets that releases are bound to, kept for as long as a release may come back.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use quickserve_core::retention::Usage;
use quickserve_core::{Error, ErrorKind, Result};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use tempfile::NamedTempFile;

use crate::random;

/// A folder that only its owner may read: a random key, and one file per version.
#[derive(Debug, Clone)]
pub(super) struct Values {
    folder: PathBuf,
}

impl Values {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The version of a value: its HMAC-SHA256, so that neither it nor a guess of it can be told from it
    /// without the key. The name is part of it: equal values of two names have two versions.
    pub(super) fn version(&self, name: &str, value: &SecretString) -> Result<String> {
        let key = self.key()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "use the key of the secret store").with_source(error)
        })?;
        mac.update(name.as_bytes());
        mac.update(&[0]);
        mac.update(value.expose_secret().as_bytes());
        Ok(random::hex(&mac.finalize().into_bytes()))
    }

    /// Keeps a value under its version, durably.
    pub(super) fn keep(&self, version: &str, value: &SecretString) -> Result<()> {
        let folder = self.folder.join("values");
        let file = folder.join(version);
        if file.exists() {
            return Ok(());
        }
        make_private(&folder)?;
        write(&folder, &file, value.expose_secret().as_bytes())
    }

    /// The value kept under a version.
    pub(super) fn kept(&self, name: &str, version: &str) -> Result<SecretString> {
        if !is_version(version) {
            return Err(Error::new(ErrorKind::Invalid, format!("read the version of secret {name}")));
        }
        std::fs::read_to_string(self.folder.join("values").join(version)).map(SecretString::from).map_err(
            |error| {
                let what = format!("find the value of secret {name} that the release is bound to");
                let error = match error.kind() {
                    std::io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, what).with_hint(
                        "it was kept on another machine, or removed; deploy the release's image again",
                    ),
                    std::io::ErrorKind::PermissionDenied => Error::new(ErrorKind::PermissionDenied, what),
                    _ => Error::new(ErrorKind::Unexpected, what).with_source(error),
                };
                error.with_context("version", version.chars().take(12).collect::<String>())
            },
        )
    }

    /// Removes the value kept under a version; one that is not there is a success.
    pub(super) fn remove(&self, version: &str) -> Result<()> {
        // What is no version of ours was never kept here.
        if !is_version(version) {
            return Ok(());
        }
        let file = self.folder.join("values").join(version);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed("remove a kept secret", &file, error))
            }
            _ => Ok(()),
        }
    }

    /// Removes every kept value. The key stays: a value that comes back has the version that it had.
    pub(super) fn clear(&self) -> Result<()> {
        let folder = self.folder.join("values");
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed("remove the kept secrets", &folder, error))
            }
            _ => Ok(()),
        }
    }

    /// What the kept values amount to.
    pub(super) fn usage(&self) -> Result<Usage> {
        let folder = self.folder.join("values");
        let sizes = || -> std::io::Result<Usage> {
            std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.metadata()?.len())).collect()
        };
        match sizes() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Usage::default()),
            sizes => sizes.map_err(|error| failed("look at the kept secrets", &folder, error)),
        }
    }

    /// The key, made at the first use. Of two processes that make it at once, one is first and both use its.
    fn key(&self) -> Result<Vec<u8>> {
        let file = self.folder.join("key");
        if !file.exists() {
            make_private(&self.folder)?;
            let key: [u8; 32] = random::bytes()?;
            write(&self.folder, &file, &key)?;
        }
        let key =
            std::fs::read(&file).map_err(|error| failed("read the key of the secret store", &file, error))?;
        if key.len() == 32 {
            return Ok(key);
        }
        let message = format!("use the key of the secret store: {} is damaged", file.display());
        Err(Error::new(ErrorKind::Unexpected, message)
            .with_hint("restore it, or remove it: the kept secrets of earlier releases are lost then"))
    }
}

/// Whether it is the name of a kept value. A version comes from a journal: it must not lead out of the folder.
fn is_version(version: &str) -> bool {
    version.len() == 64 && version.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    let kind = match error.kind() {
        Io::PermissionDenied => ErrorKind::PermissionDenied,
        // No fault of ours, and nothing has been done yet.
        Io::StorageFull | Io::QuotaExceeded | Io::ReadOnlyFilesystem => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    };
    Error::new(kind, what).with_context("path", path.display().to_string()).with_source(error)
}

/// Makes a folder that only its owner may enter, whatever it was before.
fn make_private(folder: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.and_then(|()| std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)))
        .map_err(|error| failed("make the secret store", folder, error))
}

/// Writes a file that only its owner may read: whole and durable, or not at all. One that is there stays.
fn write(folder: &Path, file: &Path, content: &[u8]) -> Result<()> {
    let write = || {
        // A temporary file is made with mode 0600.
        let mut temporary = NamedTempFile::new_in(folder)?;
        temporary.write_all(content)?;
        temporary.as_file().sync_all()?;
        match temporary.persist_noclobber(file) {
            Ok(_) => {}
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => return Err(error.error),
        }
        std::fs::File::open(folder)?.sync_all()
    };
    write().map_err(|error| failed("write to the secret store", file, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_written_is_no_fault_of_ours() {
        let kind = |kind: std::io::ErrorKind| failed("write", Path::new("/key"), kind.into()).kind();
        assert_eq!(kind(std::io::ErrorKind::StorageFull), ErrorKind::Unavailable);
        assert_eq!(kind(std::io::ErrorKind::ReadOnlyFilesystem), ErrorKind::Unavailable);
        assert_eq!(kind(std::io::ErrorKind::PermissionDenied), ErrorKind::PermissionDenied);
        assert_eq!(kind(std::io::ErrorKind::InvalidData), ErrorKind::Unexpected);
    }
}
