//! On a real Docker engine. Where none answers, these fail and say so.

mod cleanup;
mod contract;
mod doom;
mod images;
mod multi;
mod secrets;
mod start;
mod support;
