//! QS611: the roles are there, and ECS may take them.

use aws_sdk_iam::operation::get_role::GetRoleError;
use futures_util::future::join_all;
use quickserve_core::finding::{Code, Finding};
use quickserve_core::preflight::Report;
use quickserve_core::{Error, ErrorKind, Result};
use serde_json::Value;

use super::told::told;
use crate::clients::Clients;
use crate::error::{Call, call};

const GET: Call = call("iam", "GetRole");

/// A role, and the service of AWS that shall take it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Taken {
    pub(super) role: String,
    pub(super) by: &'static str,
}

pub(super) async fn roles(clients: &Clients, wanted: &[Taken]) -> Report {
    let looks = wanted.iter().map(|taken| async move {
        let found = trust(clients, name(&taken.role)).await;
        told(&format!("role {}", taken.role), found.and_then(|trust| judge(taken, trust.as_deref())))
    });
    join_all(looks).await.into_iter().fold(Report::default(), Report::and)
}

/// IAM documentation, "IAM identifiers": `role/<path>/<name>`.
pub(super) fn name(role: &str) -> &str {
    role.rsplit('/').next().unwrap_or(role)
}

/// The trust policy of a role as IAM hands it out; `None` where there is no such role.
async fn trust(clients: &Clients, name: &str) -> Result<Option<String>> {
    match clients.iam().get_role().role_name(name).send().await {
        Ok(answer) => {
            let role = answer.role.and_then(|role| role.assume_role_policy_document);
            Ok(Some(role.unwrap_or_default()))
        }
        Err(error) if error.as_service_error().is_some_and(GetRoleError::is_no_such_entity_exception) => {
            Ok(None)
        }
        Err(error) => Err(GET.failed(error)),
    }
}

fn judge(taken: &Taken, trust: Option<&str>) -> Result<Report> {
    let Taken { role, by } = taken;
    let finding = |message: String, hint: String| {
        Ok(Report::of(vec![Finding::error(Code::ROLE, message).on(&**role).with_hint(hint)]))
    };
    let Some(trust) = trust else {
        return finding(
            format!("role {} does not exist", name(role)),
            format!("make it, and let it trust {by}"),
        );
    };
    if trusts(trust, by)? {
        return Ok(Report::of(Vec::new()));
    }
    finding(
        format!("role {} does not trust {by}, so ECS cannot take it", name(role)),
        format!("allow sts:AssumeRole to \"Principal\": {{\"Service\": \"{by}\"}} in its trust policy"),
    )
}

/// Whether a trust policy lets a service of AWS take the role. IAM API reference, `GetRole`: the document is
/// URL-encoded JSON. Conditions are not judged.
fn trusts(policy: &str, service: &str) -> Result<bool> {
    let policy: Value = serde_json::from_str(&decoded(policy)).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "read the trust policy of a role").with_source(error)
    })?;
    let statements = one_or_many(&policy["Statement"]);
    Ok(statements.iter().any(|statement| {
        let principals = &statement["Principal"];
        let services = one_or_many(&principals["Service"]);
        let trusted = principals == "*" || services.iter().any(|it| *it == service || *it == "*");
        let actions = one_or_many(&statement["Action"]);
        let assume = actions.iter().any(|it| ["sts:AssumeRole", "sts:*", "*"].iter().any(|one| it == one));
        statement["Effect"] == "Allow" && trusted && assume
    }))
}

/// IAM writes a list of one as the one.
fn one_or_many(value: &Value) -> &[Value] {
    match value {
        Value::Array(many) => many,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

/// RFC 3986, 2.1. What is no `%` and two digits stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).filter(|_| *first == b'%').and_then(|it| std::str::from_utf8(it).ok());
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASKS: &str = "ecs-tasks.amazonaws.com";

    #[test]
    fn a_trust_policy_is_read_in_each_of_its_forms() {
        let encoded = "%7B%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22sts%3AAssumeRole%22%2C\
                       %22Principal%22%3A%7B%22Service%22%3A%22ecs-tasks.amazonaws.com%22%7D%7D%5D%7D";
        let many = r#"{"Statement": {"Effect": "Allow", "Action": ["sts:TagSession", "sts:AssumeRole"],
            "Principal": {"Service": ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"]}}}"#;
        for policy in [encoded, many] {
            assert!(trusts(policy, TASKS).expect("a policy"), "{policy}");
        }
    }

    #[test]
    fn whom_a_role_does_not_trust_is_named() {
        for policy in [
            r#"{"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}]}"#,
            r#"{"Statement": [{"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": "*"}]}"#,
            r#"{"Statement": []}"#,
        ] {
            assert!(!trusts(policy, TASKS).expect("a policy"), "{policy}");
        }
        let taken = Taken { role: "arn:aws:iam::123456789012:role/shop/task".into(), by: TASKS };
        let report = judge(&taken, Some(r#"{"Statement": []}"#)).expect("judged");
        insta::assert_snapshot!(report.findings[0], @r#"
        QS611 role task does not trust ecs-tasks.amazonaws.com, so ECS cannot take it
          --> arn:aws:iam::123456789012:role/shop/task
          hint: allow sts:AssumeRole to "Principal": {"Service": "ecs-tasks.amazonaws.com"} in its trust policy
        "#);
        assert_eq!(judge(&taken, None).expect("judged").findings[0].message, "role task does not exist");
        assert!(judge(&taken, Some("no policy")).is_err(), "what cannot be read is no finding");
    }
}
