//! How a bucket is found.

use quickserve_core::Result;

/// What a bucket is like. What this identity may not see is the error that says which action is missing.
#[derive(Debug)]
pub struct Seen {
    /// Every change is kept: an object that is deleted can be brought back.
    pub versioned: Result<bool>,
    /// Nothing in it can be made public.
    pub public_access_blocked: Result<bool>,
    /// What is written is encrypted where it lies. S3 does so by itself since 2023; other stores may not.
    pub encrypted: Result<bool>,
    /// Its policy refuses requests without TLS.
    pub tls_only: Result<bool>,
    /// The rules that delete or archive what is under the prefix, each in words.
    pub expiring: Result<Vec<String>>,
}
