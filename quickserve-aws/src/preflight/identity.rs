//! QS604: who we are on AWS, and whether what shall be deployed is of the same account.

use quickserve_core::finding::{Code, Finding};
use quickserve_core::preflight::Report;
use quickserve_core::{Error, ErrorKind, Result};

use super::declared::Declared;
use super::subject::Subject;
use crate::arn::Arn;
use crate::clients::Clients;
use crate::error::{Call, call};
use crate::policy::Place;

const WHO: Call = call("sts", "GetCallerIdentity");

/// The identity whose credentials are used.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) arn: Arn,
}

/// Asks AWS who we are. STS documentation: whoever has valid credentials may ask that.
pub(super) async fn find(clients: &Clients) -> Result<Identity> {
    let answer = clients.sts().get_caller_identity().send().await.map_err(|error| WHO.failed(error))?;
    let arn = answer.arn().ok_or_else(|| {
        Error::new(ErrorKind::Unexpected, "sts:GetCallerIdentity: read the answer, which names nobody")
    })?;
    Ok(Identity { arn: arn.parse()? })
}

/// The finding of credentials that do not work, or of an AWS that does not answer.
pub(super) fn unknown(error: &Error) -> Finding {
    let code = if error.kind() == ErrorKind::PermissionDenied {
        Code::AWS_IDENTITY
    } else {
        Code::PLATFORM_UNREACHABLE
    };
    let mut finding = Finding::error(code, error.causes().join(": ").replace('\n', ";"));
    finding.hint = error.hint().map(str::to_owned);
    finding
}

/// What must be of our own account and partition; the cluster and the service of our region, too. Secrets, images and
/// log groups may be elsewhere.
pub(super) fn belongs(subject: &Subject, declared: &Declared, place: &Place) -> Report {
    let named = [
        ("cluster", Some(&subject.cluster), true),
        ("ecs_service", Some(&subject.service), true),
        ("assume_role", subject.assume_role.as_ref(), false),
        ("executionRoleArn", declared.execution_role.as_ref(), false),
        ("taskRoleArn", declared.task_role.as_ref(), false),
    ];
    let arns =
        named.into_iter().filter_map(|(key, text, regional)| Some((key, text?.parse().ok()?, regional)));
    Report::of(arns.filter_map(|(key, arn, regional)| strange(key, &arn, regional, place)).collect())
}

fn strange(key: &str, arn: &Arn, regional: bool, place: &Place) -> Option<Finding> {
    let (what, theirs, ours) = if arn.partition != place.partition {
        ("partition", &arn.partition, &place.partition)
    } else if arn.account != place.account {
        ("account", &arn.account, &place.account)
    } else if regional && arn.region != place.region {
        ("region", &arn.region, &place.region)
    } else {
        return None;
    };
    let message = format!("{key} is of {what} {theirs}, and these credentials work in {ours}");
    let hint = if what == "region" {
        "set `region` of the environment in quickserve.toml"
    } else {
        "log in to the other account, or name a role of it as `assume_role`"
    };
    Some(Finding::error(Code::AWS_IDENTITY, message).on(arn.to_string()).with_hint(hint))
}
