//! From bytes to a record, telling apart what was torn, what is newer than we are, and what is wrong.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::record::{Envelope, Record, VERSION};
use crate::error::{Error, ErrorKind, Result};

/// What stands under a record's key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Parsed {
    /// A record.
    Whole(Box<Record>),
    /// Not an envelope of ours: what a machine leaves that lost power while it wrote.
    Torn,
}

/// Reads the bytes under the key of a number.
///
/// Only what cannot be an envelope counts as torn, because a torn record is declared void. A whole envelope
/// around an entry that we cannot read is the work of a newer version: an error, never void.
pub(super) fn parse(number: u64, bytes: &[u8]) -> Result<Parsed> {
    let Ok(fields) = serde_json::from_slice::<Map<String, Value>>(bytes) else { return Ok(Parsed::Torn) };
    let Some(version) = fields.get("v").and_then(Value::as_u64) else { return Ok(Parsed::Torn) };
    if version > u64::from(VERSION) {
        return Err(newer(number).with_context("envelope", version.to_string()));
    }
    let Ok(envelope) = Envelope::deserialize(&fields) else { return Ok(Parsed::Torn) };
    if envelope.seq != number {
        return Err(Error::new(ErrorKind::Unexpected, "a record of the journal is not under its own key")
            .with_context("key", number.to_string())
            .with_context("record", envelope.seq.to_string())
            .with_hint("somebody copied or renamed files of the journal; bring the original back"));
    }
    let kind = envelope.kind.clone();
    match Record::from_fields(envelope, fields) {
        Ok(record) => Ok(Parsed::Whole(Box::new(record))),
        Err(error) => Err(newer(number).with_context("kind", kind).with_source(error)),
    }
}

fn newer(number: u64) -> Error {
    Error::new(ErrorKind::Unsupported, "a record of the journal was written by a newer version of QuickServe")
        .with_context("record", number.to_string())
        .with_hint("upgrade QuickServe here to at least the version that others use")
}
