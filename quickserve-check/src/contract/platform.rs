//! Variables that nobody declares because the platform gives them to every task.

use quickserve_core::config::Platform;

/// What containers have anyhow, and what QuickServe gives to every task.
const EVERYWHERE: &[&str] =
    &["HOME", "HOSTNAME", "PATH", "PWD", "TERM", "TZ", "LANG", "LC_ALL", "SHLVL", "USER", "SHELL", "TMPDIR", "CI",
      "QUICKSERVE_RELEASE", "IMAGE_TAG", "NO_COLOR", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

/// ECS documentation, "Task metadata endpoint", "Task IAM role", "Amazon ECS environment variables": what the agent
/// gives to containers.
const ECS: &[&str] = &[
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "ECS_CONTAINER_METADATA_URI",
    "ECS_CONTAINER_METADATA_URI_V4",
    "ECS_AGENT_URI",
];

/// Settings of runtimes and frameworks: they have a default, whether or not the application's own code reads them.
const RUNTIMES: &[&str] = &[
    "NODE_ENV", "NODE_OPTIONS", "RAILS_ENV", "RACK_ENV", "RUST_LOG", "RUST_BACKTRACE", "PYTHONUNBUFFERED", "PYTHONPATH",
    "DJANGO_SETTINGS_MODULE", "FLASK_ENV", "FLASK_APP", "JAVA_OPTS", "JAVA_TOOL_OPTIONS", "GOMAXPROCS", "GOMEMLIMIT",
    "ASPNETCORE_ENVIRONMENT", "ASPNETCORE_URLS", "DOTNET_ENVIRONMENT", "SPRING_PROFILES_ACTIVE", "APP_ENV", "PORT", "DEBUG",
    "LOG_LEVEL",
];

/// Whether every task has that variable without anybody's doing. Where the platform is not known, whatever one of
/// them gives counts.
pub fn provides(platform: Option<Platform>, name: &str) -> bool {
    EVERYWHERE.contains(&name) || (platform != Some(Platform::Docker) && ECS.contains(&name))
}

/// Whether a runtime or framework reads that variable, or does without it.
pub fn is_of_runtime(name: &str) -> bool {
    RUNTIMES.contains(&name) || EVERYWHERE.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecs_gives_the_region_and_docker_does_not() {
        assert!(provides(Some(Platform::Ecs), "AWS_REGION"));
        assert!(!provides(Some(Platform::Docker), "AWS_REGION"));
        assert!(provides(None, "AWS_REGION"));
        assert!(provides(Some(Platform::Docker), "QUICKSERVE_RELEASE"));
        assert!(!provides(None, "DATABASE_URL"));
    }
}
