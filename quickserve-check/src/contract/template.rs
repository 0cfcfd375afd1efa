//! Writing a contract from what code reads.

use super::coverage::{Need, Reading, by_name};
use super::kind::Kind;
use super::names::is_secret;
use super::platform::{belongs_to_tools, provided};

/// Titles of groups, and how the names in them begin.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "Application",
        &["APP", "BASE", "BIND", "ENVIRONMENT", "HOST", "LISTEN", "LOG", "NODE", "PORT", "PUBLIC"],
    ),
    (
        "Database",
        &["DATABASE", "DB", "MARIADB", "MONGO", "MONGODB", "MYSQL", "PG", "POSTGRES", "POSTGRESQL", "SQLITE"],
    ),
    ("Cache and queues", &["AMQP", "KAFKA", "MEMCACHED", "NATS", "RABBITMQ", "REDIS"]),
    ("AWS", &["AWS", "CLOUDFRONT", "COGNITO", "DYNAMODB", "S3", "SES", "SNS", "SQS"]),
    ("Mail", &["EMAIL", "MAIL", "MAILER", "SENDGRID", "SMTP"]),
    ("Sessions and tokens", &["AUTH", "COOKIE", "JWT", "OAUTH", "SESSION"]),
];

/// Where names go that have nothing in common.
const REST: &str = "Other";

/// A contract that declares what the code reads: in groups, optional where the code goes on without, with the type and
/// the secrecy that a name tells, and never a value. What platforms and tools give is left out.
pub fn template(readings: &[Reading<'_>]) -> String {
    let names = by_name(readings);
    let own = names.iter().filter(|(name, _)| !provided(None, name) && !belongs_to_tools(name));
    let own: Vec<(&str, bool)> = own
        .map(|(name, readings)| (*name, readings.iter().all(|reading| reading.need == Need::Defaulted)))
        .collect();
    let mut text = String::new();
    for (title, members) in groups(&own) {
        if !text.is_empty() {
            text.push('\n');
        }
        // The blank line keeps the title from being read as the first variable's description.
        text.extend(["# ", &title, "\n\n"]);
        for (name, optional) in members {
            if let Some(comment) = comment(name, optional) {
                text.extend(["# ", &comment, "\n"]);
            }
            text.extend([name, "=\n"]);
        }
    }
    text
}

type Group<'a> = (String, Vec<(&'a str, bool)>);

fn groups<'a>(names: &[(&'a str, bool)]) -> Vec<Group<'a>> {
    let first = |name: &'a str| name.split('_').next().unwrap_or(name);
    let known = |name: &'a str| GROUPS.iter().position(|(_, prefixes)| prefixes.contains(&first(name)));
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (index, (title, _)) in GROUPS.iter().enumerate() {
        let members = names.iter().filter(|(name, _)| known(name) == Some(index)).copied().collect();
        groups.push(((*title).to_owned(), members));
    }
    let mut rest = Vec::new();
    let others: Vec<(&str, bool)> = names.iter().filter(|(name, _)| known(name).is_none()).copied().collect();
    for &(name, optional) in &others {
        let prefix = first(name);
        if others.iter().filter(|(other, _)| first(other) == prefix).count() < 2 {
            rest.push((name, optional));
            continue;
        }
        let title = titled(prefix);
        match groups.iter_mut().find(|(known, _)| *known == title) {
            Some((_, members)) => members.push((name, optional)),
            None => groups.push((title, vec![(name, optional)])),
        }
    }
    groups.push((REST.to_owned(), rest));
    groups.retain(|(_, members)| !members.is_empty());
    groups
}

/// `STRIPE` as `Stripe`.
fn titled(prefix: &str) -> String {
    let mut chars = prefix.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    first + &chars.as_str().to_lowercase()
}

fn comment(name: &str, optional: bool) -> Option<String> {
    let mut words: Vec<String> = Vec::new();
    if optional {
        words.push("optional".to_owned());
    }
    words.extend(guess(name).map(|kind| format!("@{kind}")));
    if is_secret(name) {
        words.push("@secret".to_owned());
    }
    (!words.is_empty()).then(|| words.join(" "))
}

/// The type that a name tells. No guess where readers differ: a timeout may be `30`, `30000` or `30s`.
fn guess(name: &str) -> Option<Kind> {
    let name = name.to_ascii_uppercase();
    let parts: Vec<&str> = name.split('_').collect();
    let last = parts.last().copied().unwrap_or_default();
    let first = parts.first().copied().unwrap_or_default();
    match last {
        "URL" | "URI" => Some(Kind::Url),
        "PORT" => Some(Kind::Port),
        "ENABLED" | "DISABLED" => Some(Kind::Boolean),
        "COUNT" | "WORKERS" | "CONCURRENCY" | "RETRIES" | "THREADS" | "ATTEMPTS" => Some(Kind::Integer),
        "JSON" => Some(Kind::Json),
        _ if matches!(first, "ENABLE" | "DISABLE" | "IS") => Some(Kind::Boolean),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quickserve_core::finding::Place;

    use super::*;
    use crate::Text;
    use crate::contract::Contract;

    fn written(names: &[(&str, Need)]) -> String {
        let place = Place { file: "a.js".to_owned(), line: 1, column: 1 };
        let reading = |&(name, need)| Reading { name, place: &place, excerpt: None, need };
        template(&names.iter().map(reading).collect::<Vec<_>>())
    }

    #[test]
    fn a_contract_is_written_from_what_code_reads() {
        let text = written(&[
            ("PORT", Need::Defaulted),
            ("DATABASE_URL", Need::Validated),
            ("LOG_LEVEL", Need::Defaulted),
            ("STRIPE_API_KEY", Need::Required),
            ("STRIPE_RETRIES", Need::Defaulted),
            ("STRIPE_API_KEY", Need::Defaulted),
            ("ENABLE_CHAT", Need::Required),
            ("TIMEOUT", Need::Required),
            ("AWS_REGION", Need::Required),
            ("CI", Need::Defaulted),
            ("NODE_ENV", Need::Defaulted),
            ("PATH", Need::Required),
        ]);
        insta::assert_snapshot!(text, @r"
        # Application

        # optional
        LOG_LEVEL=
        # optional
        NODE_ENV=
        # optional @port
        PORT=

        # Database

        # @url @secret
        DATABASE_URL=

        # Stripe

        # @secret
        STRIPE_API_KEY=
        # optional @int
        STRIPE_RETRIES=

        # Other

        # @bool
        ENABLE_CHAT=
        TIMEOUT=
        ");
    }

    #[test]
    fn code_that_reads_nothing_makes_an_empty_contract() {
        assert_eq!(written(&[]), "");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_is_read_back(names in proptest::collection::btree_map("[A-Z]{1,4}(_[A-Z0-9]{1,4}){0,2}", any::<bool>(), 0..9)) {
            let need = |optional: bool| if optional { Need::Defaulted } else { Need::Required };
            let read: Vec<(&str, Need)> = names.iter().map(|(name, optional)| (name.as_str(), need(*optional))).collect();
            let (contract, findings) = Contract::read(Text::new("f", written(&read)));
            prop_assert_eq!(findings, []);
            for variable in &contract.variables {
                prop_assert_eq!(variable.required, !names[&variable.name]);
                prop_assert!(!variable.has_example);
            }
        }
    }
}
