//! How random a text is: what tells a generated secret from a word.

/// The Shannon entropy of a text, in bits a character.
pub(super) fn shannon(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let length = f64::from(counts.iter().sum::<u32>());
    let part = |count: &u32| {
        let share = f64::from(*count) / length;
        -share * share.log2()
    };
    counts.iter().filter(|count| **count > 0).map(part).sum()
}

/// Which kinds of characters a text has.
#[derive(Debug, Clone, Copy, Default)]
struct Charset {
    lower: usize,
    upper: usize,
    digits: usize,
    others: usize,
    hex_letters: usize,
}

impl Charset {
    fn of(text: &str) -> Self {
        let mut set = Self::default();
        for char in text.chars() {
            match char {
                'a'..='z' => set.lower += 1,
                'A'..='Z' => set.upper += 1,
                '0'..='9' => set.digits += 1,
                _ => set.others += 1,
            }
            set.hex_letters += usize::from(matches!(char, 'a'..='f' | 'A'..='F'));
        }
        set
    }

    /// How many of the four kinds there are.
    fn kinds(self) -> usize {
        [self.lower, self.upper, self.digits, self.others].iter().filter(|count| **count > 0).count()
    }

    fn is_hex(self) -> bool {
        self.others == 0 && self.lower + self.upper == self.hex_letters
    }
}

/// Whether a text is as random as a generated token or a chosen password, and no word, name or path.
///
/// The bounds are those at which the labelled corpus in `tests/corpus` parts best.
pub(super) fn is_random(text: &str) -> bool {
    let set = Charset::of(text);
    if text.len() < 8 || text.contains(char::is_whitespace) || set.digits == 0 || is_wordy(text) {
        return false;
    }
    if set.is_hex() {
        return text.len() >= 20 && set.hex_letters > 0 && shannon(text) >= 2.8;
    }
    if text.len() >= 16 {
        return shannon(text) >= 3.4 && (set.digits >= 2 || set.kinds() >= 3);
    }
    set.kinds() >= 3 && set.lower + set.upper >= 3 && shannon(text) >= 2.7
}

/// Whether a text is made of words: `my-token-1`, `auth.password.min`, `refreshTokenV2`, `2024-01-31`.
fn is_wordy(text: &str) -> bool {
    let is_part = |part: &str| {
        let letters = part.trim_end_matches(|char: char| char.is_ascii_digit());
        let digits = part.len() - letters.len();
        let is_word =
            letters.chars().all(char::is_alphabetic) && digits <= 2 && turns(letters) * 4 <= letters.len();
        is_word || (letters.is_empty() && digits <= 8)
    };
    text.split(|char: char| !char.is_alphanumeric()).all(is_part)
}

/// How often a lower-case letter is followed by one of upper case: once a word in names, often in random text.
fn turns(letters: &str) -> usize {
    let bytes = letters.as_bytes();
    bytes.windows(2).filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_in_bits_a_character() {
        assert!(shannon("").abs() < 1e-9);
        assert!(shannon("aaaa").abs() < 1e-9);
        assert!((shannon("abcd") - 2.0).abs() < 1e-9);
        assert!((shannon("0123456789abcdef") - 4.0).abs() < 1e-9);
    }

    #[test]
    fn generated_text_is_random() {
        for text in ["q8Zr1Lw0Tn5Vx2Kb", "9f3c1ab77de04512c6b0a9e8", "S3cr!tPw9", "Kp9-xV2_mQ7tR4sB1nL6"] {
            assert!(is_random(text), "{text}");
        }
    }

    #[test]
    fn words_names_paths_and_dates_are_not() {
        let texts = [
            "my-secret-token",
            "auth.password.min_8",
            "refreshTokenV2",
            "2024-01-31T10:00:00Z",
            "/run/secrets/db_password_1",
            "hunter2",
            "a sentence with 3 words",
            "12345678901234567890",
        ];
        for text in texts {
            assert!(!is_random(text), "{text}");
        }
    }
}
