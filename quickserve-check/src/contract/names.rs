//! What names of variables tell: which one was meant, and which are secret.

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

/// How many parts of a name are looked for in another.
const PARTS: usize = 32;

/// The longest part whose letters are compared one by one, in bytes.
const LONGEST: usize = 64;

/// Which of the candidates a name that nobody knows must mean. Likeness of letters alone would take `DB_HOST` for
/// `DB_PORT`: names are compared part by part.
pub(crate) fn near<'n>(name: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    candidates.into_iter().take(MOST).find(|candidate| is_near(name, candidate))
}

/// Whether two different names must mean the same. Of many names each is compared with many: nothing is copied until
/// little but the letters of one part is left to compare.
pub(crate) fn is_near(one: &str, other: &str) -> bool {
    if one == other {
        return false;
    }
    if letters(one).eq(letters(other)) {
        return true;
    }
    let (short, long) = if count(one) <= count(other) { (one, other) } else { (other, one) };
    match count(long) - count(short) {
        0 => {
            let mut different = parts(short).zip(parts(long)).filter(|(one, other)| !is_same(one, other));
            match (different.next(), different.next()) {
                (Some((one, other)), None) => one_slip(one, other),
                _ => has_all(short, long) && has_all(long, short),
            }
        }
        // With one part only, `APP` and `APP_URL`, nothing says that the same is meant.
        1 if count(short) > 1 => lacks_a_filler(short, long),
        _ => false,
    }
}

/// The letters of a name without underscores, in capitals.
fn letters(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_uppercase())
}

/// The parts of a name, each as it is usually written.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    let canonical = |part: &'_ str| -> Option<&'static str> {
        SYNONYMS.iter().find(|(from, _)| from.eq_ignore_ascii_case(part)).map(|(_, to)| *to)
    };
    name.split('_').filter(|part| !part.is_empty()).map(move |part| canonical(part).unwrap_or(part))
}

fn count(name: &str) -> usize {
    name.split('_').filter(|part| !part.is_empty()).count()
}

fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Whether a name has all parts of another, in any order.
fn has_all(name: &str, of: &str) -> bool {
    parts(of).take(PARTS).all(|part| parts(name).take(PARTS).any(|own| is_same(own, part)))
}

/// Whether the longer of two names is the shorter with one part that people leave out.
fn lacks_a_filler(short: &str, long: &str) -> bool {
    let is_filler = |part: &str| {
        FILLERS.iter().any(|filler| is_same(filler, part)) && !parts(short).any(|own| is_same(own, part))
    };
    let Some(filler) = parts(long).position(is_filler) else { return false };
    let rest = parts(long).enumerate().filter(|(index, _)| *index != filler).map(|(_, part)| part);
    rest.zip(parts(short)).all(|(one, other)| is_same(one, other))
}

/// Whether one letter was left out, added, changed, or swapped with the next. A digit is never a slip: `KEY1`, `KEY2`.
fn one_slip(one: &str, other: &str) -> bool {
    if one.len().min(other.len()) < 3 || one.len().abs_diff(other.len()) > 4 || one.len() > LONGEST {
        return false;
    }
    let upper = |part: &str| part.to_ascii_uppercase().chars().collect();
    let (one, other): (Vec<char>, Vec<char>) = (upper(one), upper(other));
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
