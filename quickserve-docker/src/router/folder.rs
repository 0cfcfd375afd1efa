//! The router's folder: who may use it, and what lies in it.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use quickserve_core::{Error, ErrorKind, Result};
use rustix::fs::FlockOperation;
use tokio::net::{UnixListener, UnixStream};

const SOCKET: &str = "router.sock";
const STATE: &str = "router.json";
const LOCK: &str = "router.lock";
const LOG: &str = "router.log";
const OLD_LOG: &str = "router.log.1";
const ACCESS_LOG: &str = "access.log";
const OLD_ACCESS_LOG: &str = "access.log.1";

/// A log that is longer is moved away, in place of the one that was moved away before.
const LOG_MAX: u64 = 1024 * 1024;

/// How much of the log is searched for its last line.
const LOG_TAIL: u64 = 2048;

/// How many lines before the last one are of the same end.
const LAST_WORDS: usize = 8;

/// What we make on the way to something else begins with this, and is swept at the next start.
const SCRAP: &str = ".router-";

/// The longest path that a Unix socket's address holds on every system we run on (macOS: 104 with its NUL).
const SOCKET_PATH_MAX: usize = 103;

/// The folder of one router.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
}

/// Held while a router runs: the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl From<Lock> for OwnedFd {
    fn from(lock: Lock) -> Self {
        lock.file.into()
    }
}

/// A path that fits into a socket's address.
struct SocketPath {
    path: PathBuf,
    /// Kept open while the path is used, which may lead through it.
    _folder: Option<OwnedFd>,
}

impl Folder {
    /// Names a folder, without looking at it.
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn state(&self) -> PathBuf {
        self.path.join(STATE)
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    pub(super) fn old_log(&self) -> PathBuf {
        self.path.join(OLD_LOG)
    }

    pub(super) fn access_log(&self) -> PathBuf {
        self.path.join(ACCESS_LOG)
    }

    pub(super) fn old_access_log(&self) -> PathBuf {
        self.path.join(OLD_ACCESS_LOG)
    }

    pub(super) fn lock_path(&self) -> PathBuf {
        self.path.join(LOCK)
    }

    /// Whether a router runs in it.
    pub(super) fn is_locked(&self) -> bool {
        File::open(self.lock_path()).is_ok_and(|file| {
            rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared)
                == Err(rustix::io::Errno::WOULDBLOCK)
        })
    }

    pub(super) fn log_length(&self) -> u64 {
        fs::metadata(self.log()).map_or(0, |facts| facts.len())
    }

    /// The last error, or else the last line, that was written to the log since it had this length, without
    /// control characters.
    pub(super) fn last_words(&self, since: u64) -> Option<String> {
        let mut file = File::open(self.log()).ok()?;
        let length = file.metadata().ok()?.len();
        // One that is shorter has begun anew.
        let since = if length < since { 0 } else { since };
        file.seek(SeekFrom::Start(since.max(length.saturating_sub(LOG_TAIL)))).ok()?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines().rev().filter(|line| !line.trim().is_empty());
        let last = lines.next()?;
        // The cause stands before how it ended.
        let last = lines.take(LAST_WORDS).find(|line| line.starts_with("error: ")).unwrap_or(last);
        Some(last.chars().filter(|c| !c.is_control()).collect())
    }

    /// Keeps the log from growing without bound.
    ///
    /// The processes that write to it keep it open and append, so it is copied and emptied, not renamed.
    pub(super) fn trim_log(&self) {
        if self.log_length() <= LOG_MAX {
            return;
        }
        let trim = || {
            fs::copy(self.log(), self.old_log())?;
            OpenOptions::new().write(true).open(self.log())?.set_len(0)
        };
        if let Err(error) = trim() {
            tracing::warn!(%error, "move the log away");
        }
    }

    /// Makes the folder, for its owner alone, or checks that an existing one is not open to others.
    pub(super) fn make(&self) -> Result<()> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        made.map_err(|error| self.failed("make the router's folder", error))?;
        let facts =
            fs::metadata(&self.path).map_err(|error| self.failed("look at the router's folder", error))?;
        if facts.mode() & 0o022 == 0 {
            return Ok(());
        }
        let message = format!("others may write to the router's folder {}", self.path.display());
        let hint = format!("chmod 700 {}", self.path.display());
        Err(Error::new(ErrorKind::PermissionDenied, message).with_hint(hint))
    }

    /// Takes the folder for this process and sweeps what a killed one left.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when another router runs in it.
    pub(super) fn lock(&self) -> Result<Lock> {
        let path = self.lock_path();
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = open.map_err(|error| self.failed("open the router's lock", error))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                let message = format!("another router runs in {} (pid {})", self.path.display(), pid.trim());
                return Err(
                    Error::new(ErrorKind::Busy, message).with_hint("quickserve router status shows it")
                );
            }
            Err(error) => return Err(self.failed("lock the router's folder", error.into())),
        }
        Self::note_holder(&file).map_err(|error| self.failed("note the router's pid", error))?;
        self.sweep();
        Ok(Lock { file })
    }

    /// Writes into the lock that this process holds it: for people, the lock itself is what decides.
    pub(super) fn note_holder(lock: impl AsFd) -> io::Result<()> {
        rustix::fs::ftruncate(&lock, 0)?;
        let pid = format!("{}\n", std::process::id());
        rustix::io::pwrite(&lock, pid.as_bytes(), 0)?;
        Ok(())
    }

    fn sweep(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(SCRAP)) {
                let _ = fs::remove_file(entry.path()).or_else(|_| fs::remove_dir_all(entry.path()));
            }
        }
    }

    /// Opens the control socket, for the owner alone from its first moment on.
    pub(super) fn listen(&self) -> Result<UnixListener> {
        let failed = |error| self.failed("open the router's control socket", error);
        // It is made in a folder of ours alone, restricted there, and then put in its place: at no moment
        // could another user connect, and a dead router's socket is replaced without a gap.
        let nest = tempfile::Builder::new()
            .prefix(SCRAP)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&self.path)
            .map_err(failed)?;
        let place = socket_path(nest.path(), OsStr::new("s"))?;
        let listener = UnixListener::bind(&place.path).map_err(failed)?;
        fs::set_permissions(&place.path, Permissions::from_mode(0o600)).map_err(failed)?;
        fs::rename(nest.path().join("s"), self.path.join(SOCKET)).map_err(failed)?;
        Ok(listener)
    }

    /// Takes the control socket away, so that callers see at once that nobody listens.
    pub(super) fn unlisten(&self) {
        let _ = fs::remove_file(self.path.join(SOCKET));
    }

    /// Connects to the router that runs in the folder.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`], temporary, when none does.
    pub(super) async fn connect(&self) -> Result<UnixStream> {
        let unreachable = |error: io::Error| {
            let message = format!("no router answers in {}", self.path.display());
            match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    Error::new(ErrorKind::PermissionDenied, "the router belongs to another user")
                }
                _ => Error::new(ErrorKind::Unavailable, message)
                    .temporary()
                    .with_hint("start it with: quickserve router run"),
            }
            .with_source(error)
        };
        let place = socket_path(&self.path, OsStr::new(SOCKET)).map_err(|error| {
            if self.path.exists() { error } else { unreachable(io::ErrorKind::NotFound.into()) }
        })?;
        UnixStream::connect(&place.path).await.map_err(unreachable)
    }

    /// Writes the state so that it is either the old or the new one, whole, whatever happens meanwhile.
    pub(super) fn write_state(&self, bytes: &[u8]) -> Result<()> {
        self.replace(bytes).map_err(|error| self.failed("write the router's state", error))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(SCRAP).tempfile_in(&self.path)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(self.state())?;
        File::open(&self.path)?.sync_all()
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        let failed = match error.kind() {
            io::ErrorKind::PermissionDenied => Error::new(ErrorKind::PermissionDenied, what),
            io::ErrorKind::StorageFull => {
                Error::new(ErrorKind::Unavailable, what).temporary().with_hint("the disk is full")
            }
            _ => Error::new(ErrorKind::Unavailable, what).temporary(),
        };
        failed.with_context("folder", self.path.display().to_string()).with_source(error)
    }
}

/// A path to a socket in a folder that fits into the 108 bytes of a socket's address.
fn socket_path(folder: &Path, name: &OsStr) -> Result<SocketPath> {
    let path = folder.join(name);
    if path.as_os_str().len() <= SOCKET_PATH_MAX {
        return Ok(SocketPath { path, _folder: None });
    }
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd as _;

        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = rustix::fs::open(folder, flags, Mode::empty());
        let fd = open.map_err(|error| {
            Error::new(ErrorKind::Unavailable, "open the router's folder")
                .with_context("folder", folder.display().to_string())
                .with_source(io::Error::from(error))
        })?;
        // The kernel resolves this link to the folder, however long its own path is.
        let path = Path::new("/proc/self/fd").join(fd.as_raw_fd().to_string()).join(name);
        Ok(SocketPath { path, _folder: Some(fd) })
    }
    #[cfg(not(target_os = "linux"))]
    {
        let message = format!("the path of the router's socket is too long: {}", path.display());
        let hint = "choose a state folder with a path of at most 85 bytes";
        Err(Error::new(ErrorKind::Invalid, message).with_hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_log_that_has_grown_begins_anew_for_those_that_write_to_it() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let folder = Folder::new(dir.path());
        let mut log = OpenOptions::new().create(true).append(true).open(folder.log()).expect("a log");
        log.write_all(b"a line\n").expect("written");
        folder.trim_log();
        assert_eq!(folder.log_length(), 7);
        log.write_all(&vec![b'x'; usize::try_from(LOG_MAX).expect("a size")]).expect("written");
        folder.trim_log();
        assert_eq!(fs::metadata(folder.old_log()).expect("the log of before").len(), LOG_MAX + 7);
        log.write_all(b"another\n").expect("written");
        assert_eq!(fs::read_to_string(folder.log()).expect("the log"), "another\n");
        assert_eq!(folder.last_words(LOG_MAX), Some("another".to_owned()));
    }

    #[test]
    fn the_last_words_are_the_error_rather_than_how_it_was_classed() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let folder = Folder::new(dir.path());
        assert_eq!(folder.last_words(0), None);
        fs::write(folder.log(), "before\nerror: it is cursed\nhint: none\nexit     3 refused\n\n")
            .expect("written");
        assert_eq!(folder.last_words(0), Some("error: it is cursed".to_owned()));
        assert_eq!(folder.last_words(26), Some("exit     3 refused".to_owned()));
    }
}
