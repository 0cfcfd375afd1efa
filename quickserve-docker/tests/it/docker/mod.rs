//! On a real Docker engine. Where none answers, these fail and say so.

mod cleanup;
mod commands;
mod contract;
mod doom;
mod images;
mod multi;
mod repair;
mod secrets;
mod start;
mod support;
