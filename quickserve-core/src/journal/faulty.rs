//! A store that fails on purpose.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::fault::{Call, Interceptor, Verdict, intercept_with};

const TARGET: &str = "journal";

/// A store whose calls, `put`, `get` and `list` of the target `journal`, go through an [`Interceptor`].
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    interceptor: Arc<dyn Interceptor>,
}

impl FaultyStore {
    /// Wraps a store.
    pub fn new(inner: Arc<dyn ObjectStore>, interceptor: Arc<dyn Interceptor>) -> Self {
        Self { inner, interceptor }
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({})", self.inner)
    }
}

fn answer(path: &Path, call: &Call, verdict: Verdict) -> Error {
    let source = format!("injected into {} {}", call.operation, call.number).into();
    match verdict {
        Verdict::Conflict if call.mutating => Error::AlreadyExists { path: path.to_string(), source },
        _ => Error::Generic { store: "FaultyStore", source },
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let effect = || self.inner.put_opts(location, payload.clone(), opts.clone());
        let answer = |call: &Call, verdict| answer(location, call, verdict);
        intercept_with(&*self.interceptor, (TARGET, "put", true), effect, answer).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let effect = || self.inner.get_opts(location, options.clone());
        let answer = |call: &Call, verdict| answer(location, call, verdict);
        intercept_with(&*self.interceptor, (TARGET, "get", false), effect, answer).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        let (inner, interceptor) = (Arc::clone(&self.inner), Arc::clone(&self.interceptor));
        let listed = async move {
            let effect = || inner.list(prefix.as_ref()).try_collect::<Vec<_>>();
            let path = prefix.clone().unwrap_or_default();
            let answer = |call: &Call, verdict| answer(&path, call, verdict);
            intercept_with(&*interceptor, (TARGET, "list", false), effect, answer).await
        };
        futures_util::stream::once(listed)
            .map_ok(|metas| futures_util::stream::iter(metas.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
