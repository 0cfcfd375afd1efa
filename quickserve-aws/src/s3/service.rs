//! `object_store`'s way out.

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};

use super::answer;
use crate::error::{Call, call};
use crate::signed::Wire;

/// Connects `object_store` with the HTTP client of an `SdkConfig`, and reads S3's errors where they still are whole.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    pub(super) wire: Wire,
    pub(super) bucket: String,
    pub(super) region: String,
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let call = action(&request);
        let (parts, body) = request.into_parts();
        let body: Bytes = body.collect().await?.to_bytes();
        let answer = self.wire.send(call, http::Request::from_parts(parts, body)).await.map_err(failed)?;
        match answer::error(call, &self.bucket, &self.region, &answer) {
            Some(error) => Err(failed(error)),
            None => Ok(answer.map(HttpResponseBody::from)),
        }
    }
}

/// The IAM action of a request. Service authorization reference, "Actions defined by Amazon S3".
fn action(request: &HttpRequest) -> Call {
    let name = match *request.method() {
        Method::GET if request.uri().query().is_some_and(|query| query.contains("list-type=")) => {
            "ListBucket"
        }
        Method::PUT => "PutObject",
        Method::DELETE => "DeleteObject",
        _ => "GetObject",
    };
    call("s3", name)
}

/// Whether it was sent is not known: only what may be repeated is.
fn failed(error: quickserve_core::Error) -> HttpError {
    let kind = if error.is_temporary() { HttpErrorKind::Interrupted } else { HttpErrorKind::Unknown };
    HttpError::new(kind, error)
}
