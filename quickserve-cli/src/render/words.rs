//! Numbers, times and releases in words.

use std::time::Duration;

use jiff::Timestamp;
use quickserve_core::plan::Step;
use quickserve_core::release::Release;

/// `1.4 s`, `21 s`, `13m12s`, `2h05m`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `1 task`, `2 tasks`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// How wide a column of such names is: as the longest, and at most 48, past which a name breaks the column.
pub(crate) fn column<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(str::len).max().unwrap_or_default().min(48)
}

/// `96 B`, `3.4 kB`, `52 MB`, as disks are measured.
pub(crate) fn bytes(bytes: u64) -> String {
    let (mut rest, mut unit) = (bytes, "B");
    let mut tenths = 0;
    for larger in ["kB", "MB", "GB", "TB"] {
        if rest < 1000 {
            break;
        }
        (tenths, rest, unit) = (rest % 1000 / 100, rest / 1000, larger);
    }
    if rest < 10 && unit != "B" { format!("{rest}.{tenths} {unit}") } else { format!("{rest} {unit}") }
}

/// `2026-11-23 07:12:31Z`.
pub(crate) fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `11-23 07:12`, where there is no room for more.
pub(crate) fn short_moment(time: Timestamp) -> String {
    time.strftime("%m-%d %H:%M").to_string()
}

/// A line of a log, with its time in front.
pub(crate) fn timed(time: Timestamp, line: &str) -> String {
    format!("{} {line}", moment(time))
}

/// Lines as they were before [`timed`].
pub(crate) fn untimed(lines: &str) -> String {
    let bare = |line: &str| match line.split_at_checked("2026-11-23 07:12:31Z ".len()) {
        Some((time, rest)) if time.ends_with("Z ") && time.starts_with(|c: char| c.is_ascii_digit()) => {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    lines.lines().map(bare).collect::<Vec<_>>().join("\n")
}

/// A word as a shell takes it for one.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c) || !c.is_ascii();
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A text in lines of this width, broken between words. A word that is longer stands alone.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.join("\n")
}

/// As much of a text as fits, with a sign that there is more.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// `07:12:31Z`.
pub(crate) fn clock(time: Timestamp) -> String {
    time.strftime("%H:%M:%SZ").to_string()
}

/// `r-7c41e9 (1.8.2, 9f3c1ab, sha256:4be2…)`.
pub(crate) fn release(release: &Release) -> String {
    let mut facts = vec![release.version.clone()];
    if let Some(commit) = &release.commit {
        let hash: String = commit.hash.chars().take(7).collect();
        facts.push(if commit.dirty { format!("{hash}+") } else { hash });
    }
    if let [image] = release.images.values().collect::<Vec<_>>().as_slice() {
        facts.push(format!("sha256:{}…", &image.digest.hex()[..4]));
    } else {
        facts.push(count(release.images.len() as u64, "image"));
    }
    format!("{:#} ({})", release.id, facts.join(", "))
}

/// A step as the word of its line.
pub(crate) fn step(step: &Step) -> &'static str {
    match step {
        Step::Register { .. } => "register",
        Step::Place { .. } => "tasks",
        Step::RollOut { .. } => "rollout",
        Step::Pass { .. } => "gate",
        Step::GiveUp { .. } => "give up",
        Step::SmokeStaged { .. } | Step::SmokePublic { .. } => "smoke",
        Step::Shift { .. } => "shift",
        Step::Bake { .. } => "bake",
        Step::Verify { .. } => "verify",
        Step::Promote { .. } => "promote",
        Step::Drain { .. } => "drain",
        Step::Retire { .. } => "retire",
        Step::Close => "close",
        Step::Withdraw => "remove",
        Step::GoBack { .. } => "go back",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let table = [(1.44, "1.4 s"), (21.9, "21 s"), (792.0, "13m12s"), (7500.0, "2h05m")];
        for (seconds, words) in table {
            assert_eq!(duration(Duration::from_secs_f64(seconds)), words);
        }
    }

    #[test]
    fn a_command_to_copy_is_what_was_typed() {
        let table = [
            ("shop:1", "shop:1"),
            ("my folder", "'my folder'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("$(reboot)", "'$(reboot)'"),
        ];
        for (word, expected) in table {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two\nthree four", 9), "one two\nthree\nfour");
        assert_eq!(wrapped("http://a.long/address at", 9), "http://a.long/address\nat");
        assert_eq!((cut("ada@host", 8), cut("ada@host", 5)), ("ada@host".into(), "ada@…".into()));
    }

    #[test]
    fn the_time_of_a_line_comes_off_again() {
        let time: Timestamp = "2026-11-23T07:12:31Z".parse().expect("a time");
        let text = timed(time, "error: it failed\n  hint: mend it");
        assert_eq!(text, "2026-11-23 07:12:31Z error: it failed\n  hint: mend it");
        assert_eq!(untimed(&text), "error: it failed\n  hint: mend it");
    }

    #[test]
    fn sizes_have_two_digits_that_count() {
        let table = [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (9_960, "9.9 kB"), (52_400_000, "52 MB")];
        for (size, words) in table {
            assert_eq!(bytes(size), words);
        }
        assert_eq!(bytes(u64::MAX), "18446744 TB");
    }
}
