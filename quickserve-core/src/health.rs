//! Asking a task whether it is well: one attempt at a time.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;

/// Makes one attempt to learn how something answers.
///
/// It never repeats: cadence and thresholds are the engine's. An unhealthy answer, a refused connection and
/// a timeout are data that say what was seen; an `Err` means that the prober itself could not try.
#[async_trait]
pub trait HealthProber: fmt::Display + fmt::Debug + Send + Sync + 'static {
    /// One attempt.
    async fn probe(&self, request: &ProbeRequest) -> Result<ProbeReport>;
}

/// What to ask, and whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRequest {
    /// Whom.
    pub address: SocketAddr,
    /// The path to `GET`; without one, opening a TCP connection is the whole attempt.
    pub path: Option<String>,
    /// Headers to send beside `Host`.
    pub headers: Vec<(String, String)>,
    /// For the whole attempt.
    pub timeout: Duration,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeReport {
    /// The connection opened (when no path was asked for).
    Connected,
    /// An HTTP answer came.
    Answered {
        /// Its status.
        status: u16,
        /// The beginning of its body, at most 64 KiB.
        body: String,
    },
    /// No answer, with what was seen, such as `connection refused` or `no answer within 2s`.
    Silent {
        /// What was seen.
        why: String,
    },
}

impl ProbeReport {
    /// Whether it is what a healthy task answers: a connection, or a 2xx or 3xx status.
    pub fn is_healthy(&self) -> bool {
        match self {
            Self::Connected => true,
            Self::Answered { status, .. } => (200..400).contains(status),
            Self::Silent { .. } => false,
        }
    }
}

impl fmt::Display for ProbeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("connected"),
            Self::Answered { status, .. } => write!(f, "answered {status}"),
            Self::Silent { why } => f.write_str(why),
        }
    }
}
