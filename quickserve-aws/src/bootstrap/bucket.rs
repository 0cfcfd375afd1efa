//! A journal's bucket over the wire.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use quickserve_core::clock::Clock;
use quickserve_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::Value;

use super::lifecycle;
use super::policy;
use super::seen::Seen;
use super::step::Step;
use crate::clients::Clients;
use crate::error::{call, failed_to};
use crate::s3::{Bucket, Location};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The bucket of a place in S3 where a journal is, or will be.
#[derive(Debug, Clone)]
pub struct JournalBucket {
    bucket: Bucket,
    prefix: String,
}

/// S3 API reference, `GetBucketVersioning`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Versioning {
    status: String,
}

/// S3 API reference, `PublicAccessBlockConfiguration`.
#[expect(clippy::struct_excessive_bools, reason = "the document has them")]
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PublicAccess {
    block_public_acls: bool,
    ignore_public_acls: bool,
    block_public_policy: bool,
    restrict_public_buckets: bool,
}

impl JournalBucket {
    /// The bucket of a place, for the identity of these clients. Nothing is sent yet.
    ///
    /// # Errors
    /// As for [`journal::store`](crate::journal::store).
    pub fn new(clients: &Clients, place: &Location, clock: Arc<dyn Clock>) -> Result<Self> {
        let prefix = if place.prefix.is_empty() { String::new() } else { format!("{}/", place.prefix) };
        Ok(Self { bucket: Bucket::new(clients, place, clock)?, prefix })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.bucket.name
    }

    /// Where it is, or will be made.
    pub fn region(&self) -> &str {
        &self.bucket.region
    }

    /// What it is like; nothing where it does not exist.
    ///
    /// # Errors
    /// When it cannot be reached, or is somebody else's. What else may not be seen is an error inside of [`Seen`].
    pub async fn look(&self) -> Result<Option<Seen>> {
        let head = self.bucket.ask(call("s3", "ListBucket"), Method::HEAD, "", Bytes::new()).await?;
        if head.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let (versioned, public, encrypted, tls_only, expiring) = tokio::join!(
            self.versioned(),
            self.public_access_blocked(),
            self.encrypted(),
            self.tls_only(),
            self.expiring(),
        );
        Ok(Some(Seen { versioned, public_access_blocked: public, encrypted, tls_only, expiring }))
    }

    /// Does one step.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the bucket's name belongs to another account, else as S3 says.
    pub async fn apply(&self, step: &Step) -> Result<()> {
        match step {
            Step::Make { region } => self.make(region).await,
            Step::BlockPublicAccess => {
                let all =
                    ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
                let all = all.map(|name| format!("<{name}>true</{name}>")).concat();
                let body = document("PublicAccessBlockConfiguration", &all);
                self.put("PutBucketPublicAccessBlock", "publicAccessBlock", body).await
            }
            Step::KeepVersions => {
                let body = document("VersioningConfiguration", "<Status>Enabled</Status>");
                self.put("PutBucketVersioning", "versioning", body).await
            }
            Step::Encrypt => {
                let rule = "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>";
                let body = document("ServerSideEncryptionConfiguration", &format!("<Rule>{rule}</Rule>"));
                self.put("PutEncryptionConfiguration", "encryption", body).await
            }
            Step::RefusePlain => {
                let policy = self.policy_document().await?.to_string();
                self.put("PutBucketPolicy", "policy", policy).await
            }
        }
    }

    /// The policy that it should have: what it has, and the refusal of requests without TLS.
    ///
    /// # Errors
    /// When its policy cannot be read.
    pub async fn policy_document(&self) -> Result<Value> {
        let policy = self.policy().await?;
        policy::with_tls_only(policy.as_deref(), &self.bucket.name, &self.bucket.region)
    }

    /// The same for one that does not exist yet.
    pub fn new_policy_document(&self) -> Result<Value> {
        policy::with_tls_only(None, &self.bucket.name, &self.bucket.region)
    }

    async fn make(&self, region: &str) -> Result<()> {
        // S3 API reference, "CreateBucket": the oldest region has no name here.
        let body = if region == "us-east-1" {
            String::new()
        } else {
            document(
                "CreateBucketConfiguration",
                &format!("<LocationConstraint>{region}</LocationConstraint>"),
            )
        };
        let answer = self.bucket.ask(call("s3", "CreateBucket"), Method::PUT, "", body.into()).await?;
        let said = String::from_utf8_lossy(answer.body());
        if answer.status() != StatusCode::CONFLICT || said.contains("BucketAlreadyOwnedByYou") {
            return Ok(());
        }
        let name = &self.bucket.name;
        Err(Error::new(
            ErrorKind::Conflict,
            format!("s3:CreateBucket: the name {name} belongs to another account"),
        )
        .with_hint("names of buckets are unique in all of AWS: choose another"))
    }

    async fn put(&self, action: &'static str, part: &str, body: String) -> Result<()> {
        let call = call("s3", action);
        let answer = self.bucket.ask(call, Method::PUT, &format!("?{part}"), body.into()).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        // Another change of the bucket is under way.
        let status = answer.status().as_u16();
        Err(Error::new(ErrorKind::Conflict, format!("{}: HTTP status {status}", call.text()))
            .with_hint("run the command again"))
    }

    /// A part of its settings; nothing where it has none.
    async fn get(&self, action: &'static str, part: &str) -> Result<Option<Response<Bytes>>> {
        let answer =
            self.bucket.ask(call("s3", action), Method::GET, &format!("?{part}"), Bytes::new()).await?;
        Ok(answer.status().is_success().then_some(answer))
    }

    async fn versioned(&self) -> Result<bool> {
        let Some(answer) = self.get("GetBucketVersioning", "versioning").await? else { return Ok(false) };
        let read: Versioning = read(answer.body(), "versioning")?;
        Ok(read.status == "Enabled")
    }

    async fn public_access_blocked(&self) -> Result<bool> {
        let Some(answer) = self.get("GetBucketPublicAccessBlock", "publicAccessBlock").await? else {
            return Ok(false);
        };
        let PublicAccess {
            block_public_acls,
            ignore_public_acls,
            block_public_policy,
            restrict_public_buckets,
        } = read(answer.body(), "public access")?;
        Ok(block_public_acls && ignore_public_acls && block_public_policy && restrict_public_buckets)
    }

    async fn encrypted(&self) -> Result<bool> {
        Ok(self.get("GetEncryptionConfiguration", "encryption").await?.is_some())
    }

    async fn tls_only(&self) -> Result<bool> {
        let Some(policy) = self.policy().await? else { return Ok(false) };
        policy::is_tls_only(&policy, &self.bucket.name, &self.bucket.region)
    }

    async fn policy(&self) -> Result<Option<String>> {
        let answer = self.get("GetBucketPolicy", "policy").await?;
        Ok(answer.map(|answer| String::from_utf8_lossy(answer.body()).into_owned()))
    }

    async fn expiring(&self) -> Result<Vec<String>> {
        let Some(answer) = self.get("GetLifecycleConfiguration", "lifecycle").await? else {
            return Ok(Vec::new());
        };
        lifecycle::expiring(answer.body(), &self.prefix)
    }
}

fn document(name: &str, content: &str) -> String {
    format!("<{name} xmlns=\"{NAMESPACE}\">{content}</{name}>")
}

fn read<T: serde::de::DeserializeOwned>(xml: &[u8], what: &str) -> Result<T> {
    quick_xml::de::from_reader(xml)
        .map_err(|error| failed_to(format!("read the {what} of the bucket"), &error))
}
