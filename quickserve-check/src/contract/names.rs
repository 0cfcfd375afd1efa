//! What names of variables tell: which one was meant, and which are secret.

use std::collections::BTreeSet;

use crate::secrets::may_be_secret;

/// Parts of names that mean the same.
const SYNONYMS: [(&str, &str); 12] = [
    ("DB", "DATABASE"),
    ("ENV", "ENVIRONMENT"),
    ("HOSTNAME", "HOST"),
    ("PASS", "PASSWORD"),
    ("PASSWD", "PASSWORD"),
    ("PG", "POSTGRES"),
    ("POSTGRESQL", "POSTGRES"),
    ("PWD", "PASSWORD"),
    ("REPO", "REPOSITORY"),
    ("URI", "URL"),
    ("USERNAME", "USER"),
    ("LVL", "LEVEL"),
];

/// Parts that people leave out.
const FILLERS: [&str; 3] = ["API", "NAME", "URL"];

/// How many candidates are looked at. No project has more; a file that was made to be slow does.
const MOST: usize = 500;

/// Which of the candidates a name that nobody knows must mean. Likeness of letters alone would take `DB_HOST` for
/// `DB_PORT`: names are compared part by part.
pub(crate) fn near<'n>(name: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    candidates.into_iter().take(MOST).find(|candidate| is_near(name, candidate))
}

/// Whether two different names must mean the same.
pub(crate) fn is_near(one: &str, other: &str) -> bool {
    if one == other {
        return false;
    }
    let (one, other) = (one.to_ascii_uppercase(), other.to_ascii_uppercase());
    if one.replace('_', "") == other.replace('_', "") {
        return true;
    }
    let (one, other) = (parts(&one), parts(&other));
    let sorted = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<BTreeSet<String>>();
    if one.len() == other.len() {
        if sorted(&one) == sorted(&other) {
            return true;
        }
        let mut different = one.iter().zip(&other).filter(|(one, other)| one != other);
        return match (different.next(), different.next()) {
            (Some((one, other)), None) => one_slip(one, other),
            _ => false,
        };
    }
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    if long.len() != short.len() + 1 || short.is_empty() {
        return false;
    }
    // With one part only, `APP` and `APP_URL`, nothing says that the same is meant.
    let filler = long.iter().position(|part| FILLERS.contains(part) && !short.contains(part));
    filler.is_some_and(|filler| {
        let mut rest = long.clone();
        rest.remove(filler);
        rest == short && short.len() > 1
    })
}

fn parts(name: &str) -> Vec<&str> {
    let canonical = |part| SYNONYMS.iter().find(|(from, _)| *from == part).map_or(part, |(_, to)| *to);
    name.split('_').filter(|part| !part.is_empty()).map(canonical).collect()
}

/// Whether one letter was left out, added, changed, or swapped with the next. A digit is never a slip: `KEY1`, `KEY2`.
fn one_slip(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if one.len().min(other.len()) < 3 || one.len().abs_diff(other.len()) > 1 {
        return false;
    }
    let same = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
    let (one, other) = (&one[same..], &other[same..]);
    let tail = one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count();
    let middle = |part: &[char]| part[..part.len().saturating_sub(tail)].to_vec();
    let (one, other) = (middle(one), middle(other));
    let swapped = one.len() == 2 && other.len() == 2 && one[0] == other[1] && one[1] == other[0];
    let digit = one.iter().chain(&other).any(char::is_ascii_digit);
    !digit && (swapped || one.len().max(other.len()) <= 1)
}

/// Whether a value by that name is not to be in a template: it may be secret, or is the address of data with a password.
pub(crate) fn is_secret(name: &str) -> bool {
    const DATA: [&str; 11] = [
        "DATABASE",
        "DB",
        "POSTGRES",
        "POSTGRESQL",
        "PG",
        "MYSQL",
        "REDIS",
        "MONGO",
        "MONGODB",
        "AMQP",
        "RABBITMQ",
    ];
    let upper = name.to_ascii_uppercase();
    let is_data = upper.split('_').any(|part| DATA.contains(&part));
    may_be_secret(name) || (is_data && ["_URL", "_URI", "_DSN"].iter().any(|end| upper.ends_with(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_synonyms_are_near() {
        for (one, other) in [
            ("DATABASE_URI", "DATABASE_URL"),
            ("DATABSE_URL", "DATABASE_URL"),
            ("DATABASEURL", "DATABASE_URL"),
            ("DB_URL", "DATABASE_URL"),
            ("database_url", "DATABASE_URL"),
            ("URL_DATABASE", "DATABASE_URL"),
            ("STRIPE_KEY", "STRIPE_API_KEY"),
            ("S3_BUCKET", "S3_BUCKET_NAME"),
            ("SMTP_PASS", "SMTP_PASSWORD"),
            ("LOG_LEVLE", "LOG_LEVEL"),
            ("REDIS_HOSTS", "REDIS_HOST"),
        ] {
            assert!(is_near(one, other) && is_near(other, one), "{one} {other}");
        }
    }

    #[test]
    fn names_of_one_family_are_not_near() {
        for (one, other) in [
            ("DB_HOST", "DB_PORT"),
            ("DB_USER", "DB_PASSWORD"),
            ("SENTRY_DSN", "SENTRY_ENV"),
            ("AWS_REGION", "AWS_DEFAULT_REGION"),
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
            ("API_KEY_1", "API_KEY_2"),
            ("KEY1_URL", "KEY2_URL"),
            ("POOL_MIN", "POOL_MAX"),
            ("APP", "APP_URL"),
            ("SMTP_HOST", "SMTP_HOST"),
            ("REDIS_URL", "DATABASE_URL"),
            ("", "A"),
        ] {
            assert!(!is_near(one, other) && !is_near(other, one), "{one} {other}");
        }
    }

    #[test]
    fn names_say_what_is_secret() {
        for name in [
            "STRIPE_API_KEY",
            "TWILIO_AUTH_TOKEN",
            "DATABASE_URL",
            "JWT_SECRET",
            "PGPASSWORD_PASSWORD",
            "db_pass",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "PORT",
            "APP_URL",
            "AWS_ACCESS_KEY_ID",
            "STRIPE_PUBLIC_KEY",
            "TOKEN_TTL",
            "TOKEN_ENDPOINT",
            "KEYBOARD",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
