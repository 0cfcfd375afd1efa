//! Connections that leave HTTP, such as WebSockets.

use http::Response;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::traffic::Claim;

/// What a tunnel needs to live as long as it may.
#[derive(Debug, Clone)]
pub(super) struct Tunnels {
    pub(super) tracker: TaskTracker,
    /// Ends all that is left.
    pub(super) cut: CancellationToken,
}

impl Tunnels {
    /// Passes bytes between a client and the task that accepted its upgrade until both have closed. The
    /// claim on the task lasts as long.
    pub(super) fn open(&self, client: OnUpgrade, answer: &mut Response<Incoming>, claim: Claim) {
        let task = hyper::upgrade::on(answer);
        let cut = self.cut.clone();
        self.tracker.spawn(async move {
            let pass = async {
                let (client, task) = tokio::try_join!(client, task)?;
                let (mut client, mut task) = (TokioIo::new(client), TokioIo::new(task));
                // How a tunnel ends is between its two ends.
                let _ = copy_bidirectional(&mut client, &mut task).await;
                Ok::<_, hyper::Error>(())
            };
            tokio::select! {
                passed = pass => if let Err(error) = passed {
                    tracing::debug!(%error, task = %claim.upstream.task, "an upgrade came to nothing");
                },
                () = cut.cancelled() => {}
            }
            drop(claim);
        });
    }
}
