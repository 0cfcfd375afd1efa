//! Secret values hidden in what a container or the engine says: it is journalled and shown, and often repeats what
//! it was told.

use secrecy::{ExposeSecret as _, SecretString};

/// What is shorter could be anything, and hiding it would hide little.
const SHORTEST: usize = 4;

/// A text in which every secret value is hidden, and every line of one that has several: a log shows such a value
/// line by line.
pub(crate) fn masked(text: &str, secrets: &[SecretString]) -> String {
    let mut pieces: Vec<&str> =
        secrets.iter().flat_map(pieces).filter(|piece| text.contains(piece)).collect();
    // A value may be a part of another one, which it would leave in pieces.
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
    pieces.into_iter().fold(text.to_owned(), |text, piece| text.replace(piece, "***"))
}

/// Whether a text repeats a secret value, or a line of it.
pub(crate) fn repeats(text: &str, secret: &SecretString) -> bool {
    pieces(secret).any(|piece| text.contains(piece))
}

/// The value, and each of its lines.
fn pieces(secret: &SecretString) -> impl Iterator<Item = &str> {
    let value = secret.expose_secret();
    let lines = value.lines().map(str::trim);
    std::iter::once(value).chain(lines).filter(|piece| piece.len() >= SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[&str]) -> Vec<SecretString> {
        values.iter().map(|value| SecretString::from(*value)).collect()
    }

    #[test]
    fn a_value_is_hidden_wherever_it_is() {
        let secrets = secrets(&["postgresql://u:pw@db/shop", "12"]);
        let said = "12: cannot reach postgresql://u:pw@db/shop from 3000";
        assert_eq!(masked(said, &secrets), "12: cannot reach *** from 3000");
    }

    #[test]
    fn each_line_of_a_value_is_hidden() {
        let secrets = secrets(&["line-one\r\n  line-two\n}\n"]);
        assert_eq!(masked("x line-two} y", &secrets), "x ***} y");
        assert!(repeats("bad: line-one", &secrets[0]) && !repeats("bad: line", &secrets[0]));
    }

    #[test]
    fn a_value_within_another_does_not_leave_the_rest_of_it() {
        assert_eq!(masked("pass-1234 pass", &secrets(&["pass", "pass-1234"])), "*** ***");
    }
}
