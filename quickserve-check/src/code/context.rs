//! What the code does where a value that it reads is absent, as the text around the reading tells.

use std::ops::Range;

use super::pattern::Pattern;
use super::usage::Need;

/// What ends a program, or a function, for a reason.
pub(super) static FAILS: Pattern = Pattern::new(concat!(
    r"(?:\b(?:throw|raise|panic|exit|abort|die|assert\w*|bail|trigger_error|fatal|crash|halt)\b|",
    r"\bFatal|\bfail|\bExit\b|\bErr\(|errors\.New|Errorf|\berror\(|\bnew \w*(?:Error|Exception)|\bensure!)",
));

/// Another value, or a way to go on, right after the reading and the brackets around it.
static FALLBACK: Pattern = Pattern::new(concat!(
    r"^(?:\s*,\s*\w+)?[\s)!]*(?:as \w+\s*)?",
    r"(?:\|\|=?|\?\?=?|\?:|\bor\b|\.(?:or[A-Z_]\w*|or\(|presence|getOrElse|get_or|unwrap_or\w*|takeIf|map_or\w*))",
));

/// A question whether it is absent, right after the reading.
static ASKED_AFTER: Pattern = Pattern::new(concat!(
    r#"^\s*\)*\s*(?:;\s*!\w|(?:;\s*\w+\s*)?={2,3}\s*(?:""|''|null\b|undefined\b|nil\b|None\b)|is null\b|is None\b|not in\b|"#,
    r"\.(?:nil\?|blank\?|empty\?|is_none|is_err|isEmpty|isBlank|isNullOrEmpty|isNullOrBlank|trim\(\)\s*===?\s*''))",
));

/// A question whether it is absent, right before the reading.
static ASKED_BEFORE: Pattern = Pattern::new(concat!(
    r"(?:(?:^|[^!])!\s*\(?|\bnot\s+\(?|\bunless\s+\(?|IsNullOr\w+\(|isEmpty\(|isBlank\(|empty\(|isNull\(|",
    r#"!isset\(|\b(?:null|nil|""|'')\s*==\s*|\blen\()\s*[\w.]*\(?$"#,
));

/// Any other question: the code goes on either way.
static TESTED_AFTER: Pattern = Pattern::new(concat!(
    r"^\s*\)*\s*(?:;\s*\w+\s*(?:\{|!=|&&)|[!=]==?|\?\.|\?[^?:.)]|&&|&\.|\band\b|is not\b|in\s|=~|[<>]|",
    r"\.(?:present\?|is_ok|is_some|equals|toLowerCase|lower\(|casecmp|eql\?|include|split|downcase)|\)\s*\{)",
));

/// Any other question, before the reading.
static TESTED_BEFORE: Pattern = Pattern::new(concat!(
    r"(?:\b(?:if|elif|elsif|while|when|case|switch|match|and|isset|bool|Boolean|any|all|typeof)\b\s*\(?|",
    r"\?|&&|!!|\b(?:===?|equals\()|\bif let (?:Ok|Some)\(\w+\)\s*=)\s*&?$",
));

/// A call that ends the program where its argument is absent.
static DEMANDED: Pattern = Pattern::new(
    r"(?i)(?:assert\w*|requireNonNull|invariant|ensure\w*|must\w*|require\w*|check_?not_?null)!?\s*\(\s*$",
);

/// The variable that the value is put into.
static ASSIGNED: Pattern = Pattern::new(
    r"[$@]?([A-Za-z_]\w*)(?:\s*,\s*[A-Za-z_]\w*)?\s*(?::[^=\n]{0,40})?\s*:?=\s*(?:[A-Za-z_.]{1,24}\(\s*){0,2}[A-Za-z_.:]*$",
);

/// What a line asks of a variable that may be absent.
static ASKED: Pattern = Pattern::new(concat!(
    r#"(?:!\s*[\w$@]|\bnot\b|\bunless\b|==\s*(?:""|''|null|undefined|nil|None)|is None|is null|"#,
    r"\.nil\?|\.blank\?|[eE]mpty|IsNullOr|isBlank|\?\?=|\|\|=|-z )",
));

/// How far the text around a reading is looked at, in bytes.
const AROUND: usize = 160;

/// What becomes of the value that is read there. `text` is without comments.
pub(super) fn need(text: &str, read: &Range<usize>) -> Need {
    let before = before(text, read.start);
    let after = after(text, read.end, AROUND);
    let or_fails = |fails: bool| if fails { Need::Validated } else { Need::Defaulted };
    if ASKED_BEFORE.is_match(before) || ASKED_AFTER.is_match(after) {
        return or_fails(FAILS.is_match(before) || FAILS.is_match(lines(text, read.end, 5)));
    }
    if let Some(fallback) = FALLBACK.captures(after) {
        let rest = after[fallback[0].len()..].split([';', '\n']).next().unwrap_or_default();
        return or_fails(FAILS.is_match(rest));
    }
    if DEMANDED.is_match(before) {
        return Need::Validated;
    }
    if TESTED_BEFORE.is_match(before) || TESTED_AFTER.is_match(after) {
        return Need::Defaulted;
    }
    assigned(text, read, before).unwrap_or(Need::Required)
}

/// `x = read(); if (!x) ...`: what the lines below do with the variable.
fn assigned(text: &str, read: &Range<usize>, before: &str) -> Option<Need> {
    let captures = ASSIGNED.captures(before)?;
    let variable = captures.get(1)?.as_str();
    // Go's `value, ok := ...` is asked by its second name.
    let second = captures.get(0)?.as_str().split(['=', ':']).next()?.split(',').nth(1).map(str::trim);
    let below = lines(text, read.end, 7);
    let mut offset = below.find('\n')?;
    for line in below[offset..].split_inclusive('\n') {
        let asks = ASKED.is_match(line) || line.trim_start().starts_with("assert");
        // A word of a message is no variable.
        let code = line.split(['"', '\'', '`']).next().unwrap_or_default();
        let names = has_word(code, variable) || second.is_some_and(|second| has_word(code, second));
        if asks && names {
            let fails = FAILS.is_match(lines(text, read.end + offset, 4));
            return Some(if fails { Need::Validated } else { Need::Defaulted });
        }
        offset += line.len();
    }
    None
}

/// Whether a word stands in a text as a whole.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    words(text, word).next().is_some()
}

/// Where a word stands in a text as a whole.
pub(super) fn words<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let bytes = text.as_bytes();
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        !is_part(at.checked_sub(1).and_then(|before| bytes.get(before)))
            && !is_part(bytes.get(at + word.len()))
    })
}

/// The line up to a place, as much of it as matters.
pub(super) fn before(text: &str, at: usize) -> &str {
    let from = text.ceil_char_boundary(at.saturating_sub(AROUND));
    let part = &text[from..at];
    &part[part.rfind('\n').map_or(0, |newline| newline + 1)..]
}

/// The text after a place, so many bytes of it.
pub(super) fn after(text: &str, at: usize, length: usize) -> &str {
    let at = text.floor_char_boundary(at.min(text.len()));
    &text[at..text.floor_char_boundary((at + length).min(text.len()))]
}

/// The rest of a line and the lines below it, so many in all.
pub(super) fn lines(text: &str, at: usize, count: usize) -> &str {
    let part = after(text, at, 120 * count);
    let end = part.match_indices('\n').nth(count - 1).map_or(part.len(), |(end, _)| end);
    &part[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The need of `READ` in a text.
    fn of(text: &str) -> Need {
        let start = text.find("READ").expect("a reading");
        need(text, &(start..start + 4))
    }

    #[test]
    fn a_bare_reading_is_required() {
        for text in
            ["x = READ", "connect(READ)", "x := READ\ny := 1\n", "f({ a: READ, b: 2 })", "return READ;"]
        {
            assert_eq!(of(text), Need::Required, "{text}");
        }
    }

    #[test]
    fn one_with_another_value_is_defaulted() {
        for text in [
            "x = READ || 3000",
            "x = READ ?? 'a'",
            "x = parseInt(READ, 10) || 3",
            "x = Number(READ) || 3",
            "x = READ or 'a'",
            "x = READ ?: 'a'",
            "x = READ == 'true'",
            "if (READ) {",
            "x = READ ? 1 : 2",
            "x = READ\nif not x:\n    x = 'a'",
            "x := READ\nif x == \"\" {\n\tx = \"a\"\n}",
            "!!READ",
            "READ?.split(',')",
        ] {
            assert_eq!(of(text), Need::Defaulted, "{text}");
        }
    }

    #[test]
    fn one_that_ends_the_program_is_validated() {
        for text in [
            "if (!READ) {\n  process.exit(1)\n}",
            "x = READ || die('x')",
            "x = READ ?? (() => { throw new Error() })()",
            "x = READ ?: error(\"no\")",
            "raise 'no' unless READ",
            "assert(READ)",
            "if READ == \"\" {\n\tlog.Fatal(1)\n}",
            "x = READ\nif not x:\n    raise Error",
            "x := READ\nif x == \"\" {\n\tlog.Fatalf(1)\n}",
            "v, ok := READ\nif !ok {\n\tpanic(1)\n}",
            "if (!A || !READ) {\n  throw 1",
            "Objects.requireNonNull(READ)",
        ] {
            assert_eq!(of(text), Need::Validated, "{text}");
        }
    }
}
