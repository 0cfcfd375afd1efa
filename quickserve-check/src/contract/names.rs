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

/// How many parts a name has at most; one of more is near to no other.
const PARTS: usize = 12;

/// The longest part whose letters are compared one by one, in bytes.
const LONGEST: usize = 64;

/// A name in parts, each as it is usually written.
struct Name<'n> {
    text: &'n str,
    parts: [&'n str; PARTS],
    count: usize,
    /// The sum of all letters, which the order of the parts does not change; and of those that are written.
    weight: usize,
    written: usize,
}

/// Which of the candidates a name that nobody knows must mean. Likeness of letters alone would take `DB_HOST` for
/// `DB_PORT`: names are compared part by part.
pub(crate) fn near<'n>(name: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let own = Name::of(name)?;
    let is_near = |candidate: &&str| {
        *candidate != name && Name::of(candidate).is_some_and(|candidate| own.is_near(&candidate))
    };
    candidates.into_iter().take(MOST).find(is_near)
}

/// Whether two different names must mean the same.
#[cfg(test)]
fn is_near(one: &str, other: &str) -> bool {
    near(one, [other]).is_some()
}

impl<'n> Name<'n> {
    fn of(name: &'n str) -> Option<Self> {
        let mut found = Self { text: name, parts: [""; PARTS], count: 0, weight: 0, written: weight(name) };
        for part in name.split('_').filter(|part| !part.is_empty()) {
            let part = canonical(part);
            *found.parts.get_mut(found.count)? = part;
            found.count += 1;
            found.weight += weight(part);
        }
        Some(found)
    }

    fn parts(&self) -> &[&'n str] {
        &self.parts[..self.count]
    }

    /// Of many names each is compared with many: nothing is copied, and what few pairs have in common is asked first.
    fn is_near(&self, other: &Self) -> bool {
        let (short, long) = if self.count <= other.count { (self, other) } else { (other, self) };
        let is_meant = match long.count - short.count {
            0 => {
                let pairs = short.parts().iter().zip(long.parts());
                let mut different = pairs.filter(|(one, other)| !is_same(one, other));
                match (different.next(), different.next()) {
                    (Some((one, other)), None) => one_slip(one, other),
                    (None, _) => true,
                    (Some(_), Some(_)) => short.weight == long.weight && short.has_all_of(long),
                }
            }
            // With one part only, `APP` and `APP_URL`, nothing says that the same is meant.
            1 if short.count > 1 => long.is_with_filler(short),
            _ => false,
        };
        is_meant || self.written == other.written && letters(self.text).eq(letters(other.text))
    }

    /// Whether it has all parts of another, in any order, and the other all of it.
    fn has_all_of(&self, other: &Self) -> bool {
        let has = |one: &Self, part: &&str| one.parts().iter().any(|own| is_same(own, part));
        other.parts().iter().all(|part| has(self, part)) && self.parts().iter().all(|part| has(other, part))
    }

    /// Whether it is the shorter one with one part that people leave out.
    fn is_with_filler(&self, short: &Self) -> bool {
        let is_filler = |part: &&str| {
            FILLERS.iter().any(|filler| is_same(filler, part))
                && !short.parts().iter().any(|own| is_same(own, part))
        };
        let Some(filler) = self.parts().iter().position(is_filler) else { return false };
        let rest =
            self.parts().iter().enumerate().filter(|(index, _)| *index != filler).map(|(_, part)| part);
        rest.zip(short.parts()).all(|(one, other)| is_same(one, other))
    }
}

/// The letters of a name without underscores, in capitals.
fn letters(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_uppercase())
}

fn weight(name: &str) -> usize {
    letters(name).map(usize::from).sum()
}

/// A part as it is usually written.
fn canonical(part: &str) -> &str {
    SYNONYMS.iter().find(|(from, _)| is_same(from, part)).map_or(part, |(_, to)| to)
}

fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
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
            ("DBURL", "DB_URL"),
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
