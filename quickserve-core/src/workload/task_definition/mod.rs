//! ECS task definitions: strict JSON, as for `aws ecs register-task-definition` or as `describe-task-definition`
//! answers.

mod container;
mod dependencies;
mod fields;
mod read;

pub use read::{Reading, TaskDefinition};
