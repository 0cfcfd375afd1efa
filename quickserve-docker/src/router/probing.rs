//! Asks the tasks of a service whether they are well, where it asks for that.

use std::sync::Arc;

use futures_util::future::join_all;
use quickserve_core::health::{HealthProber as _, ProbeRequest};
use tokio_util::task::AbortOnDropHandle;

use super::options::Check;
use super::traffic::Traffic;
use super::upstream::Upstream;
use crate::prober::HttpProber;

/// Asks for as long as what is returned lives.
pub(super) fn probe(traffic: &Arc<Traffic>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(run(Arc::clone(traffic))))
}

async fn run(traffic: Arc<Traffic>) {
    loop {
        let Some(check) = traffic.wishes().options.check.clone() else {
            for upstream in traffic.upstreams() {
                upstream.forget_probes();
            }
            traffic.reconfigured().await;
            continue;
        };
        tokio::select! {
            () = tokio::time::sleep(check.interval) => {}
            () = traffic.reconfigured() => continue,
        }
        join_all(traffic.upstreams().iter().map(|upstream| ask(upstream, &check))).await;
    }
}

async fn ask(upstream: &Upstream, check: &Check) {
    let request = ProbeRequest {
        address: upstream.address,
        path: check.path.clone(),
        headers: Vec::new(),
        timeout: check.timeout,
    };
    match HttpProber::default().probe(&request).await {
        Ok(report) => upstream.probed(report.is_healthy(), check),
        // That says nothing of the task.
        Err(error) => tracing::warn!(%error, task = %upstream.task, "a task cannot be asked"),
    }
}
