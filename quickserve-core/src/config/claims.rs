//! What only one service of an environment can have: its public port, where requests cannot be told apart, its other
//! ports, its ECS service.

use std::net::IpAddr;

use crate::config::settings::Settings;
use crate::config::{Ecs, Platform, PublicAddress};
use crate::document::{Decoder, Span, Table};
use crate::service::ServiceKey;
use crate::traffic::Rule;

/// What a service claims for itself.
pub(super) struct Claim {
    owner: ServiceKey,
    what: Claimed,
    span: Span,
}

enum Claimed {
    Port(IpAddr, u16),
    Public(Public),
    EcsService(String, String),
}

/// A public port, and which requests of it; with TLS or without.
struct Public {
    host: IpAddr,
    port: u16,
    rule: Rule,
    tls: bool,
    /// Where the rule is written, if it is.
    rule_span: Option<Span>,
}

impl Claim {
    pub(super) fn of(settings: &Settings, merged: &Table) -> Vec<Self> {
        let span = |key: &str| Some(merged.entry(key)?.node.span.clone());
        let claims = match (settings.platform, &settings.ecs) {
            (Platform::Docker, _) => {
                let PublicAddress { host, port, rule, preview_port, tls, .. } = &settings.public;
                let public = |port| {
                    let (host, rule, tls) = (*host, rule.clone(), tls.is_some());
                    Claimed::Public(Public { host, port, rule, tls, rule_span: span("route") })
                };
                let preview = |port| Claimed::Port(*host, port);
                vec![("public_port", port.map(public)), ("preview_port", preview_port.map(preview))]
            }
            (Platform::Ecs, Some(Ecs { cluster, service, .. })) => {
                vec![("ecs_service", Some(Claimed::EcsService(cluster.clone(), service.clone())))]
            }
            (Platform::Ecs, None) => Vec::new(),
        };
        let claim = |(key, what): (&str, Option<Claimed>)| {
            Some(Self { owner: settings.key.clone(), what: what?, span: span(key)? })
        };
        claims.into_iter().filter_map(claim).collect()
    }

    fn clashes(&self, other: &Self) -> bool {
        let same = match (&self.what, &other.what) {
            (Claimed::Public(public), Claimed::Public(other)) => {
                let may_share =
                    public.host == other.host && public.tls == other.tls && !public.rule.clashes(&other.rule);
                public.port == other.port && overlaps(public.host, other.host) && !may_share
            }
            (Claimed::EcsService(cluster, service), Claimed::EcsService(other, name)) => {
                cluster == other && service == name
            }
            _ => match (self.address(), other.address()) {
                (Some((host, port)), Some((other, number))) => port == number && overlaps(host, other),
                _ => false,
            },
        };
        same && self.owner.environment() == other.owner.environment() && self.owner != other.owner
    }

    fn address(&self) -> Option<(IpAddr, u16)> {
        match &self.what {
            Claimed::Port(host, port) | Claimed::Public(Public { host, port, .. }) => Some((*host, *port)),
            Claimed::EcsService(..) => None,
        }
    }
}

fn overlaps(host: IpAddr, other: IpAddr) -> bool {
    host == other || host.is_unspecified() || other.is_unspecified()
}

/// Two services of one environment cannot have one port, nor be one ECS service.
pub(super) fn check_claims(decoder: &mut Decoder<'_>, claims: &[Claim]) {
    for (index, claim) in claims.iter().enumerate() {
        let Some(first) = claims[..index].iter().find(|first| first.clashes(claim)) else { continue };
        let (owner, other) = (&claim.owner, &first.owner);
        let (span, message, hint) = match (&claim.what, &first.what) {
            (Claimed::Public(public), Claimed::Public(theirs)) => clash(claim, public, first, theirs),
            (Claimed::EcsService(_, service), _) => (
                &claim.span,
                format!("ECS service {service} is also that of {other}"),
                format!("choose another ECS service for {owner}"),
            ),
            (Claimed::Port(_, port) | Claimed::Public(Public { port, .. }), _) => (
                &claim.span,
                format!("port {port} is also that of {other}"),
                format!("choose another port for {owner}"),
            ),
        };
        decoder.incomplete(span, message, hint);
    }
}

/// Why two services cannot share a public port.
fn clash<'c>(
    claim: &'c Claim,
    public: &'c Public,
    first: &Claim,
    theirs: &Public,
) -> (&'c Span, String, String) {
    let (owner, other) = (&claim.owner, &first.owner);
    let which = |rule: &Rule| if rule.is_any() { "every request".to_owned() } else { rule.to_string() };
    if public.rule.clashes(&theirs.rule) {
        // The same hosts in another order are the same requests.
        let (ours, theirs) = (which(&public.rule), which(&theirs.rule));
        let message = format!("port {} for {ours} is also that of {other}, for {theirs}", public.port);
        let hint = format!("give {owner} a [route] of its own, or another port");
        return (public.rule_span.as_ref().unwrap_or(&claim.span), message, hint);
    }
    let what = if public.tls == theirs.tls { "`public_host`" } else { "`tls`" };
    let message = format!("port {} is also that of {other}, with another {what}", public.port);
    let hint = format!("write the same {what} for both, or choose another port for {owner}");
    (&claim.span, message, hint)
}
