//! What is wrong with a journal's bucket.

use std::sync::Arc;

use quickserve_core::clock::Clock;
use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::{Error, ErrorKind, Result};

use super::bucket::JournalBucket;
use super::seen::Seen;
use crate::clients::Clients;
use crate::s3::Location;

/// What is wrong with the bucket of a journal, all at once. Nothing is changed.
///
/// # Errors
/// When the bucket cannot be reached at all, or is in another region, or nobody may be found to ask as.
pub async fn inspect(clients: &Clients, place: &Location, clock: Arc<dyn Clock>) -> Result<Vec<Finding>> {
    let bucket = JournalBucket::new(clients, place, clock)?;
    let findings = match bucket.look().await? {
        Some(seen) => findings(&seen, place),
        None => vec![missing(place)],
    };
    Ok(findings.into_iter().map(|finding| finding.on(place.to_string())).collect())
}

fn missing(place: &Location) -> Finding {
    Finding::error(Code::JOURNAL_BUCKET, format!("the bucket {} of the journal does not exist", place.bucket))
        .with_hint(format!("make it: quickserve aws bootstrap {place}"))
}

fn findings(seen: &Seen, place: &Location) -> Vec<Finding> {
    let bucket = &place.bucket;
    let mend = format!("quickserve aws bootstrap {place}");
    let mut found = Vec::new();
    match &seen.expiring {
        Ok(rules) => found.extend(rules.iter().map(|rule| {
            let message = format!("records of the journal are taken away: {rule}");
            Finding::error(Code::JOURNAL_EXPIRES, message).with_hint(format!(
                "take the rule away, or limit it to another prefix: aws s3api get-bucket-lifecycle-configuration --bucket {bucket}"
            ))
        })),
        Err(error) => found.push(unseen(error)),
    }
    let settings = [
        (&seen.public_access_blocked, Code::JOURNAL_PUBLIC, "can be made public"),
        (&seen.versioned, Code::JOURNAL_UNVERSIONED, "keeps no versions: what is deleted by mistake is lost"),
        (&seen.encrypted, Code::JOURNAL_UNENCRYPTED, "does not encrypt what is written"),
        (&seen.tls_only, Code::JOURNAL_PLAIN, "lets requests without TLS in"),
    ];
    for (setting, code, what) in settings {
        match setting {
            Ok(true) => {}
            Ok(false) => {
                let message = format!("the bucket {bucket} of the journal {what}");
                found.push(Finding::new(code, Severity::Warning, message).with_hint(mend.clone()));
            }
            Err(error) => found.push(unseen(error)),
        }
    }
    found
}

/// Whoever deploys need not be allowed to see a bucket's settings.
fn unseen(error: &Error) -> Finding {
    let severity =
        if error.kind() == ErrorKind::PermissionDenied { Severity::Info } else { Severity::Warning };
    let message = format!("a setting of the journal's bucket was not seen: {}", error.causes().join(": "));
    let finding = Finding::new(Code::JOURNAL_UNSEEN, severity, message);
    if let Some(hint) = error.hint() { finding.with_hint(hint) } else { finding }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::call;

    fn place() -> Location {
        "s3://acme-deploy/journal".parse().expect("a place")
    }

    fn good() -> Seen {
        Seen {
            versioned: Ok(true),
            public_access_blocked: Ok(true),
            encrypted: Ok(true),
            tls_only: Ok(true),
            expiring: Ok(Vec::new()),
        }
    }

    #[test]
    fn a_good_bucket_has_no_finding() {
        assert!(findings(&good(), &place()).is_empty());
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let seen = Seen {
            versioned: Ok(false),
            public_access_blocked: Ok(false),
            encrypted: Ok(false),
            tls_only: Err(call("s3", "GetBucketPolicy").refused("AccessDenied", None)),
            expiring: Ok(vec!["rule tidy deletes after 30 days".to_owned()]),
        };
        let found: Vec<String> = findings(&seen, &place()).iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(found.join("\n"));
    }
}
