//! quickserve.toml: read strictly, all problems at once, and resolved to the settings of one service in one
//! environment.
//!
//! Every setting may stand at the top of the file, in `[services.NAME]`, in `[environments.NAME]` and in
//! `[services.NAME.environments.NAME]`; the later of these wins. Tables are merged key by key; anything else,
//! lists too, is replaced. `false` switches off an inherited stage, migration or judge. Only `service`,
//! `required_version`, `services` and `environments` belong to the top alone.
//!
//! An environment is a place to deploy to. The variables that a container sees are the table `variables` (plain),
//! the names in `env_file` (secret, in the short form all of them) and what the task definition says.
//!
//! What the file says is kept in [`Settings`] whether or not this version can do it;
//! [`Settings::deployment`] refuses what it cannot.
//!
//! ```
//! use quickserve_core::config::Config;
//!
//! let text = r#"
//! service = "quickserve"
//! port = 3000
//! health_check = "/health"
//! [environments.local]
//! public_port = 8080
//! "#;
//! let config = Config::parse(text, "quickserve.toml")?;
//! let settings = config.settings(None, None)?;
//! assert_eq!(settings.key.to_string(), "quickserve/local");
//! assert_eq!(settings.public.port, Some(8080));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod build;
mod claims;
mod deploy;
mod deployment;
pub mod duration;
mod file;
mod health_check;
mod mistakes;
mod platform;
mod public_url;
mod router;
mod settings;
mod short_form;
mod smoke;
mod stages;
pub mod variables;

pub use crate::plan::OnFailure;
pub use crate::traffic::Percent;
pub use build::Build;
pub use deploy::{Deploy, Judge, Migrate, NoData, Strategy};
pub use file::Config;
pub use health_check::HealthCheck;
pub use platform::{Aws, Ecs, JournalLocation, Platform, PublicAddress, SecretPolicy, Tls};
pub use public_url::PublicUrl;
pub use router::Router;
pub use settings::{Settings, WorkloadSource};
pub use short_form::ShortForm;
pub use smoke::{Expectation, SmokeTest};
pub use stages::{Lint, Scan, ScanSeverity, Sign, Stages, Test};
