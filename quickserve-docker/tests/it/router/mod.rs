//! The router, between real sockets.

mod access_log;
mod contract;
mod control;
mod durability;
mod forwarding;
mod health;
mod holding;
mod http2;
mod idle;
mod launching;
mod limits;
mod metrics;
mod preview;
mod processes;
mod retrying;
mod sharing;
mod sticky;
mod streaming;
mod support;
mod switching;
mod tls;
