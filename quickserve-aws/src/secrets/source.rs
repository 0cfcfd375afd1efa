//! Where a secret is found, as a task definition's `valueFrom` says it.

use quickserve_core::{Error, ErrorKind, Result};

use crate::arn::Arn;

/// ECS documentation, "Pass sensitive data": the ARN of a secret, with a JSON key, a version stage and a version
/// id behind it, or the ARN or the name of a parameter. A bare name may also be that of a secret, as for the AWS
/// command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Secret(SecretRef),
    Parameter(ParameterRef),
    /// A parameter, or else a secret.
    Either(ParameterRef, SecretRef),
}

/// A secret of Secrets Manager.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SecretRef {
    /// Its ARN or its name.
    pub(crate) id: String,
    /// The region of its ARN.
    pub(crate) region: Option<String>,
    pub(crate) part: Part,
}

/// Which part of a secret is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    pub(crate) json_key: Option<String>,
    pub(crate) stage: Option<String>,
    pub(crate) version: Option<String>,
}

/// A parameter of SSM.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ParameterRef {
    /// Its name, with its slashes.
    pub(crate) name: String,
    /// The region of its ARN.
    pub(crate) region: Option<String>,
}

impl Source {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let invalid =
            |why: &str| Error::new(ErrorKind::Invalid, format!("read the secret source {text:?}: {why}"));
        if !text.starts_with("arn:") {
            let (name, part) = split(text).ok_or_else(|| invalid("it has too many parts"))?;
            if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
                return Err(
                    invalid("it is no name").with_hint("name a secret or a parameter, or give its ARN")
                );
            }
            let secret = SecretRef { id: name.to_owned(), region: None, part };
            if secret.part != Part::default() {
                return Ok(Self::Secret(secret));
            }
            return Ok(Self::Either(ParameterRef { name: name.to_owned(), region: None }, secret));
        }
        let arn: Arn = text.parse()?;
        let region = Some(arn.region.clone()).filter(|region| !region.is_empty());
        match (arn.service.as_str(), arn.resource.split_once([':', '/'])) {
            ("secretsmanager", Some(("secret", rest))) => {
                let (name, part) = split(rest).ok_or_else(|| invalid("it has too many parts"))?;
                if name.is_empty() {
                    return Err(invalid("it names no secret"));
                }
                let id = Arn { resource: format!("secret:{name}"), ..arn }.to_string();
                Ok(Self::Secret(SecretRef { id, region, part }))
            }
            ("ssm", Some(("parameter", name))) if !name.is_empty() => {
                // SSM documentation, "Parameter ARNs": the first slash of a name in a hierarchy is the ARN's.
                let name = if name.contains('/') { format!("/{name}") } else { name.to_owned() };
                Ok(Self::Parameter(ParameterRef { name, region }))
            }
            _ => Err(invalid("it is neither a secret nor a parameter").with_hint(
                "write arn:aws:secretsmanager:<region>:<account>:secret:<name> or arn:aws:ssm:<region>:<account>:parameter/<name>",
            )),
        }
    }
}

/// A name, and `json-key:version-stage:version-id` behind it, any of which may be empty.
fn split(text: &str) -> Option<(&str, Part)> {
    let mut parts = text.split(':');
    let name = parts.next()?;
    let mut next = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
    let part = Part { json_key: next(), stage: next(), version: next() };
    parts.next().is_none().then_some((name, part))
}

impl Part {
    /// What ECS gets for this part of a secret: pinned to a version, or as it was asked for.
    pub(crate) fn reference(&self, arn: &str, pinned: Option<&str>) -> String {
        let key = self.json_key.as_deref().unwrap_or_default();
        let (stage, version) = match pinned {
            // A version and a stage together are refused when the stage has moved on.
            Some(version) => ("", version),
            None => (self.stage.as_deref().unwrap_or_default(), self.version.as_deref().unwrap_or_default()),
        };
        if key.is_empty() && stage.is_empty() && version.is_empty() {
            return arn.to_owned();
        }
        format!("{arn}:{key}:{stage}:{version}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:shop/db-AbCdEf";

    fn secret(text: &str) -> SecretRef {
        match Source::parse(text) {
            Ok(Source::Secret(secret)) => secret,
            other => panic!("{text} is {other:?}"),
        }
    }

    #[test]
    fn the_parts_behind_an_arn_are_read() {
        let whole = secret(ARN);
        assert_eq!((whole.id.as_str(), whole.region.as_deref()), (ARN, Some("cn-north-1")));
        assert_eq!(whole.part, Part::default());
        let part = secret(&format!("{ARN}:password:AWSPREVIOUS:")).part;
        assert_eq!(
            (part.json_key.as_deref(), part.stage.as_deref()),
            (Some("password"), Some("AWSPREVIOUS"))
        );
        assert_eq!(secret(&format!("{ARN}:::v1")).part.version.as_deref(), Some("v1"));
        assert_eq!(secret(&format!("{ARN}:password::")).id, ARN);
    }

    #[test]
    fn a_parameter_is_named_with_its_slashes() {
        for (arn, name) in [
            ("arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/shop/db", "/shop/db"),
            ("arn:aws:ssm:us-east-1:123456789012:parameter/db", "db"),
        ] {
            let Ok(Source::Parameter(parameter)) = Source::parse(arn) else { panic!("{arn}") };
            assert_eq!(parameter.name, name);
        }
    }

    #[test]
    fn a_bare_name_may_be_either_and_with_parts_is_a_secret() {
        assert!(matches!(Source::parse("shop/db"), Ok(Source::Either(_, _))));
        assert_eq!(secret("shop/db:password").part.json_key.as_deref(), Some("password"));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "",
            "two words",
            "a:b:c:d:e",
            "arn:aws:s3:::bucket",
            "arn:aws:ssm:us-east-1:123456789012:parameter/",
        ] {
            assert_eq!(Source::parse(text).expect_err(text).kind(), ErrorKind::Invalid);
        }
    }

    #[test]
    fn a_pinned_reference_names_the_version_and_no_stage() {
        let part = secret(&format!("{ARN}:password:AWSCURRENT:")).part;
        assert_eq!(part.reference(ARN, Some("v1")), format!("{ARN}:password::v1"));
        assert_eq!(part.reference(ARN, None), format!("{ARN}:password:AWSCURRENT:"));
        assert_eq!(Part::default().reference(ARN, None), ARN);
    }
}
