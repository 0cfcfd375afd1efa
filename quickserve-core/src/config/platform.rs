//! Where a service runs: the platform's own settings.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::config::public_url::PublicUrl;
use crate::document::{Decoder, Fields, Node, table, values};
use crate::error::Error;
use crate::traffic::Rule;
use crate::workload::Protocol;

/// What runs the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Platform {
    /// The Docker engine that this machine talks to.
    Docker,
    /// Amazon ECS.
    Ecs,
}

const PLATFORMS: &[(&str, Platform)] = &[("docker", Platform::Docker), ("ecs", Platform::Ecs)];

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Docker => "docker",
            Self::Ecs => "ecs",
        })
    }
}

/// Where people reach a service on local Docker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicAddress {
    /// The address that the router listens on. Default: 127.0.0.1.
    pub host: IpAddr,
    /// The stable port. A service that takes requests needs one on Docker; a worker and ECS have none.
    pub port: Option<u16>,
    /// Which requests of the stable port are for it. Default: those that are for no other service there.
    pub rule: Rule,
    /// The port on which the staged release answers.
    pub preview_port: Option<u16>,
    /// The certificate with which the stable port speaks TLS. Without one it speaks plain HTTP.
    pub tls: Option<Tls>,
    /// What the tasks speak. Default: HTTP/1.1.
    pub upstream: Protocol,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// The router makes one for `localhost`: `tls = "local"`.
    Local,
    /// From two files in PEM.
    Files {
        /// The certificate, and those that vouch for it after it.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

const PROTOCOLS: &[(&str, Protocol)] = &[("http1", Protocol::Http1), ("h2c", Protocol::H2c)];

/// How AWS is reached: for a service on ECS, and for a journal on S3.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aws {
    /// Such as `us-east-1`; what the AWS configuration says without one.
    pub region: Option<String>,
    /// The ARN of the role to deploy as; the caller's own identity without one.
    pub assume_role: Option<String>,
}

/// The service on ECS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ecs {
    /// The cluster's name or ARN.
    pub cluster: String,
    /// The service's name or ARN.
    pub service: String,
    /// Where people reach it, for the smoke checks: ECS does not say.
    pub public_url: Option<PublicUrl>,
    /// The file that says how the service is made where it does not exist: JSON as for `aws ecs create-service
    /// --cli-input-json`. Without one a service must exist.
    pub definition: Option<PathBuf>,
    /// Where a release of a blue/green, canary or linear deployment is asked before it gets ordinary requests:
    /// `host:port`, plain HTTP, as it is reached from whoever deploys. Without one its smoke checks are not made there.
    pub test_listener: Option<String>,
}

/// Where the journal is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalLocation {
    /// On this machine. Default on Docker; on ECS it is said on purpose.
    Local,
    /// In object storage: `s3://bucket/prefix`.
    Url(String),
}

/// Which version of a secret a release gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretPolicy {
    /// The version that was current when the release was made; a rollback brings it back. Default.
    Pinned,
    /// Whatever is current when a task starts.
    Current,
}

const SECRET_POLICIES: &[(&str, SecretPolicy)] =
    &[("pinned", SecretPolicy::Pinned), ("current", SecretPolicy::Current)];

pub(super) fn platform(decoder: &mut Decoder<'_>, node: &Node) -> Option<Platform> {
    values::choice(PLATFORMS)(decoder, node)
}

pub(super) fn secrets(decoder: &mut Decoder<'_>, node: &Node) -> Option<SecretPolicy> {
    values::choice(SECRET_POLICIES)(decoder, node)
}

pub(super) fn public_address(fields: &mut Fields<'_, '_, '_>) -> PublicAddress {
    let port = fields.optional("public_port", values::port);
    let preview_port = fields.optional("preview_port", values::port);
    if port.is_some()
        && port == preview_port
        && let Some(entry) = fields.entry("preview_port")
    {
        let message = "`preview_port` is the public port";
        fields.decoder.incomplete(&entry.node.span, message, "choose another port");
    }
    let host = fields.optional("public_host", address).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let rule = fields.optional("route", rule).unwrap_or_default();
    let tls = fields.optional("tls", tls);
    let upstream = fields.optional("upstream", values::choice(PROTOCOLS)).unwrap_or_default();
    PublicAddress { host, port, rule, preview_port, tls, upstream }
}

/// Reads `hosts` and `path`.
fn rule(decoder: &mut Decoder<'_>, node: &Node) -> Option<Rule> {
    let rule = table(|fields| {
        let hosts = fields.optional("hosts", values::list(parsed)).unwrap_or_default();
        Some(Rule { hosts, path: fields.optional("path", parsed) })
    })(decoder, node)?;
    if !rule.hosts.is_empty() && rule.name().is_none() {
        let hint = "name one host without `*.`, too: smoke tests ask the service by it";
        decoder.incomplete(&node.span, "`hosts` has no host by its name", hint);
    }
    Some(rule)
}

fn parsed<T: FromStr<Err = Error>>(decoder: &mut Decoder<'_>, node: &Node) -> Option<T> {
    let text = values::name(decoder, node)?;
    let parsed = text.parse();
    parsed
        .map_err(|error: Error| decoder.bad_value(&node.span, &error, error.hint().unwrap_or_default()))
        .ok()
}

/// Reads `"local"`, or a table with `certificate` and `key`.
fn tls(decoder: &mut Decoder<'_>, node: &Node) -> Option<Tls> {
    const HINT: &str = "write \"local\", or a table with certificate = \"...\" and key = \"...\"";
    if node.as_table().is_none() {
        let text = values::name(decoder, node)?;
        if text != "local" {
            decoder.bad_value(&node.span, format!("{text:?} is not a certificate"), HINT);
            return None;
        }
        return Some(Tls::Local);
    }
    table(|fields| {
        let certificate = fields.required("certificate", HINT, values::path);
        let key = fields.required("key", HINT, values::path);
        Some(Tls::Files { certificate: certificate?, key: key? })
    })(decoder, node)
}

fn address(decoder: &mut Decoder<'_>, node: &Node) -> Option<IpAddr> {
    let text = values::name(decoder, node)?;
    let parsed = text.parse().ok();
    if parsed.is_none() {
        let hint = "write an address of this machine, such as \"127.0.0.1\", or \"0.0.0.0\" for all";
        decoder.bad_value(&node.span, format!("{text:?} is not an IP address"), hint);
    }
    parsed
}

pub(super) fn journal(decoder: &mut Decoder<'_>, node: &Node) -> Option<JournalLocation> {
    let text = values::name(decoder, node)?;
    let bucket = text.strip_prefix("s3://").and_then(|rest| rest.split('/').next());
    match bucket {
        _ if text == "local" => Some(JournalLocation::Local),
        Some(bucket) if !bucket.is_empty() => Some(JournalLocation::Url(text)),
        _ => {
            let hint = "write \"s3://bucket/prefix\", or \"local\" for this machine";
            decoder.bad_value(&node.span, format!("{text:?} is not a place for a journal"), hint);
            None
        }
    }
}

/// Reads what says how AWS is reached.
pub(super) fn aws(fields: &mut Fields<'_, '_, '_>) -> Aws {
    let region = fields.optional("region", values::name);
    let assume_role = fields.optional("assume_role", values::name);
    Aws { region, assume_role }
}

/// Reads the keys of ECS; the required ones are required only there.
pub(super) fn ecs(fields: &mut Fields<'_, '_, '_>, platform: Platform) -> Option<Ecs> {
    if platform != Platform::Ecs {
        fields.optional("cluster", values::name);
        fields.optional("ecs_service", values::name);
        fields.optional("service_definition", values::path);
        fields.optional("test_listener", listener);
        fields.optional("public_url", parsed::<PublicUrl>);
        return None;
    }
    let cluster = fields.required("cluster", "name the ECS cluster", values::name);
    let service = fields.required("ecs_service", "name the ECS service", values::name);
    let definition = fields.optional("service_definition", values::path);
    let public_url = fields.optional("public_url", parsed);
    let test_listener = fields.optional("test_listener", listener);
    Some(Ecs { cluster: cluster?, service: service?, definition, public_url, test_listener })
}

/// `host:port`; the host may be an IPv6 address in brackets.
fn listener(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = values::text(decoder, node)?;
    let is_place = text.rsplit_once(':').is_some_and(|(host, port)| {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let host_fits = !bare.is_empty() && (bare != host || !bare.contains([':', '/']));
        host_fits && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if !is_place {
        let message = format!("{text:?} is not a host and a port");
        decoder.bad_value(&node.span, message, "write it as \"internal-shop-1.example.com:8443\"");
        return None;
    }
    Some(text)
}
