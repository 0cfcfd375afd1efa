//! The last lines: how it ended, what serves, and what to do next.

use quickserve_core::event::Finished;
use quickserve_core::finding::{Code, Finding, Severity};
use quickserve_core::outcome::Outcome;
use quickserve_core::plan::Goal;

use super::line::{Line, Tone};
use super::narrator::{Narrator, warned};
use super::{Act, Ending, words};

/// The lines of an ending.
pub(super) fn lines(narrator: &Narrator, ending: &Ending) -> Vec<Line> {
    match ending.finished.outcome {
        Outcome::Done | Outcome::Unchanged | Outcome::Detached => success(narrator, ending),
        _ => failure(narrator, ending),
    }
}

fn success(narrator: &Narrator, ending: &Ending) -> Vec<Line> {
    let finished = &ending.finished;
    let took = narrator.took().map(|took| format!(", {}", words::duration(took))).unwrap_or_default();
    let serving = narrator.serving(&finished.serving);
    let alone = match finished.serving.as_slice() {
        [] if ending.act == Act::Scale => {
            "nothing serves: requests are answered 503 until there is a task again".to_owned()
        }
        [] => "nothing serves".to_owned(),
        [one] => {
            format!("{:#} alone serves ({})", one.release, words::count(u64::from(one.tasks), "task"))
        }
        _ => format!("{serving} serve"),
    };
    let mut lines = Vec::new();
    let good = |label, text: String| Line::toned(label, text, Tone::Good);
    match (ending.act, finished.outcome) {
        (Act::Deploy, Outcome::Unchanged) => {
            let release = finished.release.as_ref().map(|release| narrator.name(release)).unwrap_or_default();
            lines.push(good("same", format!("{release} serves already; nothing was changed")));
        }
        (Act::Deploy, Outcome::Detached) => {
            lines.push(good("detached", ending.detail.clone().unwrap_or_default()));
            lines.push(Line::new("next", format!("quickserve resume{} follows it", narrator.again)));
        }
        (Act::Deploy, _) | (Act::Promote, Outcome::Done) => {
            lines.push(good("deployed", format!("{alone}{took}")));
        }
        (Act::Rollback, _) => lines.push(good("restored", format!("{alone}{took}"))),
        (Act::Pause, _) if ending.detail.is_some() => {
            lines.push(good("paused", ending.detail.clone().unwrap_or_default()));
            lines.push(Line::new("serving", serving));
            let again = &narrator.again;
            lines.push(Line::new("next", format!("quickserve promote{again}, or quickserve abort{again}")));
        }
        (Act::Resume | Act::Abort | Act::Pause | Act::Promote, Outcome::Unchanged) => {
            if finished.deployment.is_none() {
                lines.push(good("nothing", "is in flight".to_owned()));
            }
            lines.push(Line::new("serving", serving));
        }
        (Act::Pause | Act::Promote, _) => lines.push(Line::new("serving", serving)),
        (Act::Resume, _) => lines.push(good("resumed", format!("{alone}{took}"))),
        (Act::Abort, _) => {
            let what = match &finished.deployment {
                Some(deployment) => format!("{deployment} is taken back; {alone}{took}"),
                None => format!("{alone}{took}"),
            };
            lines.push(good("aborted", what));
        }
        (Act::Down, _) => {
            let swept = ending.detail.as_deref().map(|swept| format!("; {swept}")).unwrap_or_default();
            let left = if ending.kept.is_some() { "only data is left" } else { "nothing is left" };
            lines.push(good("removed", format!("{left} of the service{swept}{took}")));
            lines.extend(ending.kept.as_ref().map(|kept| {
                Line::new("kept", format!("{kept}: quickserve down{} --volumes removes it", narrator.again))
            }));
        }
        (Act::Lock, outcome) => {
            lines.push(good("locked", ending.detail.clone().unwrap_or_default()));
            if outcome == Outcome::Done {
                lines.push(Line::new("undo", format!("quickserve unlock{}", narrator.again)));
            }
        }
        (Act::Unlock, _) => {
            lines.push(good(
                "unlocked",
                ending.detail.clone().unwrap_or_else(|| "nobody had locked it".to_owned()),
            ));
        }
        (Act::Scale | Act::Restart, Outcome::Unchanged) => {
            lines.push(good("same", format!("{alone}; nothing was changed")));
        }
        (Act::Scale, _) => lines.push(good("scaled", format!("{alone}{took}"))),
        (Act::Restart, _) => lines.push(good("restarted", format!("{alone}{took}"))),
        (Act::Look | Act::Command, _) => {}
    }
    if let Some(cause) = &finished.cause {
        lines.push(Line::toned("caution", cause.message.clone(), Tone::Bad));
    }
    if let (Act::Rollback | Act::Resume, Outcome::Done, Some(left)) =
        (ending.act, finished.outcome, &narrator.left)
    {
        let text = format!("{} is refused from now on; --retry deploys it", narrator.name(left));
        lines.push(Line::new("note", text));
    }
    if matches!(ending.act, Act::Deploy | Act::Rollback | Act::Promote)
        && finished.outcome != Outcome::Detached
        && let Some(url) = &ending.url
    {
        lines.push(Line::new("url", url.clone()));
    }
    if ending.act == Act::Deploy && ending.undo && finished.outcome == Outcome::Done {
        lines.push(Line::new("undo", format!("quickserve rollback{}", narrator.again)));
    }
    lines
}

fn failure(narrator: &Narrator, ending: &Ending) -> Vec<Line> {
    let finished = &ending.finished;
    let headline = headline(narrator, ending);
    // To wait for an answer, as was asked, is no error.
    let mut lines = vec![match finished.outcome {
        Outcome::Paused => Line::toned("inflight", headline, Tone::Bad),
        _ => Line::Error(headline),
    }];
    let (errors, others): (Vec<&Finding>, Vec<&Finding>) =
        finished.findings.iter().partition(|finding| finding.severity == Severity::Error);
    lines.extend(errors.into_iter().map(Line::finding));
    let warnings: Vec<&Finding> =
        others.into_iter().filter(|finding| finding.severity == Severity::Warning).collect();
    if !warnings.is_empty() {
        lines.push(Line::new("check", format!("also {}", warned(&warnings))));
    }
    if let Some(cause) = &finished.cause {
        let said = if finished.deployment.is_some() && is_about_release(ending) {
            Some(&cause.message)
        } else {
            None
        };
        lines.extend(said.into_iter().chain(&cause.causes).map(|cause| Line::CausedBy(cause.clone())));
    }
    if let (Some((goal, since)), Some(last)) = (&narrator.turned, narrator.last)
        && finished.deployment.is_some()
        && !matches!(finished.outcome, Outcome::Stuck | Outcome::Superseded)
    {
        let took = words::duration(quickserve_core::clock::between(*since, last));
        lines.push(Line::new(
            "undone",
            match goal {
                Goal::Serve { release, .. } => {
                    format!("traffic, image, config, secrets to {release:#}, {took}")
                }
                Goal::Nothing => format!("what was started is removed, {took}"),
                Goal::Before { revision } => {
                    format!("to {}, which was there before, {took}", revision.short())
                }
            },
        ));
    }
    lines.extend(serving(narrator, ending));
    lines.extend(hint(finished).map(Line::Hint));
    lines.push(match next(narrator, ending) {
        Some(next) => Line::new("next", format!("{next}   [exit {}]", finished.exit_code)),
        None => Line::new("exit", format!("{} {}", finished.exit_code, finished.outcome)),
    });
    lines
}

/// Whether the outcome tells of a release that was tried.
fn is_about_release(ending: &Ending) -> bool {
    let tried = matches!(ending.finished.outcome, Outcome::RolledBack | Outcome::Stuck | Outcome::Frozen);
    tried && ending.act != Act::Down
}

fn headline(narrator: &Narrator, ending: &Ending) -> String {
    let finished = &ending.finished;
    let release = finished.release.as_ref().map(|release| narrator.name(release));
    let what = release.unwrap_or_else(|| "it".to_owned());
    let at = narrator.failed.as_ref().map(|step| format!(" at {}", words::step(step))).unwrap_or_default();
    let message = finished.cause.as_ref().map(|cause| cause.message.clone());
    match finished.outcome {
        Outcome::RolledBack => {
            let cleaned = matches!(&narrator.turned, Some((Goal::Nothing, _)));
            format!("{what} failed{at}; {}", if cleaned { "cleaned up" } else { "rolled back" })
        }
        Outcome::Stuck if finished.deployment.is_some() && is_about_release(ending) => {
            match &narrator.failed {
                Some(_) => format!("{what} failed{at}, and taking it back did not complete"),
                None => format!("{what} could not be brought to its end"),
            }
        }
        Outcome::Frozen => format!("{what} failed{at}; frozen: nothing was taken back, as configured"),
        Outcome::Interrupted | Outcome::Terminated if finished.deployment.is_some() => {
            let signal = if finished.outcome == Outcome::Terminated { "SIGTERM" } else { "SIGINT" };
            let deployment = finished.deployment.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("interrupted by {signal}; {deployment} is taken back")
        }
        Outcome::Refused | Outcome::UsageError if !finished.findings.is_empty() => {
            let errors = finished.findings.iter().filter(|finding| finding.severity == Severity::Error);
            let count = words::count(errors.count() as u64, "finding");
            match finished.outcome {
                Outcome::Refused => format!("refused by {count}; nothing was changed"),
                _ => format!(
                    "{} in the configuration; nothing was changed",
                    count.replace("finding", "mistake")
                ),
            }
        }
        Outcome::Paused => {
            let deployment = finished.deployment.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{deployment}, {}", message.unwrap_or_default())
        }
        outcome => message.unwrap_or_else(|| outcome.to_string()),
    }
}

fn serving(narrator: &Narrator, ending: &Ending) -> Option<Line> {
    let finished = &ending.finished;
    // An abort is refused when what it was to take back has come to its own goal.
    let untouched =
        matches!(finished.outcome, Outcome::Refused | Outcome::UsageError) && ending.act != Act::Abort;
    if untouched && finished.serving.is_empty() {
        return None;
    }
    let now = narrator.serving(&finished.serving);
    Some(Line::new(
        "serving",
        match (untouched, narrator.last) {
            (true, _) => format!("{now}, untouched"),
            (false, Some(at)) if finished.deployment.is_some() => {
                format!("{now}, verified {}", words::clock(at))
            }
            (false, _) if finished.serving.is_empty() => return None,
            (false, _) => now,
        },
    ))
}

fn hint(finished: &Finished) -> Option<String> {
    let own = finished.cause.as_ref().and_then(|cause| cause.hint.clone());
    if finished.outcome == Outcome::RolledBack && finished.condemned {
        let retry = "mend the cause; the same release needs --retry";
        return Some(
            own.map_or_else(|| retry.to_owned(), |own| format!("{own}; the same release needs --retry")),
        );
    }
    own
}

/// Whether the same command can show, once its findings are mended, that they are: not where it names an image that
/// does not exist, nor where their hints say all that there is to do.
fn can_be_checked(finished: &Finished) -> bool {
    let said = [Code::NOT_BUILT, Code::MISSING_VARIABLE, Code::PORT_HELD];
    let errors = || finished.findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors().all(|finding| finding.code != Code::IMAGE_NOT_FOUND)
        && errors().any(|finding| !said.contains(&finding.code))
}

fn next(narrator: &Narrator, ending: &Ending) -> Option<String> {
    let finished = &ending.finished;
    let command = |command: &str| Some(format!("quickserve {command}{}", narrator.again));
    match finished.outcome {
        Outcome::RolledBack => command("history"),
        Outcome::Paused => command("promote"),
        Outcome::Stuck if ending.act == Act::Down => command("down").map(|down| down + &ending.draft),
        Outcome::Stuck | Outcome::InternalError => command("resume"),
        Outcome::Busy | Outcome::Superseded | Outcome::TimedOut => command("status"),
        Outcome::Frozen => command("logs"),
        // `check` makes the same checks, shows all, and changes nothing.
        Outcome::Refused if ending.act == Act::Deploy && can_be_checked(finished) => {
            let condemned = finished.findings.iter().any(|finding| finding.code == Code::CONDEMNED_RELEASE);
            if condemned { command("history") } else { command("check").map(|check| check + &ending.draft) }
        }
        Outcome::Refused if ending.act == Act::Rollback => command("history"),
        Outcome::Interrupted | Outcome::Terminated if ending.act != Act::Command => {
            match finished.deployment {
                Some(_) => command("status"),
                // Whoever interrupts a removal wants the service.
                None if ending.act == Act::Down => command("abort"),
                None => command("resume"),
            }
        }
        _ => None,
    }
}
