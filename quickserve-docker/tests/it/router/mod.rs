//! The router, between real sockets.

mod contract;
mod control;
mod durability;
mod forwarding;
mod launching;
mod preview;
mod retrying;
mod streaming;
mod support;
mod switching;
