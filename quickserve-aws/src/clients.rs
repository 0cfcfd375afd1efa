//! The SDK's clients, made from a caller's configuration when they are first needed.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_config::{Region, SdkConfig};
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// The clients of one account, region and identity. Cloning shares them.
#[derive(Clone)]
pub struct Clients {
    inner: Arc<Inner>,
}

struct Inner {
    sdk: SdkConfig,
    cloudwatch: OnceLock<aws_sdk_cloudwatch::Client>,
    ecr: OnceLock<aws_sdk_ecr::Client>,
    ecs: OnceLock<aws_sdk_ecs::Client>,
    iam: OnceLock<aws_sdk_iam::Client>,
    load_balancing: OnceLock<aws_sdk_elasticloadbalancingv2::Client>,
    logs: OnceLock<aws_sdk_cloudwatchlogs::Client>,
    secrets_manager: OnceLock<aws_sdk_secretsmanager::Client>,
    ssm: OnceLock<aws_sdk_ssm::Client>,
    sts: OnceLock<aws_sdk_sts::Client>,
}

impl Clients {
    /// Clients of this configuration. It must hold an HTTP client (such as [`https`]), since this crate builds
    /// the SDK without its own.
    pub fn new(sdk: SdkConfig) -> Self {
        let inner = Inner {
            sdk,
            cloudwatch: OnceLock::new(),
            ecr: OnceLock::new(),
            ecs: OnceLock::new(),
            iam: OnceLock::new(),
            load_balancing: OnceLock::new(),
            logs: OnceLock::new(),
            secrets_manager: OnceLock::new(),
            ssm: OnceLock::new(),
            sts: OnceLock::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The region, if the configuration has one.
    pub fn region(&self) -> Option<&str> {
        self.inner.sdk.region().map(Region::as_ref)
    }

    /// The same identity in another region; these clients where it is the same.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        if self.region() == Some(region) {
            return self.clone();
        }
        Self::new(self.inner.sdk.to_builder().region(Region::new(region.to_owned())).build())
    }

    /// The configuration that they are made from.
    pub(crate) fn sdk(&self) -> &SdkConfig {
        &self.inner.sdk
    }

    pub(crate) fn cloudwatch(&self) -> &aws_sdk_cloudwatch::Client {
        self.inner.cloudwatch.get_or_init(|| aws_sdk_cloudwatch::Client::new(&self.inner.sdk))
    }

    pub(crate) fn ecr(&self) -> &aws_sdk_ecr::Client {
        self.inner.ecr.get_or_init(|| aws_sdk_ecr::Client::new(&self.inner.sdk))
    }

    /// ECS's client, for calls that QuickServe does not make.
    pub fn ecs(&self) -> &aws_sdk_ecs::Client {
        self.inner.ecs.get_or_init(|| aws_sdk_ecs::Client::new(&self.inner.sdk))
    }

    pub(crate) fn iam(&self) -> &aws_sdk_iam::Client {
        self.inner.iam.get_or_init(|| aws_sdk_iam::Client::new(&self.inner.sdk))
    }

    pub(crate) fn load_balancing(&self) -> &aws_sdk_elasticloadbalancingv2::Client {
        self.inner.load_balancing.get_or_init(|| aws_sdk_elasticloadbalancingv2::Client::new(&self.inner.sdk))
    }

    pub(crate) fn logs(&self) -> &aws_sdk_cloudwatchlogs::Client {
        self.inner.logs.get_or_init(|| aws_sdk_cloudwatchlogs::Client::new(&self.inner.sdk))
    }

    pub(crate) fn secrets_manager(&self) -> &aws_sdk_secretsmanager::Client {
        self.inner.secrets_manager.get_or_init(|| aws_sdk_secretsmanager::Client::new(&self.inner.sdk))
    }

    pub(crate) fn ssm(&self) -> &aws_sdk_ssm::Client {
        self.inner.ssm.get_or_init(|| aws_sdk_ssm::Client::new(&self.inner.sdk))
    }

    pub(crate) fn sts(&self) -> &aws_sdk_sts::Client {
        self.inner.sts.get_or_init(|| aws_sdk_sts::Client::new(&self.inner.sdk))
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("region", &self.region()).finish_non_exhaustive()
    }
}

impl fmt::Display for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AWS in {}", self.region().unwrap_or("no region"))
    }
}

/// An HTTP client for an `SdkConfig`: TLS by rustls with ring, and the roots of the operating system.
pub fn https() -> SharedHttpClient {
    let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    Builder::new().tls_provider(provider).build_https()
}
