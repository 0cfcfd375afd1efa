//! On a real Docker engine. Where none answers, these fail and say so.

mod doom;
mod multi;
mod start;
mod support;
