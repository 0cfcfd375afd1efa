//! QS613: the log groups of the containers are there, or made.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use quickserve_core::Result;
use quickserve_core::finding::{Code, Finding};
use quickserve_core::preflight::Report;

use super::declared::LogTarget;
use super::told::told;
use crate::clients::Clients;
use crate::error::{Call, call};

const DESCRIBE: Call = call("logs", "DescribeLogGroups");

pub(super) async fn log_groups(clients: &Clients, logs: &[LogTarget]) -> Report {
    let mut containers: BTreeMap<(Option<&str>, &str), Vec<&str>> = BTreeMap::new();
    // What still has a placeholder in it is for other checks.
    for log in logs.iter().filter(|log| !log.is_made && !log.group.contains("${")) {
        containers.entry((log.region.as_deref(), &log.group)).or_default().push(&log.container);
    }
    let looks = containers.iter().map(|((region, group), containers)| async move {
        let clients = region.map_or_else(|| clients.clone(), |region| clients.in_region(region));
        let there = exists(&clients, group).await.map(|there| judge(&clients, group, containers, there));
        told(&format!("log group {group}"), there)
    });
    join_all(looks).await.into_iter().fold(Report::default(), Report::and)
}

async fn exists(clients: &Clients, group: &str) -> Result<bool> {
    // Groups come in the order of their names: one that is the whole prefix comes first.
    let request = clients.logs().describe_log_groups().log_group_name_prefix(group).limit(1);
    let answer = request.send().await.map_err(|error| DESCRIBE.failed(error))?;
    Ok(answer.log_groups().iter().any(|found| found.log_group_name() == Some(group)))
}

fn judge(clients: &Clients, group: &str, containers: &[&str], there: bool) -> Report {
    if there {
        return Report::of(Vec::new());
    }
    let region = clients.region().unwrap_or("this region");
    let message = format!("log group {group} not found in {region}, and nobody makes it");
    let hint = format!(
        "aws logs create-log-group --region {region} --log-group-name {group}, or \"awslogs-create-group\": \"true\""
    );
    let place = format!("container {}", containers.join(", "));
    Report::of(vec![Finding::error(Code::LOG_GROUP, message).on(place).with_hint(hint)])
}
