//! Configuration from where the AWS command line finds it too.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use quickserve_core::{Error, ErrorKind, Result};

use crate::arn::Arn;
use crate::clients::https;

/// One attempt of a call. AWS's own answers take well under a second; longer is a lost one.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(10);
/// A call with all attempts.
const CALL: Duration = Duration::from_secs(30);

/// What an environment says of AWS. What it leaves open comes from the standard variables and files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Such as `eu-central-1`; else `AWS_REGION`, the profile's, the instance's.
    pub region: Option<String>,
    /// A profile of `~/.aws/config`; else `AWS_PROFILE`.
    pub profile: Option<String>,
    /// The ARN of a role to assume with the credentials found.
    pub assume_role: Option<String>,
    /// The name under which the role's acts appear in `CloudTrail`; 2 to 64 letters, digits and `=,.@-_`.
    pub session_name: Option<String>,
    /// Where calls go; else `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL`, the profile's.
    pub endpoint_url: Option<String>,
}

/// Loads the configuration with the SDK's whole credential chain: variables, profiles, SSO, web identity (OIDC
/// in CI), process, container and instance, in the SDK's order.
///
/// This reads the environment and the user's files, as the AWS command line does. Nothing is sent: credentials
/// are fetched with the first call.
///
/// # Errors
/// [`ErrorKind::Invalid`] without a region, or when `assume_role` is no role's ARN.
pub async fn load(settings: &Settings) -> Result<SdkConfig> {
    let timeouts =
        TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(CALL).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(https())
        .retry_config(RetryConfig::standard())
        .timeout_config(timeouts);
    if let Ok(name) = AppName::new("quickserve") {
        loader = loader.app_name(name);
    }
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint) = &settings.endpoint_url {
        loader = loader.endpoint_url(endpoint);
    }
    let sdk = loader.load().await;
    if sdk.region().is_none() {
        return Err(Error::new(ErrorKind::Invalid, "find the AWS region")
            .with_hint("set `region` in the environment of quickserve.toml, or AWS_REGION"));
    }
    let Some(role) = &settings.assume_role else { return Ok(sdk) };
    check_role(role)?;
    let session = settings.session_name.as_deref().unwrap_or("quickserve");
    let provider = AssumeRoleProvider::builder(role).session_name(session).configure(&sdk).build().await;
    let provider = aws_credential_types::provider::SharedCredentialsProvider::new(provider);
    Ok(sdk.into_builder().credentials_provider(provider).build())
}

fn check_role(role: &str) -> Result<()> {
    let arn: Arn = role.parse()?;
    if arn.service == "iam" && arn.resource.starts_with("role/") {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Invalid, format!("assume {role}: it is no role"))
        .with_hint("write it as arn:aws:iam::<account>:role/<name>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            region: Some("eu-central-1".into()),
            endpoint_url: Some("http://127.0.0.1:9".into()),
            ..Settings::default()
        }
    }

    #[tokio::test]
    async fn what_the_settings_say_holds() {
        let sdk = load(&settings()).await.expect("a configuration");
        assert_eq!(sdk.region().map(Region::as_ref), Some("eu-central-1"));
        assert_eq!(sdk.endpoint_url(), Some("http://127.0.0.1:9"));
        assert!(sdk.http_client().is_some(), "calls need an HTTP client");
    }

    #[tokio::test]
    async fn only_a_role_can_be_assumed() {
        for wrong in ["deploy", "arn:aws:iam::123456789012:user/ada"] {
            let error = load(&Settings { assume_role: Some(wrong.into()), ..settings() }).await;
            assert_eq!(error.expect_err(wrong).kind(), ErrorKind::Invalid);
        }
        let right = Some("arn:aws-cn:iam::123456789012:role/deploy".into());
        let sdk = load(&Settings { assume_role: right, ..settings() }).await.expect("a configuration");
        assert!(sdk.credentials_provider().is_some());
    }
}
