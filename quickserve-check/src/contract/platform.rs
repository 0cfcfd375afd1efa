//! Variables that nobody has to declare: platforms, images and tools give them.

use quickserve_core::config::Platform;

/// What every container has: from the engine, from its shell, from QuickServe itself.
const CONTAINER: &[&str] =
    &["HOME", "HOSTNAME", "IMAGE_TAG", "PATH", "PWD", "QUICKSERVE_RELEASE", "SHLVL", "TERM"];

/// What ECS gives to a task's containers.
///
/// ECS developer guide, "Amazon ECS environment variables"
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-environment-variables.html>). It does not say that on
/// EC2 the region is there only with an agent that has <https://github.com/aws/amazon-ecs-agent/pull/4946> (of April
/// 2026); on Fargate it is always. `ECS_CONTAINER_METADATA_FILE`, not in that list, is an option of the agent on EC2.
const ECS: &[&str] = &[
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_REGION",
    "ECS_AGENT_URI",
    "ECS_CONTAINER_METADATA_FILE",
    "ECS_CONTAINER_METADATA_URI",
    "ECS_CONTAINER_METADATA_URI_V4",
];

/// What well-known base images set with `ENV`.
const IMAGES: &[&str] = &[
    "ASPNETCORE_HTTP_PORTS",
    "ASPNET_VERSION",
    "BUNDLE_APP_CONFIG",
    "BUNDLE_SILENCE_ROOT_WARNING",
    "CARGO_HOME",
    "DOTNET_RUNNING_IN_CONTAINER",
    "DOTNET_VERSION",
    "GEM_HOME",
    "GOLANG_VERSION",
    "GOPATH",
    "GOTOOLCHAIN",
    "JAVA_HOME",
    "JAVA_VERSION",
    "NGINX_VERSION",
    "NODE_VERSION",
    "PHP_INI_DIR",
    "PHP_VERSION",
    "PYTHON_VERSION",
    "RUBY_VERSION",
    "RUSTUP_HOME",
    "RUST_VERSION",
    "YARN_VERSION",
];

/// What tools, tests and CI set for themselves: code that looks at these asks where it runs.
const TOOLS: &[&str] = &[
    "CI",
    "COLORTERM",
    "COLUMNS",
    "DEBUG",
    "EDITOR",
    "FORCE_COLOR",
    "INIT_CWD",
    "JEST_WORKER_ID",
    "LANG",
    "LANGUAGE",
    "LINES",
    "LOGNAME",
    "MIX_ENV",
    "NEXT_RUNTIME",
    "NODE_APP_INSTANCE",
    "NO_COLOR",
    "OLDPWD",
    "OUT_DIR",
    "PAGER",
    "PYTEST_CURRENT_TEST",
    "RUST_BACKTRACE",
    "SHELL",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "TZ",
    "USER",
    "USERPROFILE",
    "VITEST",
    "VITEST_WORKER_ID",
];

/// The same, by how they begin.
const TOOL_FAMILIES: &[&str] = &[
    "BUILDKITE_",
    "CARGO_",
    "CIRCLE_",
    "GITHUB_",
    "GITLAB_",
    "LC_",
    "RUNNER_",
    "STORYBOOK_",
    "XDG_",
    "npm_",
];

/// Variables that frameworks, runtimes and client libraries read, where the code of the service does not.
const LIBRARIES: &[&str] = &[
    "DATABASE_URL",
    "DJANGO_SETTINGS_MODULE",
    "FLASK_APP",
    "FLASK_ENV",
    "GOGC",
    "GOMAXPROCS",
    "GOMEMLIMIT",
    "HOST",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LOG_LEVEL",
    "MALLOC_ARENA_MAX",
    "NODE_ENV",
    "NODE_EXTRA_CA_CERTS",
    "NODE_OPTIONS",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "NO_PROXY",
    "PORT",
    "PYTHONPATH",
    "PYTHONUNBUFFERED",
    "RACK_ENV",
    "RAILS_ENV",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "SECRET_KEY_BASE",
    "SENTRY_DSN",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
    "UV_THREADPOOL_SIZE",
    "WEB_CONCURRENCY",
];

/// The same, by how they begin.
const LIBRARY_FAMILIES: &[&str] = &[
    "ASPNETCORE_",
    "AWS_",
    "CELERY_",
    "COMPOSE_",
    "DD_",
    "DOCKER_",
    "DOTNET_",
    "GRPC_",
    "GUNICORN_",
    "JAVA_",
    "JVM_",
    "KC_",
    "MALLOC_",
    "MICRONAUT_",
    "MYSQL_",
    "NEW_RELIC_",
    "NEXTAUTH_",
    "NEXT_",
    "NUXT_",
    "OTEL_",
    "PG",
    "POSTGRES_",
    "PUMA_",
    "QUARKUS_",
    "RAILS_",
    "SENTRY_",
    "SPRING_",
    "UVICORN_",
    "VITE_",
];

/// What bundlers write into the pages that they build, by how the names begin: a task needs none of them.
const BUILD_FAMILIES: &[&str] =
    &["EXPO_PUBLIC_", "GATSBY_", "NEXT_PUBLIC_", "NUXT_PUBLIC_", "REACT_APP_", "VITE_", "VUE_APP_"];

/// Whether a variable is read when the service is built, and never again.
pub(crate) fn is_for_the_build(name: &str) -> bool {
    BUILD_FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Whether the platform, a base image or QuickServe gives this variable to a task. Where the platform is not known, any
/// of them will do: nothing is reported as missing that may be there.
pub fn provided(platform: Option<Platform>, name: &str) -> bool {
    let on_ecs = platform != Some(Platform::Docker) && ECS.contains(&name);
    CONTAINER.contains(&name) || IMAGES.contains(&name) || on_ecs
}

/// Whether reading this variable is no matter of the service's configuration.
pub fn belongs_to_tools(name: &str) -> bool {
    TOOLS.contains(&name) || TOOL_FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Whether something reads this variable that is not in the service's code.
pub fn read_by_libraries(name: &str) -> bool {
    LIBRARIES.contains(&name) || LIBRARY_FAMILIES.iter().any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_there_on_ecs_and_not_on_docker() {
        assert!(provided(Some(Platform::Ecs), "AWS_REGION"));
        assert!(!provided(Some(Platform::Docker), "AWS_REGION"));
        assert!(provided(None, "AWS_REGION"), "in doubt it is there");
    }

    #[test]
    fn what_a_service_must_be_given_is_not_provided() {
        for platform in [None, Some(Platform::Docker), Some(Platform::Ecs)] {
            for name in ["DATABASE_URL", "PORT", "NODE_ENV", "AWS_ACCESS_KEY_ID", "APP_NAME"] {
                assert!(!provided(platform, name), "{name}");
            }
            for name in ["PATH", "HOSTNAME", "NODE_VERSION", "QUICKSERVE_RELEASE", "IMAGE_TAG"] {
                assert!(provided(platform, name), "{name}");
            }
        }
    }

    #[test]
    fn tools_and_libraries_are_told_from_the_service() {
        assert!(
            belongs_to_tools("GITHUB_SHA")
                && belongs_to_tools("CI")
                && belongs_to_tools("npm_package_version")
        );
        assert!(!belongs_to_tools("CIRCUIT_BREAKER") && !belongs_to_tools("DATABASE_URL"));
        assert!(
            read_by_libraries("PGHOST")
                && read_by_libraries("OTEL_SERVICE_NAME")
                && read_by_libraries("NODE_ENV")
        );
        assert!(!read_by_libraries("STRIPE_API_KEY"));
    }
}
