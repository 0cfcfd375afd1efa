//! The fields that ECS has and this model does not, and what is said about them.
//!
//! Source: Amazon ECS API reference, `TaskDefinition` and `ContainerDefinition`.

use crate::document::{Decoder, Entry, Fields, Node, Value, did_you_mean};
use crate::finding::{Code, Finding, Severity};

/// Fields that reach ECS and change nothing that a local task could show.
pub(super) const TASK: &[&str] = &[
    "compatibilities",
    "deleteRequestedAt",
    "deregisteredAt",
    "enableFaultInjection",
    "ephemeralStorage",
    "executionRoleArn",
    "networkMode",
    "placementConstraints",
    "registeredAt",
    "registeredBy",
    "requiresAttributes",
    "requiresCompatibilities",
    "revision",
    "runtimePlatform",
    "status",
    "tags",
    "taskDefinitionArn",
    "taskRoleArn",
];

/// Fields that reach ECS and are missing in a local task.
pub(super) const TASK_ECS_ONLY: &[&str] =
    &["inferenceAccelerators", "ipcMode", "pidMode", "proxyConfiguration"];

/// As [`TASK`], of a container.
pub(super) const CONTAINER: &[&str] =
    &["credentialSpecs", "logConfiguration", "repositoryCredentials", "startTimeout", "versionConsistency"];

/// As [`TASK_ECS_ONLY`], of a container.
pub(super) const CONTAINER_ECS_ONLY: &[&str] = &[
    "disableNetworking",
    "dnsSearchDomains",
    "dnsServers",
    "dockerSecurityOptions",
    "environmentFiles",
    "extraHosts",
    "firelensConfiguration",
    "hostname",
    "interactive",
    "links",
    "privileged",
    "pseudoTerminal",
    "resourceRequirements",
    "restartPolicy",
    "systemControls",
    "volumesFrom",
];

/// As [`TASK_ECS_ONLY`], of `linuxParameters`.
pub(super) const LINUX_ECS_ONLY: &[&str] = &["capabilities", "devices", "maxSwap", "swappiness"];

/// As [`TASK_ECS_ONLY`], of a volume.
pub(super) const VOLUME_ECS_ONLY: &[&str] = &[
    "configuredAtLaunch",
    "dockerVolumeConfiguration",
    "efsVolumeConfiguration",
    "fsxWindowsFileServerVolumeConfiguration",
    "s3filesVolumeConfiguration",
];

/// Reads an object. Fields that nobody asked for are no error, since ECS gets them as they are: those that
/// are `ecs_only` are noted, and a warning says which ones ECS does not know either.
pub(super) fn object<'a, T>(
    silent: &'static [&'static str],
    ecs_only: &'static [&'static str],
    read: impl Fn(&mut Fields<'_, 'a, '_>) -> Option<T>,
) -> impl Fn(&mut Decoder<'a>, &Node) -> Option<T> {
    move |decoder, node| {
        let Some(table) = node.as_table() else {
            decoder.wrong_type_hint(node, "an object", "write it in braces: { ... }");
            return None;
        };
        let mut fields = Fields::new(decoder, table, node.span.start..node.span.start + 1);
        let value = read(&mut fields);
        fields.report_missing();
        fields.known(silent);
        for entry in fields.rest().collect::<Vec<_>>() {
            if ecs_only.contains(&entry.key.as_str()) {
                note_ecs_only(fields.decoder, entry);
            } else {
                let finding = unknown(fields.decoder, entry, &fields.names());
                fields.decoder.push(finding);
            }
        }
        value
    }
}

fn note_ecs_only(decoder: &mut Decoder<'_>, entry: &Entry) {
    // What describe-task-definition fills in where nothing was said.
    let says_nothing = match &entry.node.value {
        Value::Null | Value::Boolean(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Table(table) => table.entries.is_empty(),
        _ => false,
    };
    if !says_nothing {
        let message = format!("`{}` reaches ECS as it is and has no effect on local Docker", entry.key);
        let finding = decoder.source.error(Code::DEFINITION_ECS_ONLY, &entry.key_span, message);
        decoder.push(Finding { severity: Severity::Info, ..finding });
    }
}

fn unknown(decoder: &Decoder<'_>, entry: &Entry, known: &[&str]) -> Finding {
    let message = format!("unknown field `{}`", entry.key);
    let finding = decoder.source.error(decoder.codes.unknown, &entry.key_span, message);
    Finding { severity: Severity::Warning, hint: did_you_mean(&entry.key, known), ..finding }
}
