//! Secrets that are planted, each in one file: random, never issued, and made only when the tree is, so that no scanner
//! takes this repository for a leak.

use super::random::Random;

const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// How many kinds there are.
pub(super) const KINDS: usize = 10;

/// A secret of one kind.
pub(super) fn make(kind: usize, random: &mut Random) -> String {
    let mut text = |length, of| random.text(length, of);
    match kind % KINDS {
        0 => format!("AK{}{}", "IA", text(16, UPPER)),
        1 => format!("gh{}{}", "p_", text(36, LETTERS)),
        2 => format!("sk{}{}", "_live_", text(24, LETTERS)),
        3 => format!("xox{}{}-{}", "b-", text(12, "123456789"), text(24, LETTERS)),
        4 => format!("AI{}{}", "za", text(35, LETTERS)),
        5 => format!("np{}{}", "m_", text(36, LETTERS)),
        6 => format!("gl{}{}", "pat-", text(20, LETTERS)),
        7 => format!("S{}{}.{}", "G.", text(22, LETTERS), text(43, LETTERS)),
        8 => format!("postgres://shop:{}@db.shop-internal.io:5432/shop", text(18, LETTERS)),
        _ => format!("-----BEGIN RSA {} KEY-----\\n{}", "PRIVATE", text(64, BASE64)),
    }
}

/// A value that only its name shows to be a secret, as `name = value`. It has a digit, as nearly all do that are made by
/// chance: without one it passes for words.
pub(super) fn named(random: &mut Random) -> (&'static str, String) {
    let name = random.pick(&["db_password", "clientSecret", "API_KEY", "auth-token"]);
    (name, format!("{}4{}", random.text(12, LETTERS), random.text(7, LETTERS)))
}
