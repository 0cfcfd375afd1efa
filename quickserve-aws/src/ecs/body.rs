//! A document in the place of what the SDK would make of the members that it knows: what it does not know arrives too.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

/// Puts the document in a request that is not signed yet. The SDK has counted the bytes of its own body already.
pub(super) fn instead(document: String) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    move |request| {
        request.headers_mut().insert("content-length", document.len().to_string());
        *request.body_mut() = SdkBody::from(document.clone());
    }
}
