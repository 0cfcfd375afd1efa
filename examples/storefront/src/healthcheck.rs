//! `storefront healthcheck`: lets an image from scratch, without a shell or curl, have a health check.

use std::process::ExitCode;
use std::time::Duration;

use hyper::StatusCode;

use crate::{client, config, output};

/// Shorter than a platform's usual limit, so that the reason is ours to say.
const LIMIT: Duration = Duration::from_secs(2);

/// Exits 0 if `/health` on `PORT` answers 200, else 1 with the reason on stderr.
pub(crate) async fn check() -> ExitCode {
    match ask().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            output::error(&format!("error: {reason}"));
            ExitCode::FAILURE
        }
    }
}

async fn ask() -> Result<(), String> {
    let port = config::process_port().map_err(|problems| problems.lines().collect::<Vec<_>>().join("; "))?;
    match client::get("127.0.0.1", port, "/health", LIMIT).await {
        Ok((StatusCode::OK, _)) => Ok(()),
        Ok((status, body)) => {
            Err(format!("unhealthy: {} {}", status.as_u16(), String::from_utf8_lossy(&body)))
        }
        Err(error) => Err(format!("cannot ask 127.0.0.1:{port}: {error}")),
    }
}
