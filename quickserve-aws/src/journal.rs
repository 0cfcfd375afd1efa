//! Journals in S3, so that all who deploy share one: its lock, its history, its way back.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::prefix::PrefixStore;
use quickserve_core::Result;
use quickserve_core::clock::Clock;

use crate::clients::Clients;
use crate::s3::Bucket;
pub use crate::s3::Location;

/// The store of a [`Journal`](quickserve_core::journal::Journal) in S3, with the identity, region, endpoint, HTTP client
/// and time limits of these clients.
///
/// A record is created with `If-None-Match: *`, which S3 decides for all writers alike, and reads what was written is
/// read at once. S3 user guide, "Conditional writes" and "Amazon S3 data consistency model". What else speaks S3's
/// protocol serves where it holds to both: the suite `journal` of `quickserve_core`'s feature `contract` says whether.
///
/// It needs `s3:GetObject`, `s3:PutObject` and `s3:DeleteObject` (of snapshots alone) on the objects, and `s3:ListBucket`
/// on the bucket.
///
/// Nothing is sent yet: an absent bucket, a missing permission, another region are told by the first read.
///
/// ```
/// # use std::sync::Arc;
/// # use aws_config::{BehaviorVersion, Region, SdkConfig};
/// # use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
/// use quickserve_aws::{Clients, journal};
/// use quickserve_core::clock::SystemClock;
///
/// # let credentials = Credentials::new("key", "secret", None, None, "example");
/// let sdk = SdkConfig::builder()
///     .behavior_version(BehaviorVersion::latest())
///     .region(Region::new("eu-central-1"))
/// #   .credentials_provider(SharedCredentialsProvider::new(credentials))
///     .http_client(quickserve_aws::https())
///     .build();
/// let place = "s3://acme-deploy/journal".parse()?;
/// let store = journal::store(&Clients::new(sdk), &place, Arc::new(SystemClock))?;
/// # Ok::<(), quickserve_core::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Invalid`](quickserve_core::ErrorKind::Invalid) without a region, credentials or an HTTP client, or with an
/// endpoint that is no URL.
pub fn store(clients: &Clients, place: &Location, clock: Arc<dyn Clock>) -> Result<Arc<dyn ObjectStore>> {
    let objects = Bucket::new(clients, place, clock)?.objects()?;
    if place.prefix.is_empty() {
        return Ok(Arc::new(objects));
    }
    Ok(Arc::new(PrefixStore::new(objects, place.prefix.as_str())))
}
