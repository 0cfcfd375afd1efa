//! The real binary, started on a free port and asked from outside.

mod drain;
mod faults;
mod health;
mod http;
mod process;
mod routes;
mod start;
mod streams;
mod task;
