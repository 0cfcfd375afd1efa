//! A router as it runs: a parent, a worker, and followers. All of them are processes.

mod certificates;
mod deaths;
mod observed;
mod support;
mod upgrades;
