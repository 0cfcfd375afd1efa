//! Where S3 is.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use http::Uri;
use quickserve_core::{Error, ErrorKind, Result};

use crate::arn::partition;

/// The URL under which a region's buckets are: what the configuration says, as for the SDK's own clients, else AWS's.
///
/// Buckets are a part of the path: a name with dots fits no certificate. Without TLS only an endpoint that somebody has
/// written down is spoken to.
pub(super) fn endpoint(sdk: &SdkConfig, region: &str) -> Result<String> {
    let Some(configured) = configured(sdk) else { return Ok(of_region(sdk, region)) };
    let uri: Option<Uri> = configured.parse().ok();
    let is_fit = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some()
            && uri.query().is_none()
    });
    if is_fit {
        return Ok(configured.trim_end_matches('/').to_owned());
    }
    Err(Error::new(ErrorKind::Invalid, format!("use {configured:?} as the endpoint of S3"))
        .with_hint("write AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL) as https://host:port"))
}

/// AWS SDKs and tools reference guide, "Service-specific endpoints": what an embedder's code says goes first.
fn configured(sdk: &SdkConfig) -> Option<String> {
    let general = || sdk.endpoint_url().map(str::to_owned);
    if sdk.get_origin("endpoint_url").is_client_config() {
        return general();
    }
    let key =
        ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let own = sdk.service_config().and_then(|config| config.load_config(key.ok()?));
    own.or_else(general)
}

/// AWS general reference, "Amazon S3 endpoints"; the domains of the partitions are those of the SDKs' `partitions.json`.
fn of_region(sdk: &SdkConfig, region: &str) -> String {
    let domain = match partition(region) {
        "aws-cn" => "amazonaws.com.cn",
        "aws-iso" => "c2s.ic.gov",
        "aws-iso-b" => "sc2s.sgov.gov",
        "aws-iso-e" => "cloud.adc-e.uk",
        "aws-iso-f" => "csp.hci.ic.gov",
        "aws-eusc" => "amazonaws.eu",
        _ => "amazonaws.com",
    };
    let fips = if sdk.use_fips() == Some(true) { "-fips" } else { "" };
    let stack = if sdk.use_dual_stack() == Some(true) { ".dualstack" } else { "" };
    format!("https://s3{fips}{stack}.{region}.{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sdk: &SdkConfig, region: &str) -> String {
        endpoint(sdk, region).expect("an endpoint")
    }

    #[test]
    fn every_partition_has_its_domain() {
        let sdk = SdkConfig::builder().build();
        assert_eq!(of(&sdk, "eu-west-1"), "https://s3.eu-west-1.amazonaws.com");
        assert_eq!(of(&sdk, "cn-north-1"), "https://s3.cn-north-1.amazonaws.com.cn");
        assert_eq!(of(&sdk, "us-gov-west-1"), "https://s3.us-gov-west-1.amazonaws.com");
        assert_eq!(of(&sdk, "us-isob-east-1"), "https://s3.us-isob-east-1.sc2s.sgov.gov");
        let both = SdkConfig::builder().use_fips(true).use_dual_stack(true).build();
        assert_eq!(of(&both, "us-east-1"), "https://s3-fips.dualstack.us-east-1.amazonaws.com");
    }

    #[test]
    fn an_endpoint_that_is_said_is_used() {
        let said = |url: &str| SdkConfig::builder().endpoint_url(url).build();
        assert_eq!(of(&said("http://127.0.0.1:9000/"), "us-east-1"), "http://127.0.0.1:9000");
        for wrong in ["127.0.0.1:9000", "ftp://host", "https://host?x=1"] {
            assert_eq!(endpoint(&said(wrong), "us-east-1").expect_err(wrong).kind(), ErrorKind::Invalid);
        }
    }
}
