//! `[build]`: how the image is built.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::document::{Fields, values};

/// How the image is built. Paths are relative to the folder of quickserve.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The folder that is sent to the builder. Default: `.`.
    pub context: PathBuf,
    /// The Dockerfile. Default: `Dockerfile`.
    pub dockerfile: PathBuf,
    /// The platform to build for, such as `linux/amd64`; the builder's own without one.
    pub platform: Option<String>,
    /// The stage of the Dockerfile to build; the last without one.
    pub target: Option<String>,
    /// Build arguments. Never secrets: they stay in the image's history.
    pub args: BTreeMap<String, String>,
}

pub(super) fn read(fields: &mut Fields<'_, '_, '_>) -> Build {
    Build {
        context: fields.optional("context", values::path).unwrap_or_else(|| ".".into()),
        dockerfile: fields.optional("dockerfile", values::path).unwrap_or_else(|| "Dockerfile".into()),
        platform: fields.optional("platform", values::name),
        target: fields.optional("target", values::name),
        args: fields.optional("args", values::map(values::text)).unwrap_or_default(),
    }
}
