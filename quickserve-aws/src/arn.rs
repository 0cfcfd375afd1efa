//! Names of AWS resources, of every partition.

use std::fmt;
use std::str::FromStr;

use quickserve_core::{Error, ErrorKind};

/// An Amazon Resource Name: `arn:partition:service:region:account:resource`.
///
/// Source: IAM documentation, "Identify AWS resources with Amazon Resource Names (ARNs)". The partition is taken
/// as it is (`aws`, `aws-cn`, `aws-us-gov`, `aws-iso`, ...), so a new one needs no change here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Arn {
    /// Such as `aws-cn`.
    pub partition: String,
    /// Such as `secretsmanager`.
    pub service: String,
    /// Such as `eu-central-1`; empty for what has no region.
    pub region: String,
    /// The account's 12 digits; empty for what belongs to none.
    pub account: String,
    /// All that follows, colons included.
    pub resource: String,
}

impl FromStr for Arn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        match parts.as_slice() {
            ["arn", partition, service, region, account, resource]
                if partition.starts_with("aws") && !service.is_empty() && !resource.is_empty() =>
            {
                Ok(Self {
                    partition: (*partition).to_owned(),
                    service: (*service).to_owned(),
                    region: (*region).to_owned(),
                    account: (*account).to_owned(),
                    resource: (*resource).to_owned(),
                })
            }
            _ => Err(Error::new(ErrorKind::Invalid, format!("read {text:?} as an ARN"))
                .with_hint("an ARN has six parts: arn:partition:service:region:account:resource")),
        }
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// The partition of a region. Source: the SDKs' `partitions.json`.
pub(crate) fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ if region.starts_with("us-iso-") => "aws-iso",
        _ if region.starts_with("us-isob-") => "aws-iso-b",
        _ if region.starts_with("eu-isoe-") => "aws-iso-e",
        _ if region.starts_with("us-isof-") => "aws-iso-f",
        _ if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_is_read_and_written_back() {
        for text in [
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf:password::",
            "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/db/url",
            "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:service/shop/web",
            "arn:aws-iso-b:iam::123456789012:role/deploy",
        ] {
            let arn: Arn = text.parse().expect("an ARN");
            assert_eq!(arn.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_arn_is_refused() {
        for text in
            ["", "db-password", "arn:aws:ssm:eu-west-1:123456789012", "arn:gcp:a:b:c:d", "arn:aws::::x"]
        {
            assert_eq!(text.parse::<Arn>().expect_err(text).kind(), ErrorKind::Invalid);
        }
    }
}
