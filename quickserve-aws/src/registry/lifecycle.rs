//! ECR's lifecycle rules, and whether one of them would delete an image that a rollback needs.

use std::str::FromStr;

use quickserve_core::{Error, ErrorKind};
use serde::Deserialize;

/// The rules by which images of a repository expire.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LifecyclePolicy {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Rule {
    #[serde(rename = "rulePriority")]
    priority: u32,
    #[serde(default)]
    description: Option<String>,
    selection: Selection,
    action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Action {
    #[serde(rename = "type")]
    kind: String,
}

/// Which images a rule is about, and when they expire.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// `tagged`, `untagged` or `any`.
    pub tag_status: String,
    /// An image is meant that has a tag with each of these prefixes.
    #[serde(default)]
    pub tag_prefix_list: Vec<String>,
    /// An image is meant that has a tag for each of these patterns; `*` stands for any characters.
    #[serde(default)]
    pub tag_pattern_list: Vec<String>,
    /// `imageCountMoreThan`, `sinceImagePushed`, or a newer one.
    pub count_type: String,
    /// How many images, or how many units of time.
    pub count_number: u32,
    /// Such as `days`.
    #[serde(default)]
    pub count_unit: Option<String>,
}

/// A rule that will delete an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// The rule's priority, which is its name.
    pub rule: u32,
    /// What its author says of it.
    pub description: Option<String>,
    /// When, in words.
    pub when: String,
}

impl LifecyclePolicy {
    /// The rule that will delete an image with these tags sooner or later, if one will.
    ///
    /// ECR documentation, "Lifecycle policy evaluation": an image is the business of the rule of highest
    /// priority (the lowest number) that selects it, and of no other.
    pub fn expiry(&self, tags: &[String]) -> Option<Expiry> {
        let rules = self.rules.iter().filter(|rule| rule.selection.selects(tags));
        let rule = rules.min_by_key(|rule| rule.priority)?;
        (rule.action.kind == "expire").then(|| Expiry {
            rule: rule.priority,
            description: rule.description.clone(),
            when: rule.selection.when(),
        })
    }
}

impl Selection {
    fn selects(&self, tags: &[String]) -> bool {
        match self.tag_status.as_str() {
            "any" => true,
            "untagged" => tags.is_empty(),
            _ if tags.is_empty() => false,
            _ => {
                let prefixes = self.tag_prefix_list.iter();
                prefixes.clone().all(|prefix| tags.iter().any(|tag| tag.starts_with(prefix)))
                    && self.tag_pattern_list.iter().all(|pattern| tags.iter().any(|tag| fits(tag, pattern)))
            }
        }
    }

    fn when(&self) -> String {
        match (self.count_type.as_str(), &self.count_unit) {
            ("imageCountMoreThan", _) => format!("when {} newer images have been pushed", self.count_number),
            ("sinceImagePushed", Some(unit)) => format!("{} {unit} after it was pushed", self.count_number),
            (other, Some(unit)) => format!("{other} {} {unit}", self.count_number),
            (other, None) => format!("{other} {}", self.count_number),
        }
    }
}

/// Whether a tag fits a pattern in which `*` stands for any characters, none included.
fn fits(tag: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = tag.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

impl FromStr for LifecyclePolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "read the lifecycle policy of an ECR repository")
                .with_source(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &str) -> LifecyclePolicy {
        format!(r#"{{"rules": [{rules}]}}"#).parse().expect("a policy")
    }

    fn rule(priority: u32, selection: &str) -> String {
        format!(
            r#"{{"rulePriority": {priority}, "selection": {{{selection}}}, "action": {{"type": "expire"}}}}"#
        )
    }

    fn tags(tags: &[&str]) -> Vec<String> {
        tags.iter().map(|tag| (*tag).to_owned()).collect()
    }

    const TEN: &str = r#""countType": "imageCountMoreThan", "countNumber": 10"#;

    #[test]
    fn a_rule_about_untagged_images_leaves_tagged_ones() {
        let policy = policy(&rule(1, &format!(r#""tagStatus": "untagged", {TEN}"#)));
        assert_eq!(policy.expiry(&tags(&["1.8.2"])), None);
        assert_eq!(policy.expiry(&[]).expect("it expires").when, "when 10 newer images have been pushed");
    }

    #[test]
    fn a_rule_about_any_image_deletes_pinned_ones_too() {
        let policy = policy(&rule(
            3,
            r#""tagStatus": "any", "countType": "sinceImagePushed", "countNumber": 14, "countUnit": "days""#,
        ));
        let expiry = policy.expiry(&tags(&["1.8.2", "quickserve.shop.production.r-000000000000.app"]));
        let expiry = expiry.expect("it expires");
        assert_eq!((expiry.rule, expiry.when.as_str()), (3, "14 days after it was pushed"));
    }

    #[test]
    fn an_image_is_the_business_of_the_first_rule_that_selects_it() {
        let keep = r#"{"rulePriority": 1, "action": {"type": "transition"},
            "selection": {"tagStatus": "tagged", "tagPatternList": ["quickserve.*"], "countType": "sinceImagePushed",
                "countNumber": 90, "countUnit": "days"}}"#;
        let policy = policy(&format!("{keep}, {}", rule(2, &format!(r#""tagStatus": "any", {TEN}"#))));
        assert_eq!(policy.expiry(&tags(&["quickserve.shop.x"])), None);
        assert_eq!(policy.expiry(&tags(&["1.8.2"])).expect("it expires").rule, 2);
    }

    #[test]
    fn all_prefixes_and_patterns_must_be_met() {
        let both = policy(&rule(1, &format!(r#""tagStatus": "tagged", "tagPrefixList": ["a", "b"], {TEN}"#)));
        assert_eq!(both.expiry(&tags(&["a1"])), None);
        assert!(both.expiry(&tags(&["a1", "b1"])).is_some());
        assert!(fits("release-1.8.2-arm", "release-*-arm") && fits("x", "*") && fits("ab", "ab"));
        assert!(!fits("abc", "ab") && !fits("release-arm", "release-*-arm"));
    }
}
