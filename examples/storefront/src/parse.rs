//! The forms a setting's value may have. Nothing here repeats a value: it may be a secret in the wrong place.

use std::time::Duration;

/// One million, the whole of a [`Share`].
const WHOLE: u32 = 1_000_000;

/// A share of requests, in parts per million; never more than the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share(u32);

impl Share {
    /// Parts per million.
    pub(crate) fn parts_per_million(self) -> u32 {
        self.0
    }

    /// Parses a percentage from 0 to 100 with at most four decimals, exactly.
    pub(crate) fn from_percent(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        if !digits(whole) || !digits(fraction) || fraction.len() > 4 {
            return None;
        }
        let whole: u32 = whole.parse().ok()?;
        let fraction: u32 = format!("{fraction:0<4}").parse().ok()?;
        let parts = whole.checked_mul(10_000)?.checked_add(fraction)?;
        (parts <= WHOLE).then_some(Self(parts))
    }
}

/// Parses `1`, `true`, `0` or `false`.
pub(crate) fn flag(text: &str) -> Option<bool> {
    match text {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

/// Parses a whole number with a unit: `250ms`, `3s`, `2m` or `1h`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// Whether a text can be a variable's name.
pub(crate) fn is_variable_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_whole_number_and_a_unit() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("3s"), Some(Duration::from_secs(3)));
        assert_eq!(duration("2m"), Some(Duration::from_mins(2)));
        assert_eq!(duration("1h"), Some(Duration::from_hours(1)));
        for wrong in ["", "3", "s", "-3s", "1.5s", "3 s", "3d", "99999999999999999999s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_percentage_is_exact_to_four_decimals() {
        let parts = |text| Share::from_percent(text).map(Share::parts_per_million);
        assert_eq!(parts("0"), Some(0));
        assert_eq!(parts("12.5"), Some(125_000));
        assert_eq!(parts("0.0001"), Some(1));
        assert_eq!(parts("100"), Some(1_000_000));
        for wrong in ["", "100.1", "101", "-1", "5%", "1.", ".5", "0.00001", "1e1", "+1"] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_variable_name_is_letters_digits_and_underscores() {
        assert!(is_variable_name("DATABASE_URL2"));
        for wrong in ["", "2A", "A B", "A-B", "A=B"] {
            assert!(!is_variable_name(wrong), "{wrong}");
        }
    }
}
