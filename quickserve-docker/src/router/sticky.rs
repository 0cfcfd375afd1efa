//! The cookie that keeps a client with the release that answered it, while several serve.

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};
use quickserve_core::release::ReleaseId;
use quickserve_core::service::ServiceKey;

/// What it is called. Cookies know no port, so that services of one host are told apart by this.
pub(super) fn name(service: &ServiceKey) -> String {
    format!("quickserve-{}-{}", service.service(), service.environment())
}

/// The release that a request's cookie names.
pub(super) fn release(headers: &HeaderMap, name: &str) -> Option<ReleaseId> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(key, value)| if key == name { value.parse().ok() } else { None })
}

/// The field that sets it, until the browser is closed.
pub(super) fn cookie(name: &str, release: &ReleaseId) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("{name}={}; Path=/; HttpOnly; SameSite=Lax", release.as_str())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=r-000000000000; xq=1"));
        headers.append(COOKIE, HeaderValue::from_static("q=nonsense;q=r-aaaaaaaaaaaa; b"));
        let found = release(&headers, "q").expect("a release");
        assert_eq!(found.as_str(), "r-aaaaaaaaaaaa");
        assert_eq!(release(&headers, "b"), None);
    }
}
