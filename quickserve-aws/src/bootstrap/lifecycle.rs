//! Rules that take objects away.

use quickserve_core::Result;
use serde::Deserialize;

use crate::error::failed_to;

/// S3 API reference, `LifecycleConfiguration`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lifecycle {
    #[serde(rename = "Rule")]
    rules: Vec<Rule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Rule {
    #[serde(rename = "ID")]
    id: Option<String>,
    status: String,
    /// Where rules of before 2016 have it.
    prefix: Option<String>,
    filter: Option<Filter>,
    expiration: Option<Expiration>,
    #[serde(rename = "Transition")]
    transitions: Vec<Transition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Filter {
    prefix: Option<String>,
    tag: Option<Tag>,
    and: Option<And>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct And {
    prefix: Option<String>,
    #[serde(rename = "Tag")]
    tags: Vec<Tag>,
}

#[derive(Debug, Default, Deserialize)]
struct Tag {}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Expiration {
    days: Option<u64>,
    date: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Transition {
    storage_class: String,
}

impl Rule {
    /// The part of the bucket that it is for; nothing where it asks for tags, which a journal's objects have none of.
    fn prefix(&self) -> Option<&str> {
        let filter = self.filter.as_ref();
        let and = filter.and_then(|filter| filter.and.as_ref());
        let is_tagged =
            filter.is_some_and(|filter| filter.tag.is_some()) || and.is_some_and(|and| !and.tags.is_empty());
        let prefix = and.and_then(|and| and.prefix.as_deref());
        let prefix = prefix.or(filter.and_then(|filter| filter.prefix.as_deref())).or(self.prefix.as_deref());
        (!is_tagged).then_some(prefix.unwrap_or_default())
    }

    /// What it does to the current versions of objects, in words. That it deletes versions which nobody reads any more
    /// does no harm.
    fn harm(&self) -> Option<String> {
        let name = self.id.as_deref().unwrap_or("without a name");
        // S3 user guide, "Restoring an archived object": these cannot be read as they are.
        let archives =
            self.transitions.iter().find(|it| matches!(&*it.storage_class, "GLACIER" | "DEEP_ARCHIVE"));
        match (&self.expiration, archives) {
            (Some(Expiration { days: Some(days), .. }), _) => {
                Some(format!("rule {name} deletes after {days} days"))
            }
            (Some(Expiration { date: Some(date), .. }), _) => Some(format!("rule {name} deletes on {date}")),
            (_, Some(to)) => Some(format!("rule {name} archives to {}", to.storage_class)),
            _ => None,
        }
    }
}

/// The rules of a configuration that delete or archive something under a prefix, in words.
pub(super) fn expiring(xml: &[u8], prefix: &str) -> Result<Vec<String>> {
    let read: Lifecycle = quick_xml::de::from_reader(xml)
        .map_err(|error| failed_to("read the lifecycle rules of the bucket".to_owned(), &error))?;
    let reaches = |rule: &&Rule| {
        let enabled = rule.status == "Enabled";
        enabled && rule.prefix().is_some_and(|of| prefix.starts_with(of) || of.starts_with(prefix))
    };
    Ok(read.rules.iter().filter(reaches).filter_map(Rule::harm).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rules: &str) -> Vec<String> {
        let xml = format!(
            "<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{rules}</LifecycleConfiguration>"
        );
        expiring(xml.as_bytes(), "journal/").expect("rules")
    }

    fn rule(filter: &str, does: &str) -> String {
        format!("<Rule><ID>tidy</ID><Status>Enabled</Status>{filter}{does}</Rule>")
    }

    const DELETES: &str = "<Expiration><Days>30</Days></Expiration>";

    #[test]
    fn a_rule_that_deletes_is_found_wherever_it_reaches() {
        for filter in [
            "",
            "<Filter/>",
            "<Prefix></Prefix>",
            "<Filter><Prefix>journal/</Prefix></Filter>",
            "<Filter><Prefix>jour</Prefix></Filter>",
            "<Filter><Prefix>journal/production/</Prefix></Filter>",
            "<Filter><And><Prefix>journal/</Prefix><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan></And></Filter>",
        ] {
            assert_eq!(found(&rule(filter, DELETES)), ["rule tidy deletes after 30 days"], "{filter}");
        }
        let both =
            rule("", "<Expiration><Date>2027-01-01T00:00:00Z</Date></Expiration>") + &rule("", DELETES);
        assert_eq!(found(&both).len(), 2);
    }

    #[test]
    fn a_rule_that_archives_is_found() {
        let does =
            |class| format!("<Transition><Days>90</Days><StorageClass>{class}</StorageClass></Transition>");
        assert_eq!(found(&rule("", &does("DEEP_ARCHIVE"))), ["rule tidy archives to DEEP_ARCHIVE"]);
        assert!(found(&rule("", &does("STANDARD_IA"))).is_empty());
    }

    #[test]
    fn a_rule_that_does_a_journal_no_harm_is_none() {
        for (filter, does) in [
            ("<Filter><Prefix>logs/</Prefix></Filter>", DELETES),
            ("<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>", DELETES),
            ("<Filter><And><Prefix></Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>", DELETES),
            (
                "",
                "<NoncurrentVersionExpiration><NoncurrentDays>30</NoncurrentDays></NoncurrentVersionExpiration>",
            ),
            ("", "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"),
        ] {
            assert!(found(&rule(filter, does)).is_empty(), "{filter} {does}");
        }
        assert!(found(&rule("", DELETES).replace("Enabled", "Disabled")).is_empty());
        assert!(found("").is_empty());
    }
}
