//! QS621: the subnets are there, and have addresses for the tasks that a deployment starts beside the old ones.

use std::collections::BTreeMap;

use quickserve_core::Result;
use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::preflight::Report;

use super::declared::Declared;
use super::headroom::{Wanted, wanted};
use super::subject::Subject;
use crate::clients::Clients;
use crate::ec2;
use crate::ecs::Live;

/// Looks at the subnets of a service whose tasks have addresses of their own.
pub(super) async fn subnets(
    clients: &Clients,
    subject: &Subject,
    declared: &Declared,
    live: Option<&Live>,
) -> Result<Report> {
    let named = match live {
        Some(live) => {
            let network = live.service.network_configuration().and_then(|it| it.awsvpc_configuration());
            network.map(|network| network.subnets().to_vec()).unwrap_or_default()
        }
        None => declared.service.subnets().to_vec(),
    };
    if named.is_empty() {
        return Ok(Report::default());
    }
    let free = ec2::free_addresses(clients, &named).await?;
    let region = clients.region().unwrap_or("this region");
    Ok(judge(&named, &free, wanted(subject, live.map(Live::desired)), region))
}

fn judge(named: &[String], free: &BTreeMap<String, u64>, wanted: Wanted, region: &str) -> Report {
    let absent = named.iter().filter(|subnet| !free.contains_key(*subnet)).map(|subnet| {
        let message = format!("subnet {subnet} not found in {region}");
        let hint = "correct the subnets of the service: aws ec2 describe-subnets shows those that are there";
        Finding::error(Code::SUBNETS, message).on(&**subnet).with_hint(hint)
    });
    let report = Report::of(absent.collect());
    let left: u64 = free.values().sum();
    if left >= wanted.beside || report.refuses() {
        return report;
    }
    let severity = if left == 0 && !wanted.may_stop_first { Severity::Error } else { Severity::Warning };
    let message = format!(
        "a deployment starts up to {} tasks beside the old ones, and the subnets have {left} free addresses",
        wanted.beside
    );
    let hint = "each task takes one: add a subnet to the service, or lower maximum_percent and minimum_healthy_percent";
    let finding = Finding::new(Code::SUBNETS, severity, message).on(named.join(", ")).with_hint(hint);
    Report::of(vec![finding])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(free: &[(&str, u64)], beside: u64, may_stop_first: bool) -> Vec<(Severity, String)> {
        let named = ["subnet-1".to_owned(), "subnet-2".to_owned()];
        let free = free.iter().map(|(subnet, free)| ((*subnet).to_owned(), *free)).collect();
        let report = judge(&named, &free, Wanted { beside, may_stop_first }, "us-east-1");
        report.findings.into_iter().map(|finding| (finding.severity, finding.message)).collect()
    }

    #[test]
    fn too_few_addresses_warn_and_none_at_all_refuse_unless_old_tasks_may_go_first() {
        assert_eq!(judged(&[("subnet-1", 1), ("subnet-2", 2)], 3, false), []);
        let severities = |told: Vec<(Severity, String)>| told.into_iter().map(|it| it.0).collect::<Vec<_>>();
        assert_eq!(severities(judged(&[("subnet-1", 1), ("subnet-2", 0)], 2, false)), [Severity::Warning]);
        assert_eq!(severities(judged(&[("subnet-1", 0), ("subnet-2", 0)], 2, false)), [Severity::Error]);
        assert_eq!(severities(judged(&[("subnet-1", 0), ("subnet-2", 0)], 2, true)), [Severity::Warning]);
    }

    #[test]
    fn a_subnet_that_is_not_there_is_named() {
        let told = judged(&[("subnet-1", 9)], 2, false);
        assert_eq!(told, [(Severity::Error, "subnet subnet-2 not found in us-east-1".to_owned())]);
    }
}
