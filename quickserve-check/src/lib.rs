//! Reads the files that a deployment is made of, and says what in them cannot work: all of it at once, each with
//! its place, and nothing is changed or run.
//!
//! The one idea is *files → facts → findings*. A [`Subject`] says which files; [`Facts::read`] reads each of them
//! once, strictly, and all at a time; the checks look at facts alone, so that one which compares two files (the port
//! of a Dockerfile with that of a task definition) is as simple as one that reads a single line. What a file says of
//! itself that is wrong, such as JSON that is none, is found while it is read.
//!
//! | family | looks at | module |
//! |---|---|---|
//! | QS1xx | the contract of variables, their values, secrets, the code that reads them | [`contract`], [`secrets`], [`code`] |
//! | QS2xx, QS3xx, QS4xx | the task definition, its ports, images and health | [`definition`] |
//! | QS305 | reports of scanners, beside the image | [`scanned`] |
//! | QS5xx | Dockerfile and build context | [`dockerfile`] |
//! | QS8xx | workflows and scripts | [`workflow`] |
//! | QS201, QS302 | compose files | `compose` |
//!
//! Facts that change by themselves, such as a port that is held, are not in files: `quickserve_core::preflight` and
//! the platforms look at those.
//!
//! ```no_run
//! use quickserve_check::{Subject, check};
//!
//! let report = check(&Subject::in_folder("."));
//! for finding in &report.findings {
//!     println!("{finding:#}");
//! }
//! ```

mod agreement;
mod ask;
#[cfg(test)]
mod case_study;
pub mod code;
mod compose;
pub mod contract;
pub mod definition;
pub mod dockerfile;
#[cfg(test)]
mod effort;
mod facts;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod git;
mod hide;
mod inside;
mod placeholder;
mod processor;
pub mod scanned;
pub mod secrets;
mod subject;
mod text;
pub mod workflow;

pub use ask::end as end_programs;
pub use facts::{Facts, check, sort};
pub use hide::{hide, mask};
pub use subject::{EnvironmentFile, Rollout, Subject, is_template};
pub use text::Text;
