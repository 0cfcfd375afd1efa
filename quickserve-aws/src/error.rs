//! The one place where the SDK's errors become ours.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use quickserve_core::{Error, ErrorKind};

/// A call of an AWS service, as errors and IAM policies name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    /// The prefix of its IAM actions, such as `ecs`.
    pub(crate) service: &'static str,
    /// Such as `UpdateService`.
    pub(crate) name: &'static str,
}

/// The name of a call.
pub(crate) const fn call(service: &'static str, name: &'static str) -> Call {
    Call { service, name }
}

impl Call {
    /// The error of a call that failed.
    ///
    /// A service's own message is shown; requests and answers, which may hold values, are not.
    pub(crate) fn failed<E>(self, error: SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let unanswered = match error {
            SdkError::ServiceError(error) => {
                let status = error.raw().status().as_u16();
                let error = error.into_err();
                let refused =
                    self.refused(error.code().unwrap_or("an error without a code"), error.message());
                // A load balancer in front of a service knows none of its codes.
                let passes = status >= 500 || status == 429;
                return if passes { refused.temporary() } else { refused };
            }
            SdkError::TimeoutError(_) => {
                let message = format!("{}: no answer within the time limit", self.text());
                return Error::new(ErrorKind::TimedOut, message).temporary();
            }
            other => other,
        };
        let answered = matches!(unanswered, SdkError::ResponseError(_));
        match unanswered.into_source() {
            Ok(source) if answered => {
                let message = format!("{}: read the answer", self.text());
                Error::new(ErrorKind::Unavailable, message).temporary().with_source(chain(&*source))
            }
            Ok(source) => self.unsent(&*source),
            Err(_) => Error::new(ErrorKind::Unexpected, format!("{}: failed in an unknown way", self.text())),
        }
    }

    /// The error of a call that the service answered with this code.
    pub(crate) fn refused(self, code: &str, said: Option<&str>) -> Error {
        let said = said.map(str::trim).filter(|said| !said.is_empty());
        let message = match said {
            Some(said) => format!("{}: {code}: {}", self.text(), said.trim_end_matches('.')),
            None => format!("{}: {code}", self.text()),
        };
        let error = Error::new(kind(code, said.unwrap_or_default()), message);
        match class(code, said.unwrap_or_default()) {
            Class::Throttled | Class::Temporary => error.temporary(),
            Class::Denied => {
                let action = denied_action(said.unwrap_or_default())
                    .map_or_else(|| format!("{}:{}", self.service, self.name), str::to_owned);
                error.with_hint(format!("allow {action} for this identity; `aws sts get-caller-identity` shows it"))
            }
            Class::Expired => error.with_hint("the credentials have expired or are unknown: log in again (`aws sso login`), or renew them in CI"),
            Class::Skewed => error.with_hint("the clock of this machine is wrong by more than AWS accepts (5 minutes): set it, or turn on NTP"),
            Class::Plain => error,
        }
    }

    fn unsent(self, source: &(dyn StdError + 'static)) -> Error {
        if find::<CredentialsError>(source).is_some() {
            return no_credentials(&self.text(), source);
        }
        let message = format!("{}: reach AWS", self.text());
        Error::new(ErrorKind::Unavailable, message).temporary().with_source(chain(source))
    }

    pub(crate) fn text(self) -> String {
        format!("{}:{}", self.service, self.name)
    }
}

/// The error of who finds nobody to sign as; `what` needs it.
pub(crate) fn no_credentials(what: &str, source: &(dyn StdError + 'static)) -> Error {
    Error::new(ErrorKind::PermissionDenied, format!("{what}: find credentials for AWS"))
        .with_hint("log in (`aws sso login`), set AWS_PROFILE, or give this machine a role")
        .with_source(chain(source))
}

/// The error of what needs no answer of anybody, and fails all the same.
pub(crate) fn failed_to(what: String, source: &(dyn StdError + 'static)) -> Error {
    Error::new(ErrorKind::Unexpected, what).with_source(chain(source))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Throttled,
    Temporary,
    Denied,
    Expired,
    Skewed,
    Plain,
}

fn class(code: &str, said: &str) -> Class {
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown" => Class::Throttled,
        "InternalFailure"
        | "InternalError"
        | "InternalServerError"
        | "InternalServiceError"
        | "InternalServiceErrorException"
        | "ServerException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "RequestTimeout"
        | "RequestTimeoutException" => Class::Temporary,
        // Signatures that are too old or too new come under the code of wrong ones. SigV4 documentation,
        // "Troubleshooting AWS Signature Version 4".
        "InvalidSignatureException" | "SignatureDoesNotMatch"
            if said.contains("Signature expired") || said.contains("not yet current") =>
        {
            Class::Skewed
        }
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => Class::Skewed,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "TokenRefreshRequired"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => Class::Expired,
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "UnauthorizedException" => {
            Class::Denied
        }
        _ => Class::Plain,
    }
}

fn kind(code: &str, said: &str) -> ErrorKind {
    match class(code, said) {
        Class::Throttled | Class::Temporary => ErrorKind::Unavailable,
        Class::Denied | Class::Expired | Class::Skewed => ErrorKind::PermissionDenied,
        Class::Plain => match code {
            _ if code.ends_with("NotFoundException") || code.ends_with("NotFound") => ErrorKind::NotFound,
            // ECS has one code for all that it rejects; what does not exist is said in words only.
            "ClientException" if said.contains("Unable to describe") || said.contains("Unable to find") => {
                ErrorKind::NotFound
            }
            "ClientException" | "InvalidParameterException" | "ValidationException" | "InvalidParameter" => {
                ErrorKind::Invalid
            }
            "ConflictException" | "ResourceInUseException" | "UpdateInProgressException" => {
                ErrorKind::Conflict
            }
            "UnsupportedFeatureException" | "PlatformUnknownException" => ErrorKind::Unsupported,
            _ => ErrorKind::Unexpected,
        },
    }
}

/// The action of `User: ... is not authorized to perform: ecs:UpdateService on resource: ...`. It need not be
/// the call's own: passing a role asks for `iam:PassRole`.
fn denied_action(said: &str) -> Option<&str> {
    let rest = said.split_once("not authorized to perform: ")?.1;
    let action = rest.split([' ', ',']).next()?;
    action.contains(':').then_some(action)
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The chain of an SDK error as text, so that its types stay inside this crate.
fn chain(error: &(dyn StdError + 'static)) -> Said {
    let source = error.source().map(|source| Box::new(chain(source)));
    Said { text: error.to_string(), source }
}

#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Said {
    text: String,
    source: Option<Box<Said>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPDATE: Call = call("ecs", "UpdateService");

    #[test]
    fn the_missing_action_is_named_as_aws_names_it() {
        let said = "User: arn:aws:sts::123456789012:assumed-role/ci/x is not authorized to perform: iam:PassRole \
                    on resource: arn:aws:iam::123456789012:role/task because no policy allows it";
        let error = UPDATE.refused("AccessDeniedException", Some(said));
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.hint().expect("a hint").starts_with("allow iam:PassRole "));
        let silent = UPDATE.refused("AccessDeniedException", None);
        assert!(silent.hint().expect("a hint").starts_with("allow ecs:UpdateService "));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for code in ["ThrottlingException", "ServerException", "ServiceUnavailable"] {
            assert!(UPDATE.refused(code, None).is_temporary(), "{code}");
        }
        for code in
            ["ClientException", "AccessDeniedException", "ExpiredTokenException", "RequestTimeTooSkewed"]
        {
            assert!(!UPDATE.refused(code, None).is_temporary(), "{code}");
        }
    }

    #[test]
    fn a_wrong_clock_is_told_from_a_wrong_key() {
        let late = "Signature expired: 20261129T010000Z is now earlier than 20261129T020000Z";
        let clock = UPDATE.refused("InvalidSignatureException", Some(late));
        assert!(clock.hint().expect("a hint").contains("clock"));
        let key = UPDATE.refused("InvalidSignatureException", Some("The request signature does not match"));
        assert!(key.hint().expect("a hint").contains("log in"));
    }

    #[test]
    fn what_does_not_exist_is_not_found_under_each_of_its_codes() {
        for (code, said) in [
            ("ServiceNotFoundException", ""),
            ("RepositoryNotFoundException", ""),
            ("ClientException", "Unable to describe task definition."),
        ] {
            assert_eq!(UPDATE.refused(code, Some(said)).kind(), ErrorKind::NotFound, "{code}");
        }
        assert_eq!(UPDATE.refused("ClientException", Some("Invalid cpu")).kind(), ErrorKind::Invalid);
    }

    #[test]
    fn a_message_is_one_fragment_that_names_the_call() {
        let error = UPDATE.refused("ServiceNotActiveException", Some("Service was not ACTIVE."));
        assert_eq!(error.to_string(), "ecs:UpdateService: ServiceNotActiveException: Service was not ACTIVE");
    }
}
