//! Durations as text with units: `500ms`, `30s`, `1m30s`, `2h`.

use std::fmt::Write as _;
use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration: whole numbers with the units `d`, `h`, `m`, `s`, `ms`, the greatest unit first.
///
/// # Errors
/// What is wrong with it, as a fragment.
pub fn parse(text: &str) -> Result<Duration, &'static str> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("it is empty");
    }
    let mut milliseconds: u64 = 0;
    let mut units = UNITS.as_slice();
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
        let letters = rest[digits..].find(|char: char| !char.is_ascii_alphabetic());
        let (number, unit) = (&rest[..digits], &rest[digits..letters.map_or(rest.len(), |at| digits + at)]);
        if number.is_empty() {
            return Err("a whole number must come before each unit");
        }
        if unit.is_empty() {
            return Err(if rest.len() > digits { "only whole numbers and units" } else { "it has no unit" });
        }
        let Some(index) = units.iter().position(|(name, _)| *name == unit) else {
            let known = UNITS.iter().any(|(name, _)| *name == unit);
            return Err(if known {
                "units go from great to small, each once"
            } else {
                "units are d, h, m, s, ms"
            });
        };
        let amount = number.parse::<u64>().ok().and_then(|number| number.checked_mul(units[index].1));
        milliseconds = amount.and_then(|amount| milliseconds.checked_add(amount)).ok_or("it is too long")?;
        units = &units[index + 1..];
        rest = &rest[number.len() + unit.len()..];
    }
    // Deadlines are added to the time of day: a century leaves room.
    if milliseconds > 100 * 365 * UNITS[0].1 {
        Err("it is too long")
    } else {
        Ok(Duration::from_millis(milliseconds))
    }
}

/// Writes a duration as [`parse`] reads it, to the millisecond.
pub fn show(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, milliseconds) in UNITS {
        if rest >= milliseconds {
            let _ = write!(text, "{}{unit}", rest / milliseconds);
            rest %= milliseconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("2m", 120_000),
            ("1m30s", 90_000),
            ("1d2h", 93_600_000),
            ("0s", 0),
            (" 1s ", 1_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_says_why() {
        for (text, why) in [
            ("", "it is empty"),
            ("15", "it has no unit"),
            ("m", "a whole number must come before each unit"),
            ("-1s", "a whole number must come before each unit"),
            ("1.5s", "only whole numbers and units"),
            ("1 s", "only whole numbers and units"),
            ("2min", "units are d, h, m, s, ms"),
            ("30s1m", "units go from great to small, each once"),
            ("1s1s", "units go from great to small, each once"),
            ("99999999999999999999s", "it is too long"),
            ("99999999d", "it is too long"),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(milliseconds in 0_u64..10_000_000_000) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse(&show(duration)), Ok(duration));
        }

        #[test]
        fn nothing_panics(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
