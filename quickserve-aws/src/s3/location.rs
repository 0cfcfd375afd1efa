//! Where in S3 something is kept.

use std::fmt;
use std::str::FromStr;

use quickserve_core::{Error, ErrorKind};

/// A place in S3: `s3://bucket/prefix`, and `?region=eu-west-1` where it is not the environment's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// The bucket's name.
    pub bucket: String,
    /// What every key begins with, without slashes at its ends; empty for the whole bucket.
    pub prefix: String,
    /// The bucket's region, where it is said.
    pub region: Option<String>,
}

impl Location {
    /// The place as it is written, without its region.
    pub(crate) fn place(&self) -> String {
        let Self { bucket, prefix, .. } = self;
        if prefix.is_empty() { format!("s3://{bucket}") } else { format!("s3://{bucket}/{prefix}") }
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| {
            Error::new(ErrorKind::Invalid, format!("read {text:?} as a place in S3: {why}"))
                .with_hint("write it as s3://bucket/prefix, such as s3://acme-deploy/journal")
        };
        let rest = text.strip_prefix("s3://").ok_or_else(|| wrong("it does not begin with s3://"))?;
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let region = match query.map(|query| query.strip_prefix("region=")) {
            None => None,
            Some(Some(region)) if is_region(region) => Some(region.to_owned()),
            Some(_) => return Err(wrong("after ? only region=<region> may stand")),
        };
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        if !is_bucket(bucket) {
            return Err(wrong("its bucket has no name that S3 allows"));
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if !prefix.is_empty() && !prefix.split('/').all(is_part) {
            return Err(wrong("each part of its prefix is of letters, digits and !-_.*'()"));
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned(), region })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())?;
        self.region.as_ref().map_or(Ok(()), |region| write!(f, "?region={region}"))
    }
}

/// S3 user guide, "General purpose bucket naming rules".
fn is_bucket(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    (3..=63).contains(&name.len())
        && name.bytes().all(allowed)
        && ends(name.bytes().next())
        && ends(name.bytes().last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
}

/// S3 user guide, "Naming Amazon S3 objects": what needs no care anywhere, and neither `.` nor `..`.
fn is_part(part: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!-_.*'()".contains(&byte);
    !part.is_empty() && part != "." && part != ".." && part.bytes().all(allowed)
}

fn is_region(region: &str) -> bool {
    !region.is_empty()
        && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_and_written_back() {
        for text in ["s3://acme-deploy", "s3://acme.deploy/journal", "s3://acme/a/b?region=eu-west-1"] {
            assert_eq!(text.parse::<Location>().expect("a place").to_string(), text);
        }
        let with_slash: Location = "s3://acme/journal/".parse().expect("a place");
        assert_eq!(with_slash.to_string(), "s3://acme/journal");
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in [
            "acme/journal",
            "s3:///journal",
            "s3://Acme",
            "s3://ab",
            "s3://-acme",
            "s3://10.0.0.1",
            "s3://acme//journal",
            "s3://acme/../other",
            "s3://acme/a b",
            "s3://acme?endpoint=http://evil",
            "s3://acme?region=",
        ] {
            assert_eq!(text.parse::<Location>().expect_err(text).kind(), ErrorKind::Invalid, "{text}");
        }
    }
}
