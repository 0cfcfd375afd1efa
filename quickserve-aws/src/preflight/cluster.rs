//! QS608: the cluster is there, and active.

use quickserve_core::Result;
use quickserve_core::finding::{Code, Finding};
use quickserve_core::preflight::Report;

use crate::clients::Clients;
use crate::error::{Call, call};

const DESCRIBE: Call = call("ecs", "DescribeClusters");

pub(super) async fn cluster(clients: &Clients, cluster: &str) -> Result<Report> {
    let request = clients.ecs().describe_clusters().clusters(cluster);
    let answer = request.send().await.map_err(|error| DESCRIBE.failed(error))?;
    let status = answer.clusters().first().map(|cluster| cluster.status().unwrap_or("in no known state"));
    let region = clients.region().unwrap_or("this region");
    let message = match status {
        Some("ACTIVE") => return Ok(Report::of(Vec::new())),
        Some(status) => format!("cluster {cluster} is {status}"),
        None => format!("cluster {cluster} not found in {region}"),
    };
    let hint = format!("aws ecs list-clusters --region {region} shows those that are there");
    Ok(Report::of(vec![Finding::error(Code::CLUSTER, message).on(cluster).with_hint(hint)]))
}
