//! Which processor an image is for, and a task runs on.

use std::fmt;

/// A processor that both ECS and GitHub's runners have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Processor {
    Amd64,
    Arm64,
}

impl Processor {
    /// That of a platform as Docker has it: `linux/amd64`, `linux/arm64/v8`.
    pub(crate) fn of_platform(platform: &str) -> Option<Self> {
        let mut parts = platform.trim().split('/');
        match (parts.next(), parts.next()) {
            (Some("linux"), Some("amd64" | "x86_64")) => Some(Self::Amd64),
            (Some("linux"), Some("arm64" | "aarch64")) => Some(Self::Arm64),
            _ => None,
        }
    }

    /// That of `runtimePlatform.cpuArchitecture`.
    pub(crate) fn of_task(architecture: &str) -> Option<Self> {
        match architecture {
            "X86_64" => Some(Self::Amd64),
            "ARM64" => Some(Self::Arm64),
            _ => None,
        }
    }

    /// That of a runner, by one of its labels: those of GitHub's own machines with Docker, and those that a machine of
    /// one's own gets by itself. GitHub documentation, "Choosing the runner for a job".
    pub(crate) fn of_runner(label: &str) -> Option<Self> {
        let hosted = label.strip_prefix("ubuntu-").map(|version| version.ends_with("-arm"));
        match hosted {
            Some(true) => Some(Self::Arm64),
            // Larger machines have labels of their own, such as `ubuntu-24.04-16core`.
            Some(false) => {
                matches!(label, "ubuntu-latest" | "ubuntu-22.04" | "ubuntu-24.04").then_some(Self::Amd64)
            }
            None if label.eq_ignore_ascii_case("arm64") => Some(Self::Arm64),
            None => label.eq_ignore_ascii_case("x64").then_some(Self::Amd64),
        }
    }

    /// What a task definition calls it.
    pub(crate) fn in_task(self) -> &'static str {
        match self {
            Self::Amd64 => "X86_64",
            Self::Arm64 => "ARM64",
        }
    }
}

/// The platform as Docker has it.
impl fmt::Display for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amd64 => "linux/amd64",
            Self::Arm64 => "linux/arm64",
        })
    }
}
