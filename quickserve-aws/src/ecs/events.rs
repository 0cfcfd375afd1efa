//! The service's events: ECS's own messages, of which most say that all goes as it should.

use aws_sdk_ecs::types::ServiceEvent;
use jiff::Timestamp;

/// How many different messages are told.
const TOLD: usize = 3;

/// What a message says that something is wrong with. ECS documentation, "Service event messages".
const WRONG: &[&str] = &[
    "unable",
    "fail",
    "unhealthy",
    "insufficient",
    "error",
    "unavailable",
    "impaired",
    "alarm",
    "throttled",
];

/// What names one task, instance or service in a message, and says nothing of what is wrong.
const NAMES: &[&str] = &["(service ", "(instance ", "(task ", "(container-instance ", "(port "];

/// The newest messages since a point in time that something is wrong, each once and with their number.
pub(super) fn noteworthy(events: &[ServiceEvent], since: Timestamp) -> Vec<String> {
    let mut told: Vec<(String, u32)> = Vec::new();
    // ECS answers with the newest first.
    for event in events.iter().filter(|event| is_since(event, since)) {
        let Some(message) = event.message().filter(|message| is_wrong(message)) else { continue };
        let message = short(message);
        match told.iter_mut().find(|(known, _)| *known == message) {
            Some((_, count)) => *count += 1,
            None => told.push((message, 1)),
        }
    }
    let told = told.into_iter().take(TOLD).map(|(message, count)| match count {
        1 => format!("ECS says: {message}"),
        count => format!("ECS says, {count} times: {message}"),
    });
    told.collect()
}

fn is_since(event: &ServiceEvent, since: Timestamp) -> bool {
    event.created_at().is_none_or(|at| at.as_nanos() >= since.as_nanosecond())
}

fn is_wrong(message: &str) -> bool {
    let message = message.to_lowercase();
    WRONG.iter().any(|word| message.contains(word))
}

/// A message without the names in it, and without the advice to read a manual.
fn short(message: &str) -> String {
    let message = message.split(" For more information").next().unwrap_or_default();
    let mut out = String::new();
    let mut rest = message;
    while let Some(at) = NAMES.iter().filter_map(|name| rest.find(name)).min() {
        out.push_str(&rest[..at]);
        let end = rest[at..].find(')').map_or(rest.len(), |end| at + end + 1);
        rest = rest[end..].trim_start();
    }
    out.push_str(rest);
    out.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::DateTime;

    use super::*;

    fn event(at: i64, message: &str) -> ServiceEvent {
        ServiceEvent::builder().created_at(DateTime::from_secs(at)).message(message).build()
    }

    #[test]
    fn messages_of_the_same_are_one_and_what_goes_well_is_none() {
        let events = [
            event(109, "(service shop) has reached a steady state."),
            event(
                108,
                "(service shop) (instance i-1) (port 3000) is unhealthy in (target-group arn:x) due to (reason Health checks failed with these codes: [502])",
            ),
            event(
                107,
                "(service shop) (instance i-2) (port 3001) is unhealthy in (target-group arn:x) due to (reason Health checks failed with these codes: [502])",
            ),
            event(
                106,
                "(service shop) was unable to place a task because no container instance met all of its requirements. For more information, see the Troubleshooting section.",
            ),
            event(105, "(service shop) has started 2 tasks: (task a) (task b)."),
            event(99, "(service shop) failed to launch a task with (error x)."),
        ];
        let told = noteworthy(&events, Timestamp::from_second(100).expect("a time"));
        assert_eq!(
            told,
            [
                "ECS says, 2 times: is unhealthy in (target-group arn:x) due to (reason Health checks failed with these codes: [502])",
                "ECS says: was unable to place a task because no container instance met all of its requirements",
            ]
        );
    }
}
