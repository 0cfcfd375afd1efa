//! The traffic router: a small process that owns the public ports and sends each request to a task.
//!
//! One router runs per state folder and serves any number of services. It keeps serving without any
//! `quickserve` command: commands talk to it through a control socket in its folder ([`RouterControl`] for
//! the router as a whole, [`RouterClient`] for one service), and what they decide is durable before it is
//! answered, so that a router which was killed comes back as it was.
//!
//! What it promises:
//! - A new split takes effect at one instant: once [`set`](quickserve_core::traffic::TrafficRouter::set) has
//!   answered, no request is sent to a task outside of it any more, and every request that is still with
//!   such a task is counted in [`in_flight`](quickserve_core::traffic::TrafficRouter::in_flight).
//! - A request that did not reach its task is sent to another one, whatever its method. One that may have
//!   reached it is sent again only when repeating it is harmless (RFC 9110, 9.2.2) and it has no body.
//! - Bodies are streamed both ways and never held back; WebSockets outlive a switch.
//!
//! ```no_run
//! use quickserve_core::service::ServiceKey;
//! use quickserve_core::traffic::TrafficRouter;
//! use quickserve_docker::router::{RouterControl, RouterSettings};
//!
//! # async fn example() -> quickserve_core::Result<()> {
//! let settings = RouterSettings::new("/home/me/.local/state/quickserve/router");
//! let control = RouterControl::new(&settings.dir);
//! tokio::spawn(quickserve_docker::router::run(settings, std::future::pending()));
//!
//! let service = control.service(ServiceKey::new("storefront", "local")?);
//! let (split, version) = service.split().await?;
//! # Ok(())
//! # }
//! ```

mod access_log;
mod activity;
mod answer;
mod attempt;
mod backoff;
mod body;
mod budget;
mod checks;
mod client;
mod connection;
mod control;
mod counters;
mod door;
mod entrance;
mod folder;
mod forward;
mod frames;
mod headers;
mod histogram;
mod holder;
mod hub;
mod hung;
mod idle;
mod launch;
mod listen;
mod live;
mod metrics;
mod multiplex;
mod options;
mod pool;
mod probing;
mod process;
mod protocol;
mod replay;
mod routes;
mod run;
mod services;
mod state;
mod sticky;
mod strays;
mod succession;
mod table;
mod tls;
mod traffic;
mod tunnel;
mod upstream;
mod wire;

pub use client::{RouterClient, RouterControl};
pub use launch::{Launch, ensure_running};
pub use listen::{ListenSpec, Listening};
pub use options::{Check, Limits, Options, Tls};
pub use process::{Supervision, Supervisor, supervise, work};
pub use protocol::{FollowerStatus, ServiceStatus, Status};
pub use run::{RouterSettings, run};
