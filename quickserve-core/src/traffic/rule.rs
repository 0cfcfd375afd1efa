//! Which requests of a shared address are a service's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// A name has so many characters at most, and each of its labels so many (RFC 1035, 2.3.4).
const NAME: usize = 253;
const LABEL: usize = 63;

/// Which requests of an address that several services share are one service's: those for its hosts, under its path.
/// The default takes whatever no other rule takes.
///
/// ```
/// use quickserve_core::traffic::Rule;
///
/// # fn main() -> quickserve_core::Result<()> {
/// let mut rule = Rule::default();
/// rule.hosts = vec!["shop.example.com".parse()?, "*.shop.example.com".parse()?];
/// rule.path = Some("/api".parse()?);
/// assert!(rule.takes(Some("Shop.example.com:8080"), "/api/orders").is_some());
/// assert!(rule.takes(Some("shop.example.com"), "/apis").is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Rule {
    /// The hosts, as the `Host` of a request names them (RFC 9110, 7.2). None: every host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Host>,
    /// The beginning of their paths. None: every path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Prefix>,
}

/// A host, or with a leading `*.` all hosts below it. In ASCII: names with other letters are written as they go over
/// the wire (RFC 5891, `xn--`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Host {
    /// In lower case.
    name: String,
    /// Whether the hosts below it are meant, and not itself.
    below: bool,
}

/// The beginning of a path, in whole segments: `/api` is that of `/api` and of `/api/orders`, not of `/apis`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Prefix(String);

/// How closely a rule describes a request; of several rules the closest takes it. A host counts before a path, a host
/// by its name before one by `*.`, and what is longer before what is shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Closeness {
    by_name: bool,
    host: usize,
    path: usize,
}

impl Rule {
    /// Whether it takes every request.
    pub fn is_any(&self) -> bool {
        self.hosts.is_empty() && self.path.is_none()
    }

    /// How closely it describes a request for this host, with or without a port, and this path; nothing when it does not
    /// take it.
    pub fn takes(&self, host: Option<&str>, path: &str) -> Option<Closeness> {
        let path = match &self.path {
            Some(prefix) => prefix.begins(path).then_some(prefix.0.len())?,
            None => 0,
        };
        Some(Closeness { path, ..self.knows(host)? })
    }

    /// The same for a host of which the path is not known yet.
    pub fn knows(&self, host: Option<&str>) -> Option<Closeness> {
        if self.hosts.is_empty() {
            return Some(Closeness { by_name: false, host: 0, path: 0 });
        }
        let asked = without_port(host?);
        let closest = self.hosts.iter().filter(|host| host.is(asked)).max_by_key(|host| host.closeness())?;
        let (by_name, host) = closest.closeness();
        Some(Closeness { by_name, host, path: 0 })
    }

    /// Whether it is as close as another one for some request, so that nobody could tell whose that is.
    pub fn clashes(&self, other: &Self) -> bool {
        let same_host = |host: &Host| other.hosts.contains(host);
        let hosts = (self.hosts.is_empty() && other.hosts.is_empty()) || self.hosts.iter().any(same_host);
        hosts && self.path == other.path
    }

    /// The first host that is one by its name: where one asks for the service.
    pub fn name(&self) -> Option<&str> {
        self.hosts.iter().find(|host| !host.below).map(|host| host.name.as_str())
    }
}

/// `shop.example.com, *.shop.example.com/api`; empty for the one that takes every request.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, host) in self.hosts.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{host}")?;
        }
        match &self.path {
            Some(path) => write!(f, "{path}"),
            None => Ok(()),
        }
    }
}

impl Host {
    fn is(&self, asked: &str) -> bool {
        if !self.below {
            return self.name.eq_ignore_ascii_case(asked);
        }
        let Some(before) = asked.len().checked_sub(self.name.len() + 1) else { return false };
        // A name that is cut within a letter is none of ours.
        let (Some(label), Some(rest)) = (asked.get(..before), asked.get(before..)) else { return false };
        !label.is_empty() && rest.strip_prefix('.').is_some_and(|name| name.eq_ignore_ascii_case(&self.name))
    }

    fn closeness(&self) -> (bool, usize) {
        (!self.below, self.name.len())
    }
}

impl FromStr for Host {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |why: &str| {
            let message = format!("`{}` is no host: {why}", text.escape_debug());
            Error::new(ErrorKind::Invalid, message)
                .with_hint("a host is written like shop.example.com, or *.example.com for all below it")
        };
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if name.contains('*') {
            return Err(invalid("`*` stands for whole labels at its beginning only"));
        }
        if name.contains(':') {
            return Err(invalid("a host has no scheme and no port"));
        }
        if name.contains('/') {
            return Err(invalid("a host has no path"));
        }
        if name.len() > NAME {
            return Err(invalid("it is longer than 253 characters"));
        }
        let is_label = |label: &str| {
            let letters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            letters && (1..=LABEL).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
        };
        if !name.split('.').all(is_label) {
            return Err(invalid(
                "between its dots are 1 to 63 letters, digits, `-` and `_`, with no `-` at either end",
            ));
        }
        Ok(Self { name: name.to_ascii_lowercase(), below })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.name)
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.to_string()
    }
}

impl TryFrom<String> for Host {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl Prefix {
    /// Whether a path begins with it.
    pub fn begins(&self, path: &str) -> bool {
        path.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The path itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prefix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |why: &str, hint: &str| {
            let message = format!("`{}` is no beginning of a path: {why}", text.escape_debug());
            Error::new(ErrorKind::Invalid, message).with_hint(hint)
        };
        let Some(inner) = text.strip_prefix('/') else {
            return Err(invalid("it does not begin with `/`", "a path is written like /api"));
        };
        if inner.is_empty() {
            return Err(invalid("it is every path's", "leave the path out"));
        }
        let is_segment = |segment: &str| {
            // RFC 3986, 3.3: what a segment may hold.
            let bytes = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()+,;=:@".contains(&byte);
            !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(bytes)
        };
        if !inner.split('/').all(is_segment) {
            return Err(invalid(
                "between its slashes are letters, digits and what RFC 3986 allows beside them",
                "a path is written like /api, without a slash at its end",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.0
    }
}

impl TryFrom<String> for Prefix {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// A host as a rule knows it: without the port, and without the dot of a name that is written out to its root.
fn without_port(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(hosts: &[&str], path: Option<&str>) -> Rule {
        let hosts = hosts.iter().map(|host| host.parse().expect("a host")).collect();
        Rule { hosts, path: path.map(|path| path.parse().expect("a path")) }
    }

    /// The rule that takes it.
    fn taker<'r>(rules: &[&'r str], host: &str, path: &str) -> Option<&'r str> {
        let rated = rules.iter().filter_map(|text| {
            let (host_of, path_of) =
                text.split_once('/').map_or((*text, None), |(host, path)| (host, Some(format!("/{path}"))));
            let hosts: Vec<&str> = if host_of.is_empty() { Vec::new() } else { vec![host_of] };
            Some((rule(&hosts, path_of.as_deref()).takes(Some(host), path)?, *text))
        });
        rated.max_by_key(|(closeness, _)| *closeness).map(|(_, text)| text)
    }

    #[test]
    fn the_closest_rule_takes_a_request() {
        let rules = ["", "/api", "a.test", "*.a.test", "*.b.a.test", "*.a.test/api", "a.test/api/v1"];
        for (host, path, expected) in [
            ("c.test", "/", ""),
            ("c.test", "/api", "/api"),
            ("c.test", "/apis", ""),
            ("a.test", "/api", "a.test"),
            ("A.Test:8080", "/", "a.test"),
            ("a.test.", "/", "a.test"),
            ("a.test", "/api/v1/orders", "a.test/api/v1"),
            ("x.a.test", "/", "*.a.test"),
            ("x.y.a.test", "/", "*.a.test"),
            ("x.b.a.test", "/api", "*.b.a.test"),
            ("b.a.test", "/api/x", "*.a.test/api"),
            (".a.test", "/", ""),
            ("xa.test", "/", ""),
            ("[::1]:80", "/", ""),
            ("é.test", "/", ""),
        ] {
            assert_eq!(taker(&rules, host, path), Some(expected), "{host}{path}");
        }
        assert_eq!(taker(&["a.test", "/api"], "b.test", "/"), None);
        assert!(rule(&["a.test"], None).takes(None, "/").is_none());
        assert!(rule(&[], Some("/api")).takes(None, "/api").is_some());
    }

    #[test]
    fn rules_that_nobody_can_tell_apart_clash() {
        let clash = |a: &Rule, b: &Rule| {
            assert_eq!(a.clashes(b), b.clashes(a));
            a.clashes(b)
        };
        assert!(clash(&Rule::default(), &Rule::default()));
        assert!(clash(&rule(&["a.test", "b.test"], None), &rule(&["B.test"], None)));
        assert!(clash(&rule(&[], Some("/api")), &rule(&[], Some("/api"))));
        assert!(!clash(&rule(&["a.test"], None), &rule(&["*.a.test"], None)));
        assert!(!clash(&rule(&["a.test"], Some("/api")), &rule(&["a.test"], None)));
        assert!(!clash(&rule(&["a.test"], None), &Rule::default()));
    }

    #[test]
    fn what_is_no_host_and_no_path_is_refused() {
        let long = "a".repeat(64);
        for host in [
            "", "*", "*.", "a.*", "*.*.a", "a..b", "-a", "a-", "a:80", "http://a", "a/b", "é.test", "a b",
            &long,
        ] {
            assert!(host.parse::<Host>().is_err(), "{host}");
        }
        for path in ["", "/", "api", "/api/", "//a", "/a/../b", "/./a", "/a b", "/a?b", "/a#b", "/*", "/é"] {
            assert!(path.parse::<Prefix>().is_err(), "{path}");
        }
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        let rule = rule(&["Shop.test", "*.shop.test"], Some("/api/v1"));
        let text = serde_json::to_string(&rule).expect("JSON");
        assert_eq!(text, r#"{"hosts":["shop.test","*.shop.test"],"path":"/api/v1"}"#);
        assert_eq!(serde_json::from_str::<Rule>(&text).expect("a rule"), rule);
        assert_eq!(rule.to_string(), "shop.test, *.shop.test/api/v1");
        assert_eq!(rule.name(), Some("shop.test"));
        assert_eq!(serde_json::to_string(&Rule::default()).expect("JSON"), "{}");
        assert!(serde_json::from_str::<Rule>(r#"{"hosts":["a b"]}"#).is_err());
    }
}
