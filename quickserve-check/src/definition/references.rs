//! References to roles and secrets: ARNs that are none, and secrets that are somewhere else.

use quickserve_core::document::{Node, Span};
use quickserve_core::finding::{Code, Finding};

use super::Definition;
use super::arn::{Arn, Malformed};
use crate::Subject;
use crate::placeholder::foreign;

/// A text that names a role or a secret.
struct Reference<'d> {
    /// As messages call it.
    what: String,
    node: &'d Node,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// By ARN, or by its name alone.
    Role,
    /// A secret of Secrets Manager by ARN, or a parameter of Systems Manager by ARN or name.
    Secret,
}

fn references(definition: &Definition) -> Vec<Reference<'_>> {
    let role = |key: &str| {
        let node = definition.tree.get(key)?;
        Some(Reference { what: key.to_owned(), node, kind: Kind::Role })
    };
    let mut references: Vec<Reference<'_>> =
        ["executionRoleArn", "taskRoleArn"].into_iter().filter_map(role).collect();
    for container in definition.containers() {
        let secrets = container.secrets().into_iter();
        references.extend(secrets.map(|(name, node, _)| Reference {
            what: format!("valueFrom of {name}"),
            node,
            kind: Kind::Secret,
        }));
        let options = container.get("logConfiguration").and_then(|logs| logs.get("secretOptions"));
        let options = options.map(Node::items).unwrap_or_default().iter();
        references.extend(options.filter_map(|option| {
            let what = format!("valueFrom of {}", option.get("name")?.as_str()?);
            Some(Reference { what, node: option.get("valueFrom")?, kind: Kind::Secret })
        }));
        let credentials =
            container.get("repositoryCredentials").and_then(|node| node.get("credentialsParameter"));
        // One that is no ARN is the name of a secret, which may be anything.
        let credentials =
            credentials.filter(|node| node.as_str().is_some_and(|text| text.starts_with("arn:")));
        let what = "credentialsParameter".to_owned();
        references.extend(credentials.map(|node| Reference { what, node, kind: Kind::Secret }));
    }
    references
}

/// What is no reference at all. ECS documentation, "Pass Secrets Manager secrets through environment variables".
pub(super) fn malformed(definition: &Definition, _: &Subject) -> Vec<Finding> {
    references(definition).into_iter().filter_map(|reference| malformed_one(definition, &reference)).collect()
}

fn malformed_one(definition: &Definition, reference: &Reference<'_>) -> Option<Finding> {
    let (file, Reference { what, node, kind }) = (&definition.file, reference);
    let Some(text) = definition.filled(node) else {
        let written = node.as_str()?;
        // The core reports the placeholders that are its own.
        let mark = foreign(written).filter(|_| !written.contains("${"))?;
        let message = format!("{what} holds {mark}, which ECS takes as it is");
        let hint = "let what registers the definition fill it in; QuickServe fills in ${NAME}";
        return Some(file.info(Code::UNRESOLVED_PLACEHOLDER, &node.span, message).with_hint(hint));
    };
    if !text.starts_with("arn:") {
        return (*kind == Kind::Secret && !is_parameter_name(&text)).then(|| {
            // It may be the secret itself, by mistake: it is not shown.
            let message = format!("{what} is neither an ARN nor the name of a parameter");
            let hint = "write the ARN of the secret, or the name of a parameter of Systems Manager";
            Finding::error(Code::MALFORMED_ARN, message)
                .at(file.source().place(node.span.start))
                .with_hint(hint)
        });
    }
    let wrong = Arn::parse(&text).and_then(|arn| match kind {
        Kind::Role => check_role(&arn),
        Kind::Secret => check_secret(&arn),
    });
    let Malformed { what: wrong, hint, stand_in } = wrong.err()?;
    let message = format!("{what} {wrong}");
    let report = if stand_in {
        file.warning(Code::MALFORMED_ARN, &node.span, message)
    } else {
        file.error(Code::MALFORMED_ARN, &node.span, message)
    };
    Some(report.with_hint(hint))
}

fn check_role(arn: &Arn<'_>) -> Result<(), Malformed> {
    if arn.service == "iam" && arn.resource.starts_with("role/") {
        return Ok(());
    }
    Err(Malformed::new("names no role".to_owned(), "write arn:aws:iam::ACCOUNT:role/NAME"))
}

fn check_secret(arn: &Arn<'_>) -> Result<(), Malformed> {
    let form = "write arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME:JSON-KEY:STAGE:VERSION; the last three may be empty";
    let wrong = |what: &str, hint: &str| Err(Malformed::new(what.to_owned(), hint));
    match arn.service {
        "secretsmanager" => match arn.resource.strip_prefix("secret:") {
            None => wrong("names no secret", form),
            Some(rest) if !matches!(rest.split(':').count(), 1 | 4) => {
                wrong("must have all three of JSON key, stage and version after the name, or none", form)
            }
            Some(_) => Ok(()),
        },
        "ssm" => match arn.resource.strip_prefix("parameter/") {
            None => wrong("names no parameter", "write arn:aws:ssm:REGION:ACCOUNT:parameter/NAME"),
            Some(name) if name.contains(':') => {
                wrong("names a version of a parameter, which ECS cannot take", "leave the version away")
            }
            Some(_) => Ok(()),
        },
        service => wrong(&format!("is of {service}, which holds no secrets"), form),
    }
}

/// Systems Manager documentation, "Create parameters": letters, digits, `_`, `.`, `-` and `/`.
fn is_parameter_name(text: &str) -> bool {
    let valid = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-' | '/');
    !text.is_empty() && text.chars().all(valid)
}

/// Secrets of another region or account than the rest of the task, and those whose ARN is not whole.
pub(super) fn elsewhere(definition: &Definition, _: &Subject) -> Vec<Finding> {
    let region = region_of_logs(definition);
    let account = account_of_roles(definition);
    let secrets = references(definition).into_iter().filter(|reference| reference.kind == Kind::Secret);
    let found = secrets.flat_map(|reference| {
        let text = definition.filled(reference.node).unwrap_or_default();
        let (file, span, what) = (&definition.file, &reference.node.span, &reference.what);
        let arn = Arn::parse(&text).ok();
        let apart = |name: &str, theirs: &str, other: &Option<String>, of: &str, hint: &str| {
            let other = other.as_ref().filter(|other| *other != theirs)?;
            let message = format!("{what} is in the {name} {theirs}, and {of} in {other}");
            Some(file.warning(Code::SECRET_REFERENCE, span, message).with_hint(hint))
        };
        let hint = "keep a secret of that name in the region of the task, or correct the ARN";
        let region = arn.and_then(|arn| apart("region", arn.region, &region, "the logs are", hint));
        let hint = "correct the account, or let that account's policy and key give the execution role access";
        let of_account = arn.filter(|arn| !arn.account.is_empty());
        let account =
            of_account.and_then(|arn| apart("account", arn.account, &account, "the roles are", hint));
        let partial = is_partial(&text).then(|| partial(definition, what, span));
        [region, account, partial].into_iter().flatten()
    });
    found.collect()
}

fn region_of_logs(definition: &Definition) -> Option<String> {
    let mut containers = definition.containers().into_iter();
    let region = containers.find_map(|container| {
        let options = container.get("logConfiguration")?.get("options")?;
        definition.filled(options.get("awslogs-region")?)
    });
    region.filter(|region| !region.is_empty())
}

fn account_of_roles(definition: &Definition) -> Option<String> {
    let mut roles = references(definition).into_iter().filter(|reference| reference.kind == Kind::Role);
    roles.find_map(|role| {
        let text = definition.filled(role.node)?;
        Arn::parse(&text).ok().map(|arn| arn.account.to_owned())
    })
}

/// Whether it is an ARN of Secrets Manager without the hyphen and six characters that each secret's ends in. What else
/// is wrong with it does not matter here.
fn is_partial(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let ["arn", _, "secretsmanager", _, _, "secret", name, ..] = parts.as_slice() else { return false };
    let suffix = name.rsplit_once('-').map_or("", |(_, suffix)| suffix);
    suffix.len() != 6 || !suffix.chars().all(|char| char.is_ascii_alphanumeric())
}

/// Secrets Manager documentation, "Finding a secret from a partial ARN"; ECS documentation: "the full ARN".
fn partial(definition: &Definition, what: &str, span: &Span) -> Finding {
    let message = format!("{what} lacks the six random characters that end the ARN of a secret");
    let hint =
        "copy the whole ARN, which `aws secretsmanager describe-secret` shows: policies may match no other";
    definition.file.info(Code::SECRET_REFERENCE, span, message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_arn_ends_in_six_random_characters() {
        let arn = |name: &str| format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}");
        assert!(is_partial(&arn("db-url")) && is_partial(&arn("db")) && is_partial(&arn("db:password::")));
        assert!(!is_partial(&arn("db-url-AbC123")) && !is_partial(&arn("db-AbC123:password::")));
        assert!(!is_partial("arn:aws:ssm:us-east-1:123456789012:parameter/db") && !is_partial("db"));
    }

    #[test]
    fn a_reference_is_whole_or_has_all_three_suffixes() {
        let wrong = |resource: &str| {
            let arn = Arn { service: "secretsmanager", region: "", account: "", resource };
            check_secret(&arn).is_err()
        };
        assert!(
            !wrong("secret:a-AbCdEf") && !wrong("secret:a-AbCdEf:key::") && !wrong("secret:a:k:AWSCURRENT:")
        );
        assert!(wrong("secret:a:key") && wrong("secret:a:key:") && wrong("a"));
        let parameter = Arn { service: "ssm", region: "", account: "", resource: "parameter/a:3" };
        assert!(check_secret(&parameter).is_err());
    }
}
