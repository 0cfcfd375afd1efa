//! All checks, at a time.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use futures_util::future::join_all;
use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::preflight::Report;
use quickserve_core::{ErrorKind, Result};

use super::balancer::Balancer;
use super::declared::Declared;
use super::identity::{self, Identity};
use super::roles::{Taken, roles};
use super::subject::Subject;
use super::told::{told, unchecked};
use super::{alarms, cluster, drift, headroom, logs, permissions, service, subnets, targets};
use crate::clients::Clients;
use crate::ecs::{self, Live};
use crate::policy::{Place, deployer, execution_role};
use crate::secrets::{self, Source};

/// Makes every check of a service on AWS; the findings, the gravest first. Every call is a read.
///
/// Nothing that goes wrong ends it: a check that could not be made is a finding of its own.
pub async fn check(clients: &Clients, subject: &Subject) -> Report {
    let (who, cluster, live) = tokio::join!(
        identity::find(clients),
        cluster::cluster(clients, &subject.cluster),
        ecs::live(clients.ecs(), &subject.cluster, &subject.service),
    );
    let who = match who {
        Ok(who) => who,
        Err(error) => return Report::of(vec![identity::unknown(&error)]),
    };
    let declared = match Declared::read(subject) {
        Ok(declared) => declared,
        Err(error) => return Report::of(vec![unchecked("what the service needs of AWS", &error)]),
    };
    let cluster = told(&format!("cluster {}", subject.cluster), cluster);
    let report = if cluster.refuses() {
        cluster
    } else {
        match live {
            Ok(live) => cluster.and(around(clients, subject, &declared, &who, live.as_ref()).await),
            Err(error) => cluster.and(Report::of(vec![unseen(subject, &error)])),
        }
    };
    let place = of(clients, &who, BTreeSet::new());
    sorted(report.and(identity::belongs(subject, &declared, &place)))
}

/// Where a service is, and with which keys its secrets are encrypted: what [`policy::document`](crate::policy::document)
/// writes a policy for. Keys that could not be looked up are findings.
///
/// # Errors
/// When AWS cannot be asked who asks, or the task definition cannot be read.
pub async fn place(clients: &Clients, subject: &Subject) -> Result<(Place, Vec<Finding>)> {
    let declared = Declared::read(subject)?;
    let (who, keys) = tokio::join!(identity::find(clients), keys(clients, &declared));
    let (keys, unseen) = match keys {
        Ok(keys) => (keys, Vec::new()),
        Err(error) => (BTreeSet::new(), vec![unchecked("the keys of the secrets", &error)]),
    };
    Ok((of(clients, &who?, keys), unseen))
}

/// What changes by itself between the checks and the deployment, looked at once more: the service, its log groups, its
/// target groups and the alarms. Only what refuses is told.
pub async fn again(clients: &Clients, subject: &Subject) -> Report {
    let live = match ecs::live(clients.ecs(), &subject.cluster, &subject.service).await {
        Ok(live) => live,
        Err(error) => return Report::of(vec![unseen(subject, &error)]),
    };
    let declared = match Declared::read(subject) {
        Ok(declared) => declared,
        Err(error) => return Report::of(vec![unchecked("what the service needs of AWS", &error)]),
    };
    let balancers = balancers(&declared, live.as_ref());
    let (logs, targets, alarms) = tokio::join!(
        logs::log_groups(clients, &declared.logs),
        targets::targets(clients, subject, &declared, &balancers),
        alarms::alarms(clients, &subject.alarms),
    );
    let mut report =
        service::service(subject, live.as_ref()).and(logs).and(targets).and(told("alarms", alarms));
    report.findings.retain(|finding| finding.severity == Severity::Error);
    sorted(report)
}

fn of(clients: &Clients, who: &Identity, keys: BTreeSet<String>) -> Place {
    Place {
        partition: who.arn.partition.clone(),
        region: clients.region().unwrap_or_default().to_owned(),
        account: who.arn.account.clone(),
        keys,
    }
}

/// Without this call no deployment can be made: that it is denied is no matter of a check.
fn unseen(subject: &Subject, error: &quickserve_core::Error) -> Finding {
    if error.kind() != ErrorKind::PermissionDenied {
        return unchecked(&format!("service {}", subject.service), error);
    }
    let mut finding = Finding::error(Code::MISSING_PERMISSION, error.to_string()).on(&*subject.service);
    finding.hint = error.hint().map(str::to_owned);
    finding
}

/// The checks of what is around a service in a cluster that is there.
async fn around(
    clients: &Clients,
    subject: &Subject,
    declared: &Declared,
    who: &Identity,
    live: Option<&Live>,
) -> Report {
    let balancers = balancers(declared, live);
    let place = of(clients, who, BTreeSet::new());
    let taken = taken(declared, &balancers, &place);
    let (permissions, roles, headroom, subnets, logs, targets, alarms, drift) = tokio::join!(
        permissions(clients, subject, declared, who),
        roles(clients, &taken),
        headroom::headroom(clients, subject, declared, live),
        subnets::subnets(clients, subject, declared, live),
        logs::log_groups(clients, &declared.logs),
        targets::targets(clients, subject, declared, &balancers),
        alarms::alarms(clients, &subject.alarms),
        drift::drift(clients, subject, live),
    );
    service::service(subject, live)
        .and(permissions)
        .and(roles)
        .and(told("room on the instances", headroom))
        .and(told("room in the subnets", subnets))
        .and(logs)
        .and(targets)
        .and(told("alarms", alarms))
        .and(told("the live task definition", drift))
}

/// What stands in front of the service, or will.
fn balancers(declared: &Declared, live: Option<&Live>) -> Vec<Balancer> {
    match live {
        Some(live) => live.service.load_balancers().iter().map(Balancer::from).collect(),
        None => declared.service.load_balancers.clone().unwrap_or_default(),
    }
}

/// The roles that must be there, and who takes them. A role of another account is a finding of its own.
fn taken(declared: &Declared, balancers: &[Balancer], place: &Place) -> Vec<Taken> {
    let tasks = declared.roles(place).into_iter().map(|role| Taken { role, by: "ecs-tasks.amazonaws.com" });
    let shifting = balancers.iter().filter_map(|it| it.shift.as_ref()?.role.as_ref());
    let shifting = shifting.map(|role| Taken { role: place.role(role), by: "ecs.amazonaws.com" });
    let ours = format!("::{}:", place.account);
    let all: BTreeSet<Taken> = tasks.chain(shifting).filter(|it| it.role.contains(&ours)).collect();
    all.into_iter().collect()
}

/// What deploys, and what runs, may do what it does.
async fn permissions(clients: &Clients, subject: &Subject, declared: &Declared, who: &Identity) -> Report {
    let (place, report) = match keys(clients, declared).await {
        Ok(keys) => (of(clients, who, keys), Report::default()),
        Err(error) => {
            let finding = unchecked("the keys of the secrets", &error);
            (of(clients, who, BTreeSet::new()), Report::of(vec![finding]))
        }
    };
    let ours = async {
        let needs = deployer(subject, &place)?;
        permissions::deployer(clients, who, &needs).await
    };
    let roles = async {
        let Some(role) = &declared.execution_role else { return Ok(Report::default()) };
        let needs = execution_role(subject, &place)?;
        permissions::execution_role(clients, &place.role(role), &needs).await
    };
    let (ours, roles) = tokio::join!(ours, roles);
    report
        .and(told("what the deploying identity may do", ours))
        .and(told("what the execution role may do", roles))
}

/// The keys that secrets are encrypted with, beside AWS's own. A secret that is not there has none.
async fn keys(clients: &Clients, declared: &Declared) -> Result<BTreeSet<String>> {
    let named = declared.secrets.iter().filter_map(|source| match source {
        Source::Secret(secret) | Source::Either(_, secret) => Some(secret),
        Source::Parameter(_) => None,
    });
    let looks = join_all(named.map(|secret| secrets::describe(clients, secret))).await;
    let described: Vec<_> = looks.into_iter().collect::<Result<_>>()?;
    Ok(described.into_iter().flatten().filter_map(|secret| secret.key).collect())
}

fn sorted(mut report: Report) -> Report {
    report.findings.sort_by(|one, next| {
        let key = |it: &Finding| (Reverse(it.severity), it.code, it.message.clone());
        key(one).cmp(&key(next))
    });
    report
}
