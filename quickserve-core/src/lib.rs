//! QuickServe's core: the model of a deployment, the traits that platforms implement, planners, engine and
//! journal.

pub mod clock;
pub mod config;
pub mod engine;
pub mod error;
pub mod event;
pub mod fault;
pub mod fence;
pub mod finding;
pub mod health;
pub mod journal;
pub mod memory;
pub mod orchestrator;
pub mod outcome;
pub mod plan;
pub mod preflight;
pub mod registry;
pub mod release;
pub mod secrets;
pub mod service;
pub mod traffic;
pub mod workload;

mod document;
mod steps;

pub use error::{Error, ErrorKind, Result, Retry};
