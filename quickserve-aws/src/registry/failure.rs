//! The one place where a registry's errors become ours.

use oci_client::Reference;
use oci_client::errors::{OciDistributionError, OciErrorCode};
use quickserve_core::{Error, ErrorKind};

/// The error of an act on an image. Addresses are left out: those of uploads hold tokens.
pub(crate) fn failed(doing: &str, image: &Reference, error: OciDistributionError) -> Error {
    let (kind, why) = match &error {
        OciDistributionError::RegistryError { envelope, .. } => {
            let first = envelope.errors.first();
            let said = first.map(|error| error.message.trim().to_owned()).filter(|said| !said.is_empty());
            let kind = first.map_or(ErrorKind::Unexpected, |error| kind_of(&error.code));
            (kind, said)
        }
        OciDistributionError::ServerError { code, message, .. } => {
            (kind_of_status(*code, message), said(message))
        }
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
            (ErrorKind::PermissionDenied, None)
        }
        OciDistributionError::ImageManifestNotFoundError(_) => (ErrorKind::NotFound, None),
        OciDistributionError::RequestError(_) | OciDistributionError::IoError(_) => {
            (ErrorKind::Unavailable, None)
        }
        OciDistributionError::DigestError(_) => (
            ErrorKind::Unexpected,
            Some("what arrived does not have the digest that was asked for".to_owned()),
        ),
        _ => (ErrorKind::Unexpected, Some("the registry does not speak as it should".to_owned())),
    };
    let host = image.resolve_registry();
    let mut message = format!("{doing} {image}");
    if kind == ErrorKind::PermissionDenied {
        message.push_str(": the registry does not let us");
    }
    if let Some(why) = why {
        message.push_str(": ");
        message.push_str(why.trim_end_matches('.'));
    }
    let failure = Error::new(kind, message);
    match kind {
        ErrorKind::Unavailable => {
            let failure = failure.temporary();
            let OciDistributionError::RequestError(error) = error else { return failure };
            let why = if error.is_timeout() { "no answer within the time limit" } else { "no connection" };
            failure.with_source(format!("{why} to {host}"))
        }
        ErrorKind::PermissionDenied => failure.with_hint(format!(
            "log in (docker login {host}), and see that this identity may do it; without credentials many registries hide what exists"
        )),
        ErrorKind::Conflict => failure
            .with_hint("the repository's tags are immutable: give the image a new tag, or deploy it by its digest"),
        _ => failure,
    }
}

fn kind_of(code: &OciErrorCode) -> ErrorKind {
    match code {
        OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::NotFound => {
            ErrorKind::NotFound
        }
        OciErrorCode::Denied | OciErrorCode::Unauthorized => ErrorKind::PermissionDenied,
        OciErrorCode::Toomanyrequests => ErrorKind::Unavailable,
        OciErrorCode::Unsupported => ErrorKind::Unsupported,
        OciErrorCode::NameInvalid | OciErrorCode::TagInvalid | OciErrorCode::ManifestInvalid => {
            ErrorKind::Invalid
        }
        _ => ErrorKind::Unexpected,
    }
}

fn kind_of_status(status: u16, message: &str) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::PermissionDenied,
        404 => ErrorKind::NotFound,
        405 => ErrorKind::Unsupported,
        429 | 500.. => ErrorKind::Unavailable,
        // ECR: "... cannot be overwritten because the repository is immutable".
        400 | 409 if message.contains("immutable") => ErrorKind::Conflict,
        400..=499 => ErrorKind::Invalid,
        _ => ErrorKind::Unexpected,
    }
}

/// The first message of an error document of the distribution specification.
fn said(body: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    let message = body.pointer("/errors/0/message")?.as_str()?.trim();
    (!message.is_empty()).then(|| message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16, message: &str) -> Error {
        let image = "ghcr.io/acme/shop:1.8.2".parse().expect("a reference");
        let url = "https://ghcr.io/v2/acme/shop/blobs/uploads/1?_state=token".to_owned();
        failed("push", &image, OciDistributionError::ServerError { code, url, message: message.to_owned() })
    }

    #[test]
    fn an_immutable_tag_is_a_conflict_with_a_remedy() {
        let said = r#"{"errors": [{"code": "TAG_INVALID", "message": "tag '1.8.2' is immutable"}]}"#;
        let error = server(400, said);
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(error.to_string(), "push ghcr.io/acme/shop:1.8.2: tag '1.8.2' is immutable");
        assert!(error.hint().expect("a hint").contains("digest"));
    }

    #[test]
    fn a_refusal_says_where_to_log_in_and_shows_no_address() {
        let error = server(403, "");
        assert!(error.hint().expect("a hint").starts_with("log in (docker login ghcr.io)"));
        assert!(!format!("{error:?}").contains("_state"));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(server(503, "").is_temporary());
        assert!(server(429, "").is_temporary());
        assert!(!server(404, "").is_temporary());
    }
}
