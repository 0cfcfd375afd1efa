//! Amazon resource names. AWS documentation, "Amazon Resource Names (ARNs)":
//! `arn:partition:service:region:account-id:resource`.

use crate::placeholder::is_stand_in;

/// The partitions that there are. AWS documentation, "Partitions" of the SDKs' endpoint data.
const PARTITIONS: &[&str] =
    &["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];

/// An ARN in its parts; none of them is empty but where its service has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arn<'a> {
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    pub(super) account: &'a str,
    pub(super) resource: &'a str,
}

/// What is wrong with an ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    /// As it follows "the ARN".
    pub(super) what: String,
    pub(super) hint: String,
    /// Whether it looks like a template that is filled in elsewhere.
    pub(super) stand_in: bool,
}

impl<'a> Arn<'a> {
    /// Reads a text that begins with `arn:`.
    pub(super) fn parse(text: &'a str) -> Result<Self, Malformed> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, service, region, account, resource] = parts[..] else {
            let hint = "write arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE";
            return Err(Malformed::new(format!("has {} of its 6 parts", parts.len()), hint));
        };
        if !PARTITIONS.contains(&partition) {
            let hint = format!("write one of {}", PARTITIONS.join(", "));
            return Err(Malformed::new(format!("has the unknown partition {partition:?}"), &hint));
        }
        if service.is_empty() || resource.is_empty() {
            let hint = "write arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE";
            return Err(Malformed::new("names no service or no resource".to_owned(), hint));
        }
        let arn = Self { service, region, account, resource };
        // Names of buckets need neither account nor region.
        if service != "s3" {
            arn.check_account()?;
            arn.check_region()?;
        }
        Ok(arn)
    }

    fn check_account(&self) -> Result<(), Malformed> {
        let account = self.account;
        if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(());
        }
        let what = format!("has the account {account:?}, which is not 12 digits");
        let hint = "write the id of the AWS account: `aws sts get-caller-identity --query Account`";
        Err(Malformed { stand_in: is_stand_in(account), ..Malformed::new(what, hint) })
    }

    fn check_region(&self) -> Result<(), Malformed> {
        let (region, needs_one) = (self.region, self.service != "iam");
        let valid = if needs_one { is_region(region) } else { region.is_empty() };
        if valid {
            return Ok(());
        }
        let (what, hint) = if needs_one {
            (format!("has {region:?} for a region"), "write a region such as us-east-1")
        } else {
            (format!("has the region {region:?}, and IAM has none"), "write arn:aws:iam::ACCOUNT:role/NAME")
        };
        Err(Malformed { stand_in: is_stand_in(region), ..Malformed::new(what, hint) })
    }
}

impl Malformed {
    pub(super) fn new(what: String, hint: &str) -> Self {
        Self { what, hint: hint.to_owned(), stand_in: false }
    }
}

/// Whether it has the shape of a region, such as `us-gov-west-1`.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return false };
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    is_word(first)
        && !middle.is_empty()
        && middle.iter().all(|word| is_word(word))
        && !last.is_empty()
        && last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrong(text: &str) -> String {
        Arn::parse(text).expect_err("no ARN").what
    }

    #[test]
    fn an_arn_is_read_in_its_parts() {
        let arn =
            Arn::parse("arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:db-AbCdEf:url::");
        let arn = arn.expect("an ARN");
        assert_eq!(
            (arn.service, arn.region, arn.account),
            ("secretsmanager", "us-gov-west-1", "123456789012")
        );
        assert_eq!(arn.resource, "secret:db-AbCdEf:url::");
        assert!(Arn::parse("arn:aws:iam::123456789012:role/path/deploy").is_ok());
        assert!(Arn::parse("arn:aws-cn:ssm:cn-north-1:123456789012:parameter/a/b").is_ok());
    }

    #[test]
    fn what_is_wrong_with_an_arn_is_said() {
        assert_eq!(wrong("arn:aws:ssm"), "has 3 of its 6 parts");
        assert_eq!(wrong("arn:amazon:ssm:us-east-1:123456789012:x"), "has the unknown partition \"amazon\"");
        assert!(wrong("arn:aws:ssm:us-east-1:xxx:parameter/x").contains("is not 12 digits"));
        assert_eq!(wrong("arn:aws:ssm:virginia:123456789012:parameter/x"), "has \"virginia\" for a region");
        assert!(wrong("arn:aws:iam:us-east-1:123456789012:role/x").ends_with("IAM has none"));
        assert!(Arn::parse("arn:aws:iam::ACCOUNT_ID:role/x").expect_err("no ARN").stand_in);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(arn:)?[a-z0-9:é-]*") {
            let _ = Arn::parse(&text);
        }
    }
}
