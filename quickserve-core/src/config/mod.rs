//! quickserve.toml: read strictly, all problems at once, and resolved to the settings of one service in one
//! environment.
//!
//! Every setting may stand at the top of the file, in `[services.NAME]`, in `[environments.NAME]` and in
//! `[services.NAME.environments.NAME]`; the later of these wins. Tables are merged key by key; anything else,
//! lists too, is replaced. `false` switches off an inherited stage, migration or judge.
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
mod deploy;
pub mod duration;
mod file;
mod health_check;
mod platform;
mod settings;
mod short_form;
mod smoke;
mod stages;
pub mod variables;

pub use build::Build;
pub use deploy::{Deploy, Judge, Migrate, NoData, OnFailure, Percent, Strategy};
pub use file::Config;
pub use health_check::HealthCheck;
pub use platform::{Ecs, JournalLocation, Platform, PublicAddress, SecretPolicy};
pub use settings::{Settings, WorkloadSource};
pub use short_form::ShortForm;
pub use smoke::{Expectation, SmokeTest};
pub use stages::{Lint, Scan, ScanSeverity, Sign, Stages, Test};
