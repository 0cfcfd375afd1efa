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

/// `2026-11-23 07:12:31Z`.
pub(crate) fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
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
        Step::SmokeStaged { .. } | Step::SmokePublic { .. } => "smoke",
        Step::Shift { .. } => "shift",
        Step::Bake { .. } => "bake",
        Step::Verify { .. } => "verify",
        Step::Promote { .. } => "promote",
        Step::Drain { .. } => "drain",
        Step::Retire { .. } => "retire",
        Step::Close => "close",
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
}
