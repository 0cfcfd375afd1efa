//! The remedy that fits what a platform, or a container's last words, say of a failure.

/// What a person may do about a failure that is told in these texts: the platform's reasons, its messages, and what
/// containers said last. None where nothing in them is known.
///
/// The words are those of ECS (Amazon ECS documentation, "Stopped tasks error messages" and "Service event
/// messages"), of container engines, and of the C library's error numbers. The first that fits counts: what keeps a
/// task from starting stands before what it says once it runs.
pub fn remedy(said: &[&str]) -> Option<String> {
    if let Some(action) = said.iter().find_map(|text| denied(text)) {
        return Some(format!(
            "allow {action} for the role that is named: the execution role starts tasks, the service's role moves traffic"
        ));
    }
    let said: Vec<String> = said.iter().map(|text| text.to_lowercase()).collect();
    let has = |words: &[&str]| said.iter().any(|text| words.iter().any(|word| text.contains(word)));
    let both = |one: &[&str], other: &[&str]| {
        said.iter().any(|text| {
            one.iter().any(|word| text.contains(word)) && other.iter().any(|word| text.contains(word))
        })
    };
    if both(SECRET, &["resourcenotfound", "can't find", "not found", "did not contain"]) {
        return Some(
            "create the secret, or name it by its full ARN: quickserve check tells which one is missing"
                .to_owned(),
        );
    }
    let rules: [(bool, &str); 11] = [
        (
            has(ARCHITECTURE),
            "the image is for another processor: build it for the platform of the tasks (`platform` of [build], `runtimePlatform` of the task definition)",
        ),
        (
            both(PULL, &["no basic auth", "access denied", "403", "unauthorized"]),
            "let the execution role pull: ecr:GetAuthorizationToken, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer; of another registry, name its credentials",
        ),
        (
            both(PULL, &["toomanyrequests", "rate limit"]),
            "the registry allows no more pulls for now: copy the image to your own registry",
        ),
        (
            both(&["resourceinitializationerror", "cannotpull"], NETWORK),
            "tasks reach no registry or secret store from their subnets: give them a NAT gateway, VPC endpoints, or a public address",
        ),
        (
            both(PULL, &["not found", "manifest unknown", "does not exist", "no such image"]),
            "the image is not in the registry: push it, and look whether a lifecycle rule removes it",
        ),
        (
            has(&["outofmemory", "out of memory", "oom-kill", "oomkilled"]),
            "raise `memory` of the container or the task, or make it need less",
        ),
        (
            has(&["address already in use", "eaddrinuse", "resource:ports", "port is already allocated"]),
            "something holds the port already: use another port, or dynamic host ports (`hostPort` 0)",
        ),
        (
            has(&["executable file not found", "no such file or directory: unknown", "stat /"])
                && has(&["cannotstartcontainer", "could not start", "starting container process"]),
            "the image does not hold the program that `command` or `entryPoint` names",
        ),
        (
            has(CAPACITY),
            "there is no room for the tasks: add instances or capacity providers, lower `maximum_percent`, or ask for less cpu and memory",
        ),
        (
            has(HEALTH),
            "see that the container listens on 0.0.0.0 at the target's port and answers the health check's path within its start period; the security group must let the load balancer in",
        ),
        (
            has(&["exited 137"]),
            "137 is SIGKILL: want of memory, or it did not end within `stopTimeout` after SIGTERM",
        ),
    ];
    rules.into_iter().find_map(|(fits, remedy)| fits.then(|| remedy.to_owned()))
}

const SECRET: &[&str] = &["secret", "ssm", "parameter"];
const ARCHITECTURE: &[&str] =
    &["exec format error", "descriptor matching platform", "no matching manifest for", "exec user process"];
const PULL: &[&str] = &["cannotpull", "pull image", "pull access", "pulling image"];
const NETWORK: &[&str] = &[
    "i/o timeout",
    "context deadline exceeded",
    "timeout exceeded",
    "dial tcp",
    "connection issue",
    "request canceled",
];
const CAPACITY: &[&str] = &[
    "unable to place a task",
    "capacity is unavailable",
    "no container instance",
    "resource:memory",
    "resource:cpu",
    "resource:eni",
    "insufficient",
];
const HEALTH: &[&str] = &["failed elb health checks", "failed container health checks", "is unhealthy"];

/// The action of `... is not authorized to perform: ACTION on resource: ...`, as IAM writes it.
fn denied(text: &str) -> Option<&str> {
    let rest = text.split_once("is not authorized to perform: ")?.1;
    let action = rest.split([' ', ',']).next()?;
    action.contains(':').then_some(action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_fail_has_the_remedy_that_fits() {
        let table = [
            (
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: ResourceNotFoundException: Secrets Manager can't find the specified secret.",
                "create the secret",
            ),
            (
                "ResourceInitializationError: unable to pull secrets: AccessDeniedException: User: arn:aws:sts::1:assumed-role/exec/a is not authorized to perform: secretsmanager:GetSecretValue on resource: x",
                "allow secretsmanager:GetSecretValue",
            ),
            (
                "ResourceInitializationError: unable to pull registry auth: Post \"https://api.ecr\": dial tcp 1.2.3.4:443: i/o timeout",
                "tasks reach no registry",
            ),
            (
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): acme/shop:9: not found",
                "the image is not in the registry",
            ),
            (
                "CannotPullContainerError: pull access denied, no basic auth credentials",
                "let the execution role pull",
            ),
            (
                "CannotPullContainerError: inspect image has been retried: image Manifest does not contain descriptor matching platform 'linux/amd64'",
                "another processor",
            ),
            ("exec /app/server: exec format error", "another processor"),
            ("exited 137: OutOfMemoryError: Container killed due to memory usage", "raise `memory`"),
            ("ran out of memory (limit 64 MiB)", "raise `memory`"),
            ("Error: listen EADDRINUSE: address already in use :::3000", "something holds the port"),
            (
                "(service shop) was unable to place a task because no container instance met all of its requirements",
                "no room",
            ),
            ("Task failed ELB health checks in (target-group arn:x)", "listens on 0.0.0.0"),
            (
                "CannotStartContainerError: starting container process caused: exec: \"serve\": executable file not found in $PATH",
                "does not hold the program",
            ),
            ("exited 137", "SIGKILL"),
        ];
        for (said, wanted) in table {
            let found = remedy(&[said]).unwrap_or_default();
            assert!(found.contains(wanted), "{said}: {found}");
        }
    }

    #[test]
    fn what_is_not_known_has_none() {
        assert_eq!(remedy(&["exited 1", "FATAL: no table orders", "circuit breaker: 3 tasks failed"]), None);
        assert_eq!(remedy(&[]), None);
    }
}
