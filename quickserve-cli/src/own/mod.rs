//! The router's own processes, a parent and its worker, known by arguments that this program writes itself.
//!
//! They stay for months, and what understands all other arguments would stay with them: its tables, its heap and the
//! stack that it needed (docs/design/router-cost.md). So they are understood without it, and what is here is all of
//! which `quickserve-router` is made (docs/design/router-processes.md); nothing else of this package may be used.

mod arguments;
mod run;

pub(crate) use arguments::{Asked, Own, read, worker_arguments};
pub(crate) use run::{log, supervise, work};
