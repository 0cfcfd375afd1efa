//! The statement of a bucket's policy that refuses requests without TLS.

use quickserve_core::Result;
use serde_json::{Value, json};

use crate::arn::partition;
use crate::error::failed_to;

/// The name of the statement that we add.
const SID: &str = "TlsOnly";

/// Whether a policy refuses every request without TLS to a bucket and all that is in it.
pub(super) fn is_tls_only(policy: &str, bucket: &str, region: &str) -> Result<bool> {
    let policy = parsed(policy)?;
    Ok(statements(&policy).any(|statement| refuses_plain(statement, bucket, region)))
}

/// The policy with our statement, and all that it had.
pub(super) fn with_tls_only(policy: Option<&str>, bucket: &str, region: &str) -> Result<Value> {
    let mut policy = match policy {
        Some(policy) => parsed(policy)?,
        None => json!({ "Version": "2012-10-17" }),
    };
    let mut all: Vec<Value> =
        statements(&policy).filter(|it| it.get("Sid").is_none_or(|sid| sid != SID)).cloned().collect();
    all.push(statement(bucket, region));
    if let Some(fields) = policy.as_object_mut() {
        fields.insert("Statement".to_owned(), all.into());
    }
    Ok(policy)
}

fn statement(bucket: &str, region: &str) -> Value {
    json!({
        "Sid": SID,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": resources(bucket, region),
        "Condition": { "Bool": { "aws:SecureTransport": "false" } },
    })
}

fn resources(bucket: &str, region: &str) -> [String; 2] {
    let arn = format!("arn:{}:s3:::{bucket}", partition(region));
    [arn.clone(), format!("{arn}/*")]
}

fn parsed(policy: &str) -> Result<Value> {
    serde_json::from_str(policy)
        .map_err(|error| failed_to("read the policy of the bucket".to_owned(), &error))
}

/// IAM reference, "IAM JSON policy elements: Statement": one, or a list of them.
fn statements(policy: &Value) -> impl Iterator<Item = &Value> {
    several(policy.get("Statement"))
}

fn several(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let list = value.and_then(Value::as_array);
    let one = value.filter(|value| !value.is_array());
    list.into_iter().flatten().chain(one)
}

fn refuses_plain(statement: &Value, bucket: &str, region: &str) -> bool {
    let has = |key: &str, wanted: &[&str]| {
        several(statement.get(key)).any(|it| it.as_str().is_some_and(|it| wanted.contains(&it)))
    };
    let principal = statement.get("Principal");
    let for_all = principal.is_some_and(|it| it == "*" || several(it.get("AWS")).any(|it| it == "*"));
    let condition = statement.pointer("/Condition/Bool/aws:SecureTransport");
    let when_plain = several(condition).any(|it| it == "false" || *it == Value::Bool(false));
    // Another condition beside it would narrow it.
    let alone = statement.get("Condition").and_then(Value::as_object).is_some_and(|all| all.len() == 1);
    let [whole, objects] = resources(bucket, region);
    has("Effect", &["Deny"])
        && for_all
        && has("Action", &["s3:*", "*"])
        && when_plain
        && alone
        && (has("Resource", &["*"])
            || has("Resource", &[whole.as_str()]) && has("Resource", &[objects.as_str()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(policy: &Value) -> bool {
        is_tls_only(&policy.to_string(), "acme", "us-east-1").expect("a policy")
    }

    #[test]
    fn what_we_add_is_what_we_look_for_and_stands_once() {
        let fresh = with_tls_only(None, "acme", "us-east-1").expect("a policy");
        assert!(is(&fresh));
        let again = with_tls_only(Some(&fresh.to_string()), "acme", "us-east-1").expect("a policy");
        assert_eq!(again, fresh);
        let china = with_tls_only(None, "acme", "cn-north-1").expect("a policy");
        assert_eq!(china["Statement"][0]["Resource"][0], "arn:aws-cn:s3:::acme");
    }

    #[test]
    fn what_a_policy_had_is_kept() {
        let own = json!({ "Version": "2012-10-17", "Id": "team",
            "Statement": { "Sid": "Own", "Effect": "Allow", "Principal": { "AWS": "1" }, "Action": "s3:GetObject", "Resource": "*" } });
        let merged = with_tls_only(Some(&own.to_string()), "acme", "us-east-1").expect("a policy");
        assert_eq!(merged["Id"], "team");
        assert_eq!(merged["Statement"][0], own["Statement"]);
        assert_eq!(merged["Statement"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn a_statement_that_refuses_less_is_not_enough() {
        let with = |pointer: &str, value: Value| {
            let mut policy = with_tls_only(None, "acme", "us-east-1").expect("a policy");
            *policy.pointer_mut(&format!("/Statement/0/{pointer}")).expect("a field") = value;
            policy
        };
        assert!(is(&with("Principal", json!({ "AWS": "*" }))));
        assert!(is(&with("Resource", json!("*"))));
        for (pointer, value) in [
            ("Effect", json!("Allow")),
            ("Principal", json!({ "AWS": "arn:aws:iam::1:root" })),
            ("Action", json!("s3:GetObject")),
            ("Resource", json!("arn:aws:s3:::acme")),
            ("Resource", json!(["arn:aws:s3:::other", "arn:aws:s3:::other/*"])),
            ("Condition", json!({ "Bool": { "aws:SecureTransport": "true" } })),
            (
                "Condition",
                json!({ "Bool": { "aws:SecureTransport": "false" }, "StringEquals": { "a": "b" } }),
            ),
        ] {
            assert!(!is(&with(pointer, value.clone())), "{pointer} {value}");
        }
    }
}
