//! Names that are near to what somebody wrote.

/// How many names a hint lists at most.
const LISTED: usize = 12;

/// How long a name may be to be compared, in bytes: what is longer is nobody's slip, and would take long.
const LONGEST: usize = 255;

/// The name that is nearest, if any is near enough to be what was meant.
pub fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if wrong.len() > LONGEST {
        return None;
    }
    let folded = fold(wrong);
    let bag = Bag::of(&folded);
    names
        .into_iter()
        .filter(|name| *name != wrong && name.len() <= LONGEST)
        .map(|name| (fold(name), name))
        // Each letter that only one of them has is a step at least.
        .filter(|(name, _)| bag.shares(name, |common, one, other| common / one.max(other)) >= 0.6)
        .map(|(other, name)| (strsim::normalized_damerau_levenshtein(&folded, &other), name))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// At most three of the names that there are, nearest first: for names of things, of which many begin alike.
pub fn near<'n>(meant: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    let lower = meant.to_lowercase();
    let bag = Bag::of(&lower);
    // What Jaro and Winkler's likeness is at most, with so many letters in common and the same beginning.
    let at_most = |common: f64, one: f64, other: f64| {
        let jaro = (common / one + common / other + 1.0) / 3.0;
        jaro + 0.4 * (1.0 - jaro)
    };
    let mut scored: Vec<(f64, &str)> = names
        .into_iter()
        .filter(|name| bag.shares(name, at_most) >= 0.85)
        .map(|name| (strsim::jaro_winkler(&lower, &name.to_lowercase()), name))
        .filter(|(score, _)| *score >= 0.85)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// How often a text has each letter, in whatever case. Two texts share at most what both have: that is counted in a few
/// nanoseconds, where to compare them takes hundreds, and of many names each is compared with many.
struct Bag {
    /// By the last five bits of a letter, in which cases differ by none; where two letters fall together, it only says more.
    counts: [u8; 32],
    length: usize,
    /// Otherwise bytes are not letters, and to count them says nothing.
    is_ascii: bool,
}

impl Bag {
    fn of(text: &str) -> Self {
        let mut counts = [0_u8; 32];
        for byte in text.bytes() {
            let count = &mut counts[usize::from(byte & 31)];
            *count = count.saturating_add(1);
        }
        Self { counts, length: text.len(), is_ascii: text.is_ascii() }
    }

    /// What `likeness` says of the letters in common and of both lengths. Of what is not ASCII, or empty, or long, nothing
    /// is known: 1.
    fn shares(&self, other: &str, likeness: impl Fn(f64, f64, f64) -> f64) -> f64 {
        let is_known = |length: usize| (1..=usize::from(u8::MAX)).contains(&length);
        if !self.is_ascii || !other.is_ascii() || !is_known(self.length) || !is_known(other.len()) {
            return 1.0;
        }
        let other = Self::of(other);
        let both = self.counts.iter().zip(&other.counts);
        let common: u32 = both.map(|(one, other)| u32::from(*one.min(other))).sum();
        let length = |text: &Self| f64::from(u32::try_from(text.length).unwrap_or(u32::MAX));
        likeness(f64::from(common), length(self), length(&other))
    }
}

/// Whether a key that nobody knows must be this one.
pub(crate) fn is_misspelt(wrong: &str, key: &str) -> bool {
    key.len() > 3 && strsim::osa_distance(&fold(wrong), key) <= 2
}

/// The hint for a wrong name: the nearest one, or the names that there are if they are few.
pub fn did_you_mean(wrong: &str, names: &[&str]) -> Option<String> {
    match nearest(wrong, names.iter().copied()) {
        Some(name) => Some(format!("did you mean `{name}`")),
        None if names.is_empty() || names.len() > LISTED => None,
        None => Some(format!("one of {}", names.join(", "))),
    }
}

/// `bakeTime`, `bake-time` and `BAKE_TIME` are all `bake_time`.
fn fold(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    let mut previous = '_';
    for char in name.chars() {
        if char.is_uppercase() && previous.is_lowercase() {
            folded.push('_');
        }
        folded.extend(if char == '-' { '_' } else { char }.to_lowercase());
        previous = char;
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_whatever_its_case() {
        let names = ["strategy", "bake_time", "timeout"];
        assert_eq!(nearest("strategi", names), Some("strategy"));
        assert_eq!(nearest("bakeTime", names), Some("bake_time"));
        assert_eq!(nearest("bake-time", names), Some("bake_time"));
        assert_eq!(nearest("colour", names), None);
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(nearest(&long, [&*format!("{long}y")]), None);
        assert_eq!(nearest("abcdéé", ["abcd"]), Some("abcd"));
    }

    #[test]
    fn the_nearest_comes_first_and_the_far_not_at_all() {
        assert_eq!(near("DB_PASWORD", ["DB_PASSWORD", "DB_USER", "API_KEY"]), ["DB_PASSWORD"]);
        assert_eq!(near("stripe-key", ["stripe-key-prod", "db", "stripe-keys"])[0], "stripe-keys");
        assert!(near("DB_PASSWORD", ["X"]).is_empty());
    }

    #[test]
    fn without_a_near_name_all_are_listed() {
        assert_eq!(did_you_mean("x", &["rolling", "canary"]).as_deref(), Some("one of rolling, canary"));
        assert_eq!(did_you_mean("x", &[]), None);
    }

    proptest::proptest! {
        #[test]
        fn what_is_left_out_beforehand_is_not_near(one in "[a-dA-D_é1]{0,9}", other in "[a-dA-D_é1]{0,9}") {
            let (lower, folded) = (one.to_lowercase(), fold(&one));
            let likeness = strsim::jaro_winkler(&lower, &other.to_lowercase());
            proptest::prop_assert_eq!(near(&one, [&*other]).is_empty(), likeness < 0.85);
            let likeness = strsim::normalized_damerau_levenshtein(&folded, &fold(&other));
            proptest::prop_assert_eq!(nearest(&one, [&*other]).is_none(), likeness < 0.6 || one == other);
        }
    }
}
