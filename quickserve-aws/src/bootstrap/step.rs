//! What is to be done to a bucket.

use std::fmt;

use quickserve_core::Result;

use super::seen::Seen;

/// One thing to do. Doing it again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The bucket is made.
    Make {
        /// Where.
        region: String,
    },
    /// Nothing in it can be made public.
    BlockPublicAccess,
    /// Every change is kept.
    KeepVersions,
    /// What is written is encrypted where it lies.
    Encrypt,
    /// Requests without TLS are refused.
    RefusePlain,
}

/// The steps that a bucket lacks; `None` is one that does not exist.
///
/// A rule that deletes is no step: somebody made it for a reason, and has to take it away. [`inspect`](super::inspect())
/// tells.
///
/// # Errors
/// Where the identity may not see what the bucket is like.
pub fn plan(seen: Option<Seen>, region: &str) -> Result<Vec<Step>> {
    let Some(seen) = seen else {
        let make = Step::Make { region: region.to_owned() };
        return Ok(vec![make, Step::BlockPublicAccess, Step::KeepVersions, Step::RefusePlain]);
    };
    let settings = [
        (seen.public_access_blocked?, Step::BlockPublicAccess),
        (seen.versioned?, Step::KeepVersions),
        (seen.encrypted?, Step::Encrypt),
        (seen.tls_only?, Step::RefusePlain),
    ];
    Ok(settings.into_iter().filter(|(is_so, _)| !is_so).map(|(_, step)| step).collect())
}

impl Step {
    /// The command line that does the same with AWS's own tool.
    pub fn command(&self, bucket: &str, region: &str) -> String {
        let call =
            |call: &str, rest: &str| format!("aws s3api {call} --region {region} --bucket {bucket}{rest}");
        match self {
            Self::Make { region } if region == "us-east-1" => call("create-bucket", ""),
            Self::Make { region } => {
                call("create-bucket", &format!(" --create-bucket-configuration LocationConstraint={region}"))
            }
            Self::BlockPublicAccess => call(
                "put-public-access-block",
                " --public-access-block-configuration \
                 BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true",
            ),
            Self::KeepVersions => call("put-bucket-versioning", " --versioning-configuration Status=Enabled"),
            Self::Encrypt => call(
                "put-bucket-encryption",
                " --server-side-encryption-configuration \
                 '{\"Rules\":[{\"ApplyServerSideEncryptionByDefault\":{\"SSEAlgorithm\":\"AES256\"}}]}'",
            ),
            Self::RefusePlain => call("put-bucket-policy", " --policy file://policy.json"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Make { region } => write!(f, "make the bucket in {region}"),
            Self::BlockPublicAccess => f.write_str("block public access"),
            Self::KeepVersions => f.write_str("keep the versions of what is changed or deleted"),
            Self::Encrypt => f.write_str("encrypt what is written"),
            Self::RefusePlain => f.write_str("refuse requests without TLS"),
        }
    }
}
