//! The router's folder: who may use it, and what lies in it.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use quickserve_core::{Error, ErrorKind, Result};
use rustix::fs::FlockOperation;
use tokio::net::{UnixListener, UnixStream};

const SOCKET: &str = "router.sock";
const STATE: &str = "router.json";
const LOCK: &str = "router.lock";
const LOG: &str = "router.log";

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
    _file: File,
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
        let path = self.path.join(LOCK);
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = open.map_err(|error| self.failed("open the router's lock", error))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                let message = format!("another router runs in {} (pid {})", self.path.display(), pid.trim());
                return Err(Error::new(ErrorKind::Busy, message));
            }
            Err(error) => return Err(self.failed("lock the router's folder", error.into())),
        }
        // For people; the lock itself is what decides.
        let note =
            file.set_len(0).and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
        note.map_err(|error| self.failed("note the router's pid", error))?;
        self.sweep();
        Ok(Lock { _file: file })
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
