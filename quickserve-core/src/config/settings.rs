//! What the file says for one service in one environment, defaults applied.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::platform::{self, Aws, Ecs, JournalLocation, Platform, PublicAddress, SecretPolicy};
use crate::config::short_form::{self, ShortForm};
use crate::config::{Build, Deploy, HealthCheck, Router, SmokeTest, Stages};
use crate::config::{build, deploy, health_check, router, smoke, stages};
use crate::document::{Decoder, Fields, Node, Span, Table, did_you_mean, table, values};
use crate::finding::Code;
use crate::service::ServiceKey;
use crate::workload::Probe;

/// Everything that quickserve.toml says for one service in one environment, defaults applied. Paths are
/// relative to the file's folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The service and the environment.
    pub key: ServiceKey,
    /// What runs the tasks. Default: Docker in the environment `local`; the others say it.
    pub platform: Platform,
    /// Where the workload is described.
    pub workload: WorkloadSource,
    /// The container's port that takes requests. The short form has no other source for it; in a task
    /// definition it chooses among several.
    pub port: Option<u16>,
    /// The container that the built image is for; where it has ports, also the one that takes requests.
    pub container: Option<String>,
    /// The image to deploy, such as `storefront:1.8.2`; with [`build`](Settings::build), the repository that
    /// the built image is named by.
    pub image: Option<String>,
    /// When a task counts as healthy, over what the workload implies.
    pub health_check: HealthCheck,
    /// Plain environment variables, over those of the workload. Key `variables`, a table: the file's
    /// `environments` are places to deploy to.
    pub variables: BTreeMap<String, String>,
    /// The variable in which the application finds its version. Default: `IMAGE_TAG`.
    pub version_variable: String,
    /// The file that declares which variables must exist, such as `.env.example`.
    pub env_contract: Option<PathBuf>,
    /// The file with the values of secret variables, such as `.env`. Docker only.
    pub env_file: Option<PathBuf>,
    /// How the image is built; without it an image is deployed that exists.
    pub build: Option<Build>,
    /// What must pass before an image is deployed.
    pub stages: Stages,
    /// How a release takes the place of another.
    pub deploy: Deploy,
    /// Requests that must be answered as expected, before traffic and again after 100 %.
    pub smoke: Vec<SmokeTest>,
    /// Where people reach the service on local Docker.
    pub public: PublicAddress,
    /// What the local router asks of clients and tasks, and does for the service.
    pub router: Router,
    /// How AWS is reached, where it is.
    pub aws: Aws,
    /// The service on ECS; always there when the platform is ECS.
    pub ecs: Option<Ecs>,
    /// Where the journal is kept.
    pub journal: JournalLocation,
    /// Which version of a secret a release gets.
    pub secrets: SecretPolicy,
    /// `CloudWatch` alarms that fail a deployment.
    pub alarms: Vec<String>,
    /// Findings that are switched off, each with the reason that reports show.
    pub accepted_findings: BTreeMap<Code, String>,
}

/// Where a workload is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkloadSource {
    /// In an ECS task definition in a file.
    TaskDefinition(PathBuf),
    /// In the task definition that the ECS service has now: `task_definition = "live"`.
    Live,
    /// In quickserve.toml itself.
    ShortForm(ShortForm),
}

/// Reads the settings of a layer, or of layers that have been merged. What is wrong has its default, and the
/// decoder knows.
pub(super) fn read(fields: &mut Fields<'_, '_, '_>, key: ServiceKey) -> Settings {
    let local = key.environment() == "local";
    let said = if local {
        fields.optional("platform", platform::platform).or(Some(Platform::Docker))
    } else {
        let hint = "write platform = \"docker\" or platform = \"ecs\"";
        fields.required("platform", hint, platform::platform)
    };
    let platform = said.unwrap_or(Platform::Docker);
    let short_form = short_form::read(fields);
    let workload = match fields.optional("task_definition", values::path) {
        Some(path) if path.as_os_str() == "live" => WorkloadSource::Live,
        Some(path) => WorkloadSource::TaskDefinition(path),
        None => WorkloadSource::ShortForm(short_form),
    };
    let settings = Settings {
        platform,
        workload,
        port: fields.optional("port", values::port),
        container: fields.optional("container", values::name),
        image: fields.optional("image", values::name),
        health_check: fields.optional("health_check", health_check::read).unwrap_or_default(),
        variables: fields.optional("variables", variables).unwrap_or_default(),
        version_variable: fields
            .optional("version_variable", variable)
            .unwrap_or_else(|| "IMAGE_TAG".to_owned()),
        env_contract: fields.optional("env_contract", values::path),
        env_file: fields.optional("env_file", values::path),
        build: fields.optional("build", |d, n| table(|fields| Some(build::read(fields)))(d, n)),
        stages: fields.optional("stages", stages::read).unwrap_or_default(),
        deploy: deploy_of(fields, platform),
        smoke: fields.optional("smoke", values::list(smoke::read)).unwrap_or_default(),
        public: platform::public_address(fields),
        router: fields
            .optional("router", |d, n| table(|fields| Some(router::read(fields)))(d, n))
            .unwrap_or_default(),
        aws: platform::aws(fields),
        ecs: platform::ecs(fields, platform),
        journal: journal_of(fields, platform),
        secrets: fields.optional("secrets", platform::secrets).unwrap_or(SecretPolicy::Pinned),
        alarms: fields.optional("alarms", values::list(values::name)).unwrap_or_default(),
        accepted_findings: fields.optional("findings", accepted_findings).unwrap_or_default(),
        key,
    };
    if said.is_some() {
        check_ports(fields, &settings);
    }
    check_metrics_port(fields, &settings);
    check_health_port(fields, &settings);
    check_smoke_paths(fields, &settings);
    check_live(fields, &settings);
    settings
}

fn deploy_of(fields: &mut Fields<'_, '_, '_>, platform: Platform) -> Deploy {
    let read = |decoder: &mut Decoder<'_>, node: &Node| {
        table(|fields| Some(deploy::read(fields, platform)))(decoder, node)
    };
    fields.optional("deploy", read).unwrap_or_else(|| {
        let empty = Table::default();
        deploy::read(&mut Fields::new(fields.decoder, &empty, fields.span.clone()), platform)
    })
}

fn journal_of(fields: &mut Fields<'_, '_, '_>, platform: Platform) -> JournalLocation {
    let read = match platform {
        Platform::Docker => fields.optional("journal", platform::journal),
        Platform::Ecs => {
            let hint = "write journal = \"s3://bucket/prefix\", whose bucket `quickserve aws bootstrap \
                        s3://bucket/prefix` makes, or \"local\" if only this machine ever deploys";
            fields.required("journal", hint, platform::journal)
        }
    };
    read.unwrap_or(JournalLocation::Local)
}

/// The public port and the container's port go together.
fn check_ports(fields: &mut Fields<'_, '_, '_>, settings: &Settings) {
    if settings.platform != Platform::Docker || !matches!(settings.workload, WorkloadSource::ShortForm(_)) {
        return;
    }
    let public = fields.entry("public_port");
    match (fields.entry("port"), public) {
        (Some(_), None) => {
            let hint = "write public_port = 8080, the port on which people reach the service";
            let message = format!("`public_port` is missing for {}", settings.key);
            fields.missing("public_port", message, hint);
        }
        (None, Some(entry)) => {
            let hint = "write port = 3000, the port on which the container listens";
            fields.decoder.incomplete(
                &entry.key_span,
                "`public_port` needs `port` or `task_definition`",
                hint,
            );
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
}

/// Metrics have a port of their own.
fn check_metrics_port(fields: &mut Fields<'_, '_, '_>, settings: &Settings) {
    let Settings { public, router, .. } = settings;
    let taken = [("public_port", public.port), ("preview_port", public.preview_port)];
    let Some((other, _)) = taken.iter().find(|(_, port)| port.is_some() && *port == router.metrics_port)
    else {
        return;
    };
    let table = fields.entry("router").and_then(|entry| entry.node.as_table());
    if let Some(entry) = table.and_then(|table| table.entry("metrics_port")) {
        let message = format!("`metrics_port` is the `{other}`");
        fields.decoder.incomplete(&entry.node.span, message, "choose another port");
    }
}

/// What is asked on a shared port must be the service's.
fn check_smoke_paths(fields: &mut Fields<'_, '_, '_>, settings: &Settings) {
    let Some(prefix) = &settings.public.rule.path else { return };
    let tables = fields.entry("smoke").and_then(|entry| entry.node.as_list()).unwrap_or_default();
    if tables.len() != settings.smoke.len() {
        // One of them cannot be read, and that is said.
        return;
    }
    for (test, node) in settings.smoke.iter().zip(tables) {
        let path = test.path.split(['?', '#']).next().unwrap_or_default();
        if !prefix.begins(path) {
            let message = format!("`{}` is not asked of this service: its `route` is {prefix}", test.path);
            fields.decoder.incomplete(&node.span, message, format!("ask for {prefix}, or a path below it"));
        }
    }
}

/// A probe goes to the port that takes requests.
fn check_health_port(fields: &mut Fields<'_, '_, '_>, settings: &Settings) {
    let WorkloadSource::ShortForm(_) = settings.workload else { return };
    let HealthCheck { probe, port, .. } = &settings.health_check;
    let asks = port.is_some() || matches!(probe, Some(Probe::Http { .. } | Probe::Tcp));
    let Some(entry) = fields.entry("health_check") else { return };
    let (message, hint) = match settings.port {
        None if asks => (
            "`health_check` asks a port, and the container has none".to_owned(),
            "write port = 3000, or health_check = { stays = \"10s\" } for a worker".to_owned(),
        ),
        Some(own) if port.is_some_and(|port| port != own) => (
            format!("`health_check` asks another port than {own}, where requests go"),
            "a task is probed where its requests go: remove the port of `health_check`".to_owned(),
        ),
        _ => return,
    };
    fields.decoder.incomplete(&entry.node.span, message, hint);
}

fn check_live(fields: &mut Fields<'_, '_, '_>, settings: &Settings) {
    if settings.workload == WorkloadSource::Live
        && settings.platform == Platform::Docker
        && let Some(entry) = fields.entry("task_definition")
    {
        let hint = "name a file here, or use the short form";
        let message = "only an ECS service has a live task definition";
        fields.decoder.incomplete(&entry.node.span, message, hint);
    }
}

fn variables(decoder: &mut Decoder<'_>, node: &Node) -> Option<BTreeMap<String, String>> {
    if let Some(table) = node.as_table() {
        for entry in &table.entries {
            check_variable(decoder, &entry.key_span, &entry.key);
        }
    }
    values::map(values::text)(decoder, node)
}

fn variable(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let name = values::name(decoder, node)?;
    check_variable(decoder, &node.span, &name);
    Some(name)
}

fn check_variable(decoder: &mut Decoder<'_>, span: &Span, name: &str) {
    if !crate::workload::substitute::is_name(name) {
        let hint = "use letters, digits and underscores, not a digit first";
        decoder.bad_value(span, format!("{name:?} is not a variable's name"), hint);
    }
}

fn accepted_findings(decoder: &mut Decoder<'_>, node: &Node) -> Option<BTreeMap<Code, String>> {
    let reasons = values::map(values::name)(decoder, node);
    let mut accepted = BTreeMap::new();
    for entry in node.as_table().into_iter().flat_map(|table| &table.entries) {
        match entry.key.parse::<Code>() {
            Ok(code) if Code::ALL.contains(&code) => {
                let reason = reasons.as_ref().and_then(|reasons| reasons.get(&entry.key));
                accepted.extend(reason.map(|reason| (code, reason.clone())));
            }
            // A reason that is never used would be taken for one that is.
            Ok(code) => {
                let hint = match code.nearest() {
                    Some(near) => format!("did you mean {near}; quickserve explain lists all codes"),
                    None => "quickserve explain lists all codes".to_owned(),
                };
                decoder.bad_value(&entry.key_span, format!("no finding has the code {code}"), hint);
            }
            Err(_) => {
                let message = format!("{:?} is not the code of a finding", entry.key);
                decoder.bad_value(&entry.key_span, message, "write it such as QS503 = \"the reason\"");
            }
        }
    }
    reasons.map(|_| accepted)
}

/// What contradicts itself within one layer: across layers, the more specific one simply wins.
pub(super) fn check_layer(fields: &mut Fields<'_, '_, '_>) {
    if fields.entry("task_definition").is_none() {
        return;
    }
    for key in short_form::KEYS {
        if let Some(entry) = fields.entry(key) {
            let hint = "say it in the task definition, or remove `task_definition`";
            let message = format!("`{key}` has no effect beside `task_definition`");
            let code = fields.decoder.codes.incomplete;
            fields.decoder.report(code, &entry.key_span, message).hint = Some(hint.to_owned());
        }
    }
}

/// The hint for a service or environment that does not exist.
pub(super) fn among(wrong: &str, names: &[&str]) -> String {
    did_you_mean(wrong, names).unwrap_or_else(|| "the file has none".to_owned())
}
