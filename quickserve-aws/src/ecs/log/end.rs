//! The end of a container's log, for the report of a failure.

use aws_sdk_ecs::types::Container;

use super::super::platform::Ecs;
use super::output::Output;
use super::page::{From, Place};

/// How many last lines are shown.
const LINES: usize = 20;

impl Ecs {
    /// The last lines that a task's container wrote, or why they are not to be had.
    pub(in crate::ecs) async fn last_lines(
        &self,
        output: &Output,
        container: &Container,
        task: &str,
    ) -> Result<Vec<String>, String> {
        let Output::Awslogs(stream) = output else {
            return Err(output.unread().unwrap_or_default());
        };
        let Some(name) = stream.name(container, task) else {
            return Err(format!("its stream in log group {} is not known", stream.group));
        };
        let place = Place { stream, name: &name };
        let page = self.log_page(place, &From::End { lines: LINES, since: None }).await;
        let mut lines = page.map_err(|error| place.unread(&error))?.lines;
        let shown = lines.split_off(lines.len().saturating_sub(LINES));
        Ok(shown.into_iter().map(|(_, text)| text).collect())
    }
}
