//! Where people reach a service that stands behind somebody else's load balancer.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// `https://shop.example`, with a port and a path where it needs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// Whether it speaks TLS.
    pub secure: bool,
    /// The host's name or address, with its port where that is not the scheme's own.
    pub authority: String,
    /// What stands before every path: empty, or such as `/shop`.
    pub prefix: String,
}

const HINT: &str = "write it such as \"https://shop.acme.com\"; a path may follow, and nothing else";

impl FromStr for PublicUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| Error::new(ErrorKind::Invalid, format!("{text:?} {why}")).with_hint(HINT);
        let (secure, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(wrong("is no URL of http or https")),
        };
        // Whoever asks sends neither: an address with a password would be in every report.
        if rest.contains(['@', '?', '#']) {
            return Err(
                Error::new(ErrorKind::Invalid, "the URL has more than host, port and path").with_hint(HINT)
            );
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        if authority.is_empty() || authority.starts_with(':') || !authority.chars().all(is_plain) {
            return Err(wrong("names no host"));
        }
        if !path.chars().all(|c| c.is_ascii_graphic()) {
            return Err(wrong("has a path that cannot be sent"));
        }
        let prefix = path.trim_end_matches('/').to_owned();
        Ok(Self { secure, authority: authority.to_owned(), prefix })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_scheme_a_host_and_perhaps_a_path() {
        let url: PublicUrl = "https://shop.acme.com/eu/".parse().expect("a URL");
        assert_eq!((url.secure, url.authority.as_str(), url.prefix.as_str()), (true, "shop.acme.com", "/eu"));
        assert_eq!(url.to_string(), "https://shop.acme.com/eu");
        assert_eq!("http://[::1]:8080".parse::<PublicUrl>().expect("a URL").to_string(), "http://[::1]:8080");
        for wrong in
            ["shop.acme.com", "ftp://shop", "https://", "https://:80", "https://shop?x=1", "https://u:p@shop"]
        {
            let error = wrong.parse::<PublicUrl>().expect_err(wrong);
            assert!(!error.to_string().contains("u:p"), "{error}");
        }
    }
}
