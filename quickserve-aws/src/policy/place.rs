//! Where a service is: what the names of its resources begin with.

use std::collections::BTreeSet;

use crate::arn::Arn;

/// The partition, region and account of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Such as `aws-cn`.
    pub partition: String,
    /// Such as `eu-central-1`.
    pub region: String,
    /// The account's 12 digits.
    pub account: String,
    /// The keys of KMS that its secrets are encrypted with, beside AWS's own: ids or ARNs.
    pub keys: BTreeSet<String>,
}

impl Place {
    /// The ARN of a resource here.
    pub(crate) fn arn(&self, service: &str, resource: impl Into<String>) -> String {
        self.arn_in(service, &self.region, resource)
    }

    /// The ARN of a resource in another region.
    pub(crate) fn arn_in(&self, service: &str, region: &str, resource: impl Into<String>) -> String {
        Arn {
            partition: self.partition.clone(),
            service: service.to_owned(),
            region: region.to_owned(),
            account: self.account.clone(),
            resource: resource.into(),
        }
        .to_string()
    }

    /// The ARN of a role that is named by its ARN or by its name alone, as ECS accepts both.
    pub(crate) fn role(&self, named: &str) -> String {
        if named.starts_with("arn:") {
            return named.to_owned();
        }
        self.arn_in("iam", "", format!("role/{named}"))
    }

    /// The ARN of a key that is named by its ARN, its id or an alias. A policy cannot name an alias: it stands for
    /// all keys.
    pub(crate) fn key(&self, named: &str) -> String {
        match named {
            _ if named.contains("alias/") => self.arn("kms", "key/*"),
            _ if named.starts_with("arn:") => named.to_owned(),
            _ => self.arn("kms", format!("key/{named}")),
        }
    }
}
