//! Where a service is.

use std::fmt;

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use http::Uri;
use quickserve_core::{Error, ErrorKind, Result};

use crate::arn::partition;

/// A service without a client here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    S3,
    Ec2,
}

impl Service {
    /// As signatures, permissions and host names have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Ec2 => "ec2",
        }
    }

    /// As the SDK's configuration, and people, have it.
    fn id(self) -> &'static str {
        match self {
            Self::S3 => "S3",
            Self::Ec2 => "EC2",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// The URL under which a service is in a region: what the configuration says, as for the SDK's own clients, else AWS's.
///
/// Buckets are a part of the path: a name with dots fits no certificate. Without TLS only an endpoint that somebody has
/// written down is spoken to.
pub(crate) fn endpoint(sdk: &SdkConfig, service: Service, region: &str) -> Result<String> {
    let Some(configured) = configured(sdk, service) else { return Ok(of_region(sdk, service, region)) };
    let uri: Option<Uri> = configured.parse().ok();
    let is_fit = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some()
            && uri.query().is_none()
    });
    if is_fit {
        return Ok(configured.trim_end_matches('/').to_owned());
    }
    Err(Error::new(ErrorKind::Invalid, format!("use {configured:?} as the endpoint of {service}"))
        .with_hint(format!("write AWS_ENDPOINT_URL_{service} (or AWS_ENDPOINT_URL) as https://host:port")))
}

/// AWS SDKs and tools reference guide, "Service-specific endpoints": what an embedder's code says goes first.
fn configured(sdk: &SdkConfig, service: Service) -> Option<String> {
    let general = || sdk.endpoint_url().map(str::to_owned);
    if sdk.get_origin("endpoint_url").is_client_config() {
        return general();
    }
    let key = ServiceConfigKey::builder()
        .service_id(service.id())
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let own = sdk.service_config().and_then(|config| config.load_config(key.ok()?));
    own.or_else(general)
}

/// AWS general reference, "Service endpoints"; the domains of the partitions are those of the SDKs' `partitions.json`.
fn of_region(sdk: &SdkConfig, service: Service, region: &str) -> String {
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
    let dual = sdk.use_dual_stack() == Some(true);
    let name = service.name();
    match (service, dual) {
        (Service::S3, true) => format!("https://{name}{fips}.dualstack.{region}.{domain}"),
        // EC2 developer guide, "Dual-stack endpoints": a domain of its own.
        (Service::Ec2, true) => format!("https://{name}{fips}.{region}.api.aws"),
        (_, false) => format!("https://{name}{fips}.{region}.{domain}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sdk: &SdkConfig, region: &str) -> String {
        endpoint(sdk, Service::S3, region).expect("an endpoint")
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
        let of_ec2 = |region| endpoint(&sdk, Service::Ec2, region).expect("an endpoint");
        assert_eq!(of_ec2("cn-north-1"), "https://ec2.cn-north-1.amazonaws.com.cn");
    }

    #[test]
    fn an_endpoint_that_is_said_is_used() {
        let said = |url: &str| SdkConfig::builder().endpoint_url(url).build();
        assert_eq!(of(&said("http://127.0.0.1:9000/"), "us-east-1"), "http://127.0.0.1:9000");
        for wrong in ["127.0.0.1:9000", "ftp://host", "https://host?x=1"] {
            assert_eq!(
                endpoint(&said(wrong), Service::S3, "us-east-1").expect_err(wrong).kind(),
                ErrorKind::Invalid
            );
        }
    }
}
