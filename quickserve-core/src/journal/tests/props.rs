//! Whatever stands in a store: nothing panics, and what was written is read.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::parse::{Parsed, parse};
use super::*;
use crate::fence::Epoch;
use crate::outcome::Outcome;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 4.0)),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn cause() -> impl Strategy<Value = Cause> {
    (".*", prop::collection::vec(".*", 0..3), prop::option::of(".*"))
        .prop_map(|(message, causes, hint)| Cause { message, causes, hint })
}

fn event() -> impl Strategy<Value = Event> {
    let process =
        prop::option::of((".*", any::<u32>(), any::<u64>(), prop::option::of(".*"))).prop_map(|process| {
            process.map(|(boot, pid, started, machine)| Process { boot, pid, started, machine })
        });
    let owner = (".*", ".*", process).prop_map(|(nonce, who, process)| Owner { nonce, who, process });
    let outcome = prop::sample::select(Outcome::ALL.to_vec());
    prop_oneof![
        (owner.clone(), any::<u64>(), ".*").prop_map(|(owner, ended, because)| Event::TakenOver {
            owner,
            ended: Epoch(ended),
            because
        }),
        (owner, ".*")
            .prop_map(|(owner, needs)| { Event::Opened(Box::new(Opened { owner, needs, ..opened("x") })) }),
        (any::<u32>(), prop::option::of(".*"))
            .prop_map(|(index, evidence)| Event::Completed { index, evidence }),
        (prop::option::of(any::<u32>()), cause()).prop_map(|(index, cause)| Event::Failed { index, cause }),
        ".*".prop_map(|by| abort(&by)),
        (outcome, prop::option::of(cause())).prop_map(|(outcome, cause)| Event::Ended {
            outcome,
            serving: Vec::new(),
            cause
        }),
        Just(Event::Removed {}),
        (".*", ".*").prop_map(|(by, reason)| Event::Locked { by, reason }),
        ".*".prop_map(|by| Event::Unlocked { by }),
        ".*".prop_map(|by| Event::PauseRequested { by }),
        ".*".prop_map(|by| Event::PromoteRequested { by }),
        (".*", any::<u16>()).prop_map(|(by, left)| Event::Parked {
            by,
            before: crate::plan::Step::Close,
            left: Duration::from_millis(left.into()),
            until: Timestamp::UNIX_EPOCH,
        }),
        any::<u64>().prop_map(|torn| Event::Repaired { torn }),
    ]
}

fn unknown() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::hash_map("x_.{0,6}", value(), 0..4).prop_map(|fields| {
        let mut fields: Map<_, _> = fields.into_iter().collect();
        fields.insert("kind".to_owned(), json!("of_another_time"));
        fields
    })
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(
        entry in prop_oneof![event().prop_map(Entry::from), unknown().prop_map(Entry::Unknown)],
        seq: u64, epoch: u64, id: String, second in 0_i64..4_000_000_000,
    ) {
        let at = Timestamp::from_second(second).unwrap();
        let record = Record { v: VERSION, seq, epoch: Epoch(epoch), id, at, entry };
        let bytes = serde_json::to_vec(&record).unwrap();
        prop_assert_eq!(parse(seq, &bytes).unwrap(), Parsed::Whole(Box::new(record)));
    }

    #[test]
    fn any_prefix_of_a_record_is_torn(event in event(), cut in 0.0..1.0_f64) {
        let at = Timestamp::UNIX_EPOCH;
        let record = Record { v: VERSION, seq: 1, epoch: Epoch(1), id: "i".to_owned(), at, entry: event.into() };
        let bytes = serde_json::to_vec(&record).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "any length will do")]
        let length = (bytes.len() as f64 * cut) as usize;
        prop_assert_eq!(parse(1, &bytes[..length]).unwrap(), Parsed::Torn);
    }

    #[test]
    fn no_bytes_make_parsing_panic(bytes: Vec<u8>, number: u64) {
        let _ = parse(number, &bytes);
    }

    #[test]
    fn no_json_makes_parsing_or_folding_panic(
        fields in prop::collection::hash_map("v|seq|epoch|id|at|kind|owner|plan|torn|index", value(), 0..8),
        kind in prop::sample::select(vec!["opened", "planned", "repaired", "removed", "locked", "unlocked", "parked", "other"]),
        whole: bool,
    ) {
        let mut fields: Map<_, _> = fields.into_iter().collect();
        if whole {
            let envelope = json!({"v": 1, "seq": 1, "epoch": 1, "id": "i", "at": "2025-06-01T12:00:00Z", "kind": kind});
            fields.extend(envelope.as_object().unwrap().clone());
        }
        let bytes = serde_json::to_vec(&fields).unwrap();
        if let Ok(Parsed::Whole(record)) = parse(1, &bytes) {
            State::default().apply(&record);
        }
    }
}
