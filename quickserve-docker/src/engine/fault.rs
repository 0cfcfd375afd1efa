//! The one place where bollard's errors become ours.

use std::error::Error as StdError;
use std::{fmt, io};

use bollard::errors::Error as Bollard;
use quickserve_core::{Error, ErrorKind};

/// The engine's own words.
#[derive(Debug)]
struct EngineSaid(String);

impl fmt::Display for EngineSaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for EngineSaid {}

/// The status and message of an answer that says no; `None` when there was no answer.
pub(super) fn answer(error: &Bollard) -> Option<(u16, &str)> {
    match error {
        Bollard::DockerResponseServerError { status_code, message } => Some((*status_code, message)),
        _ => None,
    }
}

/// Whether the engine says that the thing does not exist.
pub(super) fn is_not_found(error: &Bollard) -> bool {
    matches!(answer(error), Some((404, _)))
}

/// Whether a message says that a host port is held by something else.
pub(crate) fn is_port_taken(message: &str) -> bool {
    message.contains("port is already allocated")
        || message.contains("address already in use")
        || message.contains("ports are not available")
}

/// Whether a message says that a container which was to get a signal does not run: in Docker's words, and in Podman's.
pub(super) fn is_not_running(message: &str) -> bool {
    message.contains("is not running") || message.contains("can only kill running containers")
}

/// Whether a network was refused because another one has its bridge device, be it one that is only being made.
pub(super) fn is_device_taken(error: &Bollard) -> bool {
    matches!(answer(error), Some((403 | 409 | 500, message)) if message.contains("same bridge name"))
}

/// Whether a list could not be read because Podman has not yet tidied up after a container.
pub(super) fn is_tidying(error: &Bollard) -> bool {
    matches!(error, Bollard::JsonDataError { message, .. } if message.contains("`stopped`"))
}

/// What failed, in our terms. `what` fits after "failed to".
pub(super) fn to_core(what: impl Into<String>, error: Bollard) -> Error {
    let what = what.into();
    match error {
        Bollard::DockerResponseServerError { status_code, message } => refused(what, status_code, &message),
        Bollard::SocketNotFoundError(path) => {
            no_engine(what).with_source(EngineSaid(format!("there is no socket {path}")))
        }
        Bollard::RequestTimeoutError => Error::new(ErrorKind::TimedOut, what)
            .temporary()
            .with_source(EngineSaid("the engine did not answer in time".into())),
        Bollard::DockerStreamError { error } => refused(what, 500, &error),
        error => match io_kind(&error) {
            Some(io::ErrorKind::PermissionDenied) => Error::new(ErrorKind::PermissionDenied, what)
                .with_hint(
                    "add yourself to the group docker (sudo usermod -aG docker $USER, then log in again), or \
                     use a rootless engine",
                )
                .with_source(error),
            Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                no_engine(what).with_source(error)
            }
            Some(_) => Error::new(ErrorKind::Unavailable, what).temporary().with_source(error),
            None if matches!(
                error,
                Bollard::HyperLegacyError { .. } | Bollard::HyperResponseError { .. }
            ) =>
            {
                Error::new(ErrorKind::Unavailable, what).temporary().with_source(error)
            }
            None => Error::new(ErrorKind::Unexpected, what).with_source(error),
        },
    }
}

fn no_engine(what: String) -> Error {
    let hint = if cfg!(target_os = "linux") {
        "start it with: sudo systemctl start docker; where it is not installed: sudo apt-get install docker.io"
    } else {
        "start Docker Desktop"
    };
    Error::new(ErrorKind::Unavailable, what).temporary().with_hint(hint)
}

fn refused(what: String, status: u16, message: &str) -> Error {
    let error = match status {
        _ if is_port_taken(message) => Error::new(ErrorKind::Conflict, what).temporary(),
        400 => Error::new(ErrorKind::Invalid, what),
        401 | 403 => Error::new(ErrorKind::PermissionDenied, what),
        404 if message.to_lowercase().contains("no such image") => {
            Error::new(ErrorKind::NotFound, what).with_hint("build or pull the image, then deploy again")
        }
        404 => Error::new(ErrorKind::NotFound, what),
        409 => Error::new(ErrorKind::Conflict, what),
        500 if is_denied(message) => Error::new(ErrorKind::PermissionDenied, what),
        501 => Error::new(ErrorKind::Unsupported, what),
        503 => Error::new(ErrorKind::Unavailable, what).temporary(),
        _ => Error::new(ErrorKind::Unexpected, what),
    };
    error.with_source(EngineSaid(quickserve_core::text::plain(message)))
}

/// Whether a registry's answer, passed on by the engine, says that it wants (other) credentials.
fn is_denied(message: &str) -> bool {
    ["unauthorized", "authentication required", "no basic auth credentials", "denied"]
        .iter()
        .any(|words| message.contains(words))
}

/// The kind of the I/O error at the bottom of the chain, if there is one.
fn io_kind(error: &Bollard) -> Option<io::ErrorKind> {
    // A transparent variant is skipped by its own `source`.
    if let Bollard::IOError { err } = error {
        return Some(err.kind());
    }
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    let mut kind = None;
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            kind = Some(io.kind());
        }
        next = error.source();
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status_code: u16, message: &str) -> Error {
        to_core("start it", Bollard::DockerResponseServerError { status_code, message: message.into() })
    }

    #[test]
    fn answers_become_kinds() {
        assert_eq!(said(404, "No such image: x:1").kind(), ErrorKind::NotFound);
        assert!(said(404, "No such image: x:1").hint().is_some());
        assert_eq!(said(409, "name is in use").kind(), ErrorKind::Conflict);
        assert_eq!(
            said(500, "Bind for 127.0.0.1:80 failed: port is already allocated").kind(),
            ErrorKind::Conflict
        );
        assert_eq!(said(500, "strange").causes(), ["start it", "strange"]);
    }

    #[test]
    fn what_podman_says_of_its_containers_is_understood() {
        assert!(is_not_running("Container x is not running"));
        assert!(is_not_running(
            "can only kill running containers. x is in state exited: container state improper"
        ));
        let json = |message: &str| Bollard::JsonDataError { message: message.to_owned(), column: 1 };
        assert!(is_tidying(&json("unknown variant `stopped`, expected one of ``, `created`, `running`")));
        assert!(!is_tidying(&json("unknown variant `lost`, expected one of ``, `created`, `running`")));
    }

    #[test]
    fn a_missing_socket_says_how_to_start_the_engine() {
        let error = to_core("reach the engine", Bollard::SocketNotFoundError("/nowhere".into()));
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.hint().is_some_and(|hint| hint.contains("start")));
    }

    #[test]
    fn a_forbidden_socket_names_the_group() {
        let error =
            to_core("reach the engine", Bollard::from(io::Error::from(io::ErrorKind::PermissionDenied)));
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.hint().is_some_and(|hint| hint.contains("docker")));
    }
}
