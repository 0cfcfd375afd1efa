//! Secrets in `environment`, where everybody may read them who may describe the task.

use quickserve_core::finding::{Code, Finding};

use super::Definition;
use crate::Subject;
use crate::placeholder::foreign;
use crate::secrets::looks_secret;

/// ECS documentation, "Pass sensitive data to a container".
pub(super) fn secrets(definition: &Definition, _: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for container in definition.containers() {
        for (name, value, _) in container.environment() {
            if value.as_str().is_some_and(|value| plain_secret(name, value)) {
                let message = format!("{name} of {} is a secret in plain sight", container.name());
                let hint = "keep it in Secrets Manager, name it in `secrets`, and replace what was seen";
                // No excerpt: it would show the value.
                let place = definition.file.source().place(value.span.start);
                findings.push(Finding::error(Code::PLAIN_SECRET, message).at(place).with_hint(hint));
            }
        }
    }
    findings
}

/// Whether a variable is surely a secret, by its name or by its value.
fn plain_secret(name: &str, value: &str) -> bool {
    !value.contains("${") && foreign(value).is_none() && looks_secret(name, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_from_what_is_about_them() {
        for (name, value) in [
            ("DB_PASSWORD", "hunter2hunter2"),
            ("stripe_api_key", "sk_live_4eC39HqLyjWDarj"),
            ("DATABASE_URL", "postgresql://app:s3cr3t@db.internal:5432/app"),
            ("JWT_SECRET", "dGhpcyBpcyBhIHNlY3JldA=="),
            ("SESSION_KEY", "q8Zr1Lw0Tn5Vx2Kb"),
            ("SERVICE_SECRET_KEY", "hunter2hunter2"),
        ] {
            assert!(plain_secret(name, value), "{name}");
        }
        for (name, value) in [
            ("NODE_ENV", "production"),
            ("PASSWORD_MIN_LENGTH", "12"),
            ("DB_PASSWORD_FILE", "/run/secrets/db"),
            ("TOKEN_TTL", "360000"),
            ("SECRET_ARN", "arn:aws:secretsmanager:us-east-1:123456789012:secret:x"),
            ("DB_PASSWORD", "${DB_PASSWORD}"),
            ("DB_PASSWORD", "<password>"),
            ("DB_PASSWORD", "changeme"),
            ("STRIPE_API_KEY", "sk_live_xxxxx"),
            ("DATABASE_URL", "postgresql://user:password@host:5432/db"),
            ("NEXT_PUBLIC_API_KEY", "pk_live_4eC39HqLyjWDarj"),
            ("MAX_TOKENS", "409600"),
            ("STORAGE_KEY", "shop-cart-v1"),
            ("FETCH_CREDENTIALS", "include"),
            ("SERVICE_KEY", "orders"),
            ("SESSION_KEY", "shop_sid"),
            ("NEXT_PUBLIC_FIREBASE_API_KEY", concat!("AIza", "SyD4kQ7mR2tV9xZ1bN5cL8pW3jH6fG0sKqe")),
        ] {
            assert!(!plain_secret(name, value), "{name}");
        }
    }
}
