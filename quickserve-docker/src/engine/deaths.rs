//! Containers that ended lately, as the engine remembers: of one that runs again, an inspection has forgotten how.

use std::collections::{BTreeMap, HashMap};

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use quickserve_core::Result;

use super::containers::label_filters;
use super::{Engine, fault};

/// An end of a container. Engines remember the last 256 events or so, of all containers together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) container: String,
    pub(crate) exit_code: i64,
    pub(crate) out_of_memory: bool,
    pub(crate) at: Option<Timestamp>,
}

impl Engine {
    /// Ends of containers with these labels since a time, the oldest first.
    pub(crate) async fn deaths(
        &self,
        labels: &BTreeMap<String, String>,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Death>> {
        let events = vec!["die".to_owned(), "oom".to_owned()];
        let filters = HashMap::from([
            ("type", vec!["container".to_owned()]),
            ("event", events),
            ("label", label_filters(labels)),
        ]);
        // With an end in the past the engine answers what it remembers, and no more.
        let options = EventsOptionsBuilder::default()
            .since(&since.as_second().to_string())
            .until(&until.as_second().to_string())
            .filters(&filters)
            .build();
        let events: Vec<EventMessage> = self
            .docker
            .events(Some(options))
            .try_collect()
            .await
            .map_err(|error| fault::to_core("ask the engine which containers ended", error))?;
        Ok(deaths(events))
    }
}

/// The kernel's want of memory is told before the end that it causes.
fn deaths(events: Vec<EventMessage>) -> Vec<Death> {
    let (mut deaths, mut starved): (Vec<Death>, Vec<String>) = Default::default();
    for event in events {
        let Some(actor) = event.actor else { continue };
        let container = actor.id.unwrap_or_default();
        if event.action.as_deref() == Some("oom") {
            starved.push(container);
            continue;
        }
        let attributes = actor.attributes.unwrap_or_default();
        let exit_code = attributes.get("exitCode").and_then(|code| code.parse().ok()).unwrap_or_default();
        let out_of_memory = starved.contains(&container);
        starved.retain(|one| *one != container);
        let at = event.time.and_then(|seconds| Timestamp::from_second(seconds).ok());
        deaths.push(Death { container, exit_code, out_of_memory, at });
    }
    deaths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_want_of_memory_is_the_cause_of_the_end_after_it() {
        let event = |action: &str, id: &str, code: &str| {
            let json = serde_json::json!({
                "Type": "container", "Action": action, "time": 1_700_000_000,
                "Actor": { "ID": id, "Attributes": { "exitCode": code } },
            });
            serde_json::from_value(json).expect("an event")
        };
        let events = vec![
            event("die", "a", "1"),
            event("oom", "b", ""),
            event("die", "a", "1"),
            event("die", "b", "137"),
            event("die", "b", "143"),
        ];
        let told: Vec<(String, i64, bool)> = deaths(events)
            .into_iter()
            .map(|death| (death.container, death.exit_code, death.out_of_memory))
            .collect();
        let expected = [("a", 1, false), ("a", 1, false), ("b", 137, true), ("b", 143, false)]
            .map(|(id, code, starved)| (id.to_owned(), code, starved));
        assert_eq!(told, expected);
    }
}
