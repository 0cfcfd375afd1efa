//! TLS: the certificate of a service, from files or made here, read again when the files change.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use quickserve_core::clock::{Clock as _, SystemClock};
use quickserve_core::{Error, ErrorKind, Result};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto};
use tokio::time::Instant;

use super::folder::Folder;
use super::options::{Options, Tls};

/// How often the files are looked at, at most.
const LOOK: Duration = Duration::from_secs(1);

/// A certificate that was made here is made anew when it is this old; it is valid for longer.
const RENEW: Duration = Duration::from_hours(24 * 300);
const VALID_DAYS: i64 = 397;

/// Where in the router's folder it lies.
const FOLDER: &str = "tls";

/// The names and addresses of a certificate that is made here.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What is offered to clients, in our order.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Ends TLS for a service.
#[derive(Debug)]
pub(super) struct Secure {
    config: Arc<ServerConfig>,
}

/// The two files.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// The certificate as it was read last. Nothing of the key is ever shown.
#[derive(Debug)]
struct Current {
    files: Files,
    held: Mutex<Held>,
}

struct Held {
    pair: Arc<CertifiedKey>,
    stamps: Stamps,
    looked: Instant,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("stamps", &self.stamps).finish_non_exhaustive()
    }
}

/// By what a change of the files is told.
type Stamps = [Option<(SystemTime, u64, u64)>; 2];

impl Secure {
    /// Reads the certificate that is asked for, making it first where it is ours to make.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the files are no certificate with its key, [`ErrorKind::NotFound`] when
    /// there are none.
    pub(super) fn asked(options: &Options, folder: &Folder) -> Result<Option<Arc<Self>>> {
        let files = match &options.tls {
            None => return Ok(None),
            Some(Tls::Local) => local(&folder.path().join(FOLDER))?,
            Some(Tls::Files { certificate, key }) => {
                Files { certificate: certificate.clone(), key: key.clone() }
            }
        };
        Self::load(files).map(Arc::new).map(Some)
    }

    fn load(files: Files) -> Result<Self> {
        let stamps = files.stamps();
        let pair = files.read()?;
        let held = Held { pair, stamps, looked: Instant::now() };
        let current = Current { files, held: Mutex::new(held) };
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new(ErrorKind::Unexpected, "set TLS up").with_source(error))?;
        let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(current));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self { config: Arc::new(config) })
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut held = self.lock();
        if held.looked.elapsed() >= LOOK {
            held.looked = Instant::now();
            let stamps = self.files.stamps();
            if stamps != held.stamps {
                match self.files.read() {
                    Ok(pair) => {
                        held.pair = pair;
                        held.stamps = stamps;
                        tracing::info!(file = %self.files.certificate.display(), "a new certificate holds");
                    }
                    // Most likely it is just being written; it is looked at again.
                    Err(error) => {
                        let causes = error.causes().join(": ");
                        tracing::warn!(%causes, "the old certificate stays");
                    }
                }
            }
        }
        Some(Arc::clone(&held.pair))
    }
}

impl Current {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn stamps(&self) -> Stamps {
        [&self.certificate, &self.key].map(|file| {
            let facts = fs::metadata(file).ok()?;
            Some((facts.modified().ok()?, facts.len(), facts.ino()))
        })
    }

    fn read(&self) -> Result<Arc<CertifiedKey>> {
        let failed = |file: &Path, what: &str, kind| {
            Error::new(kind, what).with_context("file", file.display().to_string())
        };
        let chain: Vec<_> =
            CertificateDer::pem_file_iter(&self.certificate).and_then(Iterator::collect).map_err(
                |error| failed(&self.certificate, "read the certificate", kind(&error)).with_source(error),
            )?;
        if chain.is_empty() {
            let error = failed(&self.certificate, "the file holds no certificate", ErrorKind::Invalid);
            return Err(error.with_hint("it is expected in PEM: -----BEGIN CERTIFICATE-----"));
        }
        // What is wrong with a key is not said: it could be a part of it.
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| failed(&self.key, "read the private key", kind(&error)))?;
        let pair =
            CertifiedKey::from_der(chain, key, &crypto::ring::default_provider()).map_err(|error| {
                let what = "the certificate and the private key do not belong together, or cannot be used";
                failed(&self.key, what, ErrorKind::Invalid).with_source(error)
            })?;
        Ok(Arc::new(pair))
    }
}

fn kind(error: &rustls::pki_types::pem::Error) -> ErrorKind {
    match error {
        rustls::pki_types::pem::Error::Io(error) => match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            _ => ErrorKind::Unavailable,
        },
        _ => ErrorKind::Invalid,
    }
}

/// The certificate that is made here, as it is, or made anew.
fn local(dir: &Path) -> Result<Files> {
    let files = Files { certificate: dir.join("certificate.pem"), key: dir.join("key.pem") };
    let age = fs::metadata(&files.key).and_then(|facts| facts.modified()).ok();
    let fresh = age.is_some_and(|made| made.elapsed().is_ok_and(|age| age < RENEW));
    if fresh && files.read().is_ok() {
        return Ok(files);
    }
    let failed = |error: rcgen::Error| {
        Error::new(ErrorKind::Unexpected, "make a certificate for this machine").with_source(error)
    };
    let mut params = rcgen::CertificateParams::new(NAMES.map(str::to_owned)).map_err(failed)?;
    let mut name = rcgen::DistinguishedName::new();
    name.push(rcgen::DnType::CommonName, "QuickServe on this machine");
    params.distinguished_name = name;
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let [from, to] = [-1, VALID_DAYS].map(|days| {
        let date = SystemClock
            .now()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date()
            .saturating_add(jiff::Span::new().days(days));
        let part = |number: i8| u8::try_from(number).unwrap_or(1);
        rcgen::date_time_ymd(date.year().into(), part(date.month()), part(date.day()))
    });
    (params.not_before, params.not_after) = (from, to);
    let key = rcgen::KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    let write = || {
        fs::create_dir_all(dir)?;
        // Readable by nobody else, as such files are made.
        for (path, text) in [
            (&files.key, pem("PRIVATE KEY", &key.serialize_der())),
            (&files.certificate, pem("CERTIFICATE", certificate.der())),
        ] {
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            file.write_all(text.as_bytes())?;
            file.persist(path)?;
        }
        Ok(())
    };
    write().map_err(|error: io::Error| {
        Error::new(ErrorKind::Unavailable, "keep the certificate of this machine")
            .with_context("folder", dir.display().to_string())
            .with_source(error)
    })?;
    Ok(files)
}

/// Bytes in PEM (RFC 7468).
fn pem(label: &str, bytes: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(bytes);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
