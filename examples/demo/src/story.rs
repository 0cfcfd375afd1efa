//! The story: what is typed, how it must end, and who must serve then.

use std::sync::Arc;
use std::time::Duration;

use quickserve_tests::load::{Load, Tally};
use tokio::time::sleep;

use crate::children::Children;
use crate::failure::{Failure, Result};
use crate::images::REPOSITORY;
use crate::load::{self, SIZE};
use crate::screen::{Screen, thousands};
use crate::shop::Shop;

/// How long the load goes on after the last command, so that its end is seen too.
const EPILOGUE: Duration = Duration::from_secs(1);

/// How long one looks which versions answer.
const LOOK: Duration = Duration::from_millis(400);

/// A chapter.
struct Chapter {
    title: &'static str,
    /// Typed before it, for the shell.
    before: Option<&'static str>,
    /// What `quickserve` is told; `@` stands for the images' repository.
    command: &'static str,
    exit_code: i32,
    /// The version that must answer afterwards, and alone.
    serves: Option<&'static str>,
    /// A version that must have answered meanwhile, or must not have.
    seen: Option<(&'static str, bool)>,
    /// Whether tasks crash in it with requests in flight.
    crashes: bool,
}

/// What most chapters have.
const PLAIN: Chapter =
    Chapter { title: "", before: None, command: "", exit_code: 0, serves: None, seen: None, crashes: false };

const CHAPTERS: [Chapter; 10] = [
    Chapter {
        title: "The first deployment",
        command: "deploy --image @:1.8.0",
        serves: Some("1.8.0"),
        ..PLAIN
    },
    Chapter {
        title: "A new version, under load",
        command: "deploy --image @:1.8.1",
        serves: Some("1.8.1"),
        ..PLAIN
    },
    Chapter {
        title: "1.9.0 needs a variable that nobody has set: refused, nothing is touched",
        before: Some("echo SESSION_KEY=change-me >> .env.example"),
        command: "deploy --image @:1.9.0",
        exit_code: 3,
        serves: Some("1.8.1"),
        seen: Some(("1.9.0", false)),
        ..PLAIN
    },
    Chapter {
        title: "The variable is set; 1.9.1 never gets healthy: it gets no request",
        before: Some("echo SESSION_KEY=correct-horse >> .env"),
        command: "deploy --image @:1.9.1",
        exit_code: 4,
        serves: Some("1.8.1"),
        seen: Some(("1.9.1", false)),
        ..PLAIN
    },
    Chapter {
        title: "1.9.2 is healthy, gets all requests, and crashes: taken back",
        command: "deploy --image @:1.9.2",
        exit_code: 4,
        serves: Some("1.8.1"),
        seen: Some(("1.9.2", true)),
        crashes: true,
        ..PLAIN
    },
    Chapter {
        title: "The same once more, as a restless pipeline would: refused",
        command: "deploy --image @:1.9.2",
        exit_code: 3,
        serves: Some("1.8.1"),
        seen: Some(("1.9.2", false)),
        ..PLAIN
    },
    Chapter {
        title: "Second thoughts about 1.8.1: back to the good release before it",
        command: "rollback",
        serves: Some("1.8.0"),
        ..PLAIN
    },
    Chapter { title: "What happened", command: "history", serves: Some("1.8.0"), ..PLAIN },
    Chapter { title: "What serves", command: "status", serves: Some("1.8.0"), ..PLAIN },
    Chapter { title: "The load ends, and everything goes", command: "down", ..PLAIN },
];

/// Tells all of it, and answers what the load has counted. It runs from the first deployment to the last
/// command but one; where the story ends early it is left in `load`.
pub(crate) async fn tell(
    shop: &Shop,
    children: &Children,
    load: &mut Option<Load>,
    screen: &Arc<Screen>,
) -> Result<Tally> {
    let mut counted = Tally::default();
    for (index, chapter) in CHAPTERS.iter().enumerate() {
        screen.title(&format!("{}/{}  {}", index + 1, CHAPTERS.len(), chapter.title));
        if chapter.serves.is_none()
            && let Some(load) = load.take()
        {
            children.unless_interrupted(sleep(EPILOGUE)).await?;
            let ran = load.is_running();
            counted = load.stop().await;
            if !ran {
                return Err(Failure::new("the load ended before the story did"));
            }
        }
        let status = act(chapter, shop, children, load.as_ref(), screen).await;
        if let Some(load) = load {
            load.everything();
        }
        status?;
        if load.is_none() && chapter.serves.is_some() {
            *load = Some(load::start(shop.port, Arc::clone(screen)));
            let (connections, port) = (SIZE.connections, shop.port);
            screen.label(
                "load",
                &format!("starts: {connections} keep-alive connections to 127.0.0.1:{port}, GET and POST"),
            );
        }
    }
    Ok(counted)
}

async fn act(
    chapter: &Chapter,
    shop: &Shop,
    children: &Children,
    load: Option<&Load>,
    screen: &Screen,
) -> Result<()> {
    if chapter.crashes
        && let Some(load) = load
    {
        load.only_repeatable().await;
        screen.label("load", "GET only until this is over: of a POST in flight when a server dies");
        screen.label("", "nobody knows whether it had its effect, so it is not sent again");
    }
    if let Some(line) = chapter.before {
        screen.command(line);
        let done = children.show(&mut shop.shell(line)).await?;
        if !done.success() {
            return Err(Failure::new(format!("`{line}` ended with {done}")));
        }
    }
    let before = load.map(Load::tally);
    let command = chapter.command.replace('@', REPOSITORY);
    screen.command(&format!("quickserve {command}"));
    let arguments: Vec<&str> = command.split(' ').collect();
    let status = children.show(&mut shop.quickserve(&arguments)).await?;
    if status.code() != Some(chapter.exit_code) {
        let wanted = chapter.exit_code;
        return Err(Failure::new(format!(
            "`quickserve {command}` ended with {status}, not with exit code {wanted}"
        )));
    }
    if let (Some(load), Some(before)) = (load, before) {
        children.unless_interrupted(look(chapter, load, &before, screen)).await??;
    }
    Ok(())
}

/// Holds what the load has seen against the chapter.
async fn look(chapter: &Chapter, load: &Load, before: &Tally, screen: &Screen) -> Result<()> {
    let ended = load.tally();
    sleep(LOOK).await;
    let after = load.tally();
    let (meanwhile, now) = (after.since(before), after.since(&ended));
    let now: Vec<&str> = now.versions.keys().map(String::as_str).collect();
    let mut parts = Vec::new();
    if meanwhile.versions.len() > 1 {
        let sum: u64 = meanwhile.versions.values().sum();
        parts.extend(meanwhile.versions.iter().map(|(version, count)| match count * 100 / sum {
            0 => format!("{version} < 1 %"),
            percent => format!("{version} {percent} %"),
        }));
    }
    let by = if now.is_empty() { "nobody".to_owned() } else { now.join(" and ") };
    parts.push(if parts.is_empty() { by } else { format!("now {by}") });
    let (sent, failed) = (thousands(meanwhile.sent), thousands(meanwhile.failed));
    let text = format!("{sent} requests, {failed} failed; answered by {}", parts.join(", "));
    screen.verdict("load", &text, meanwhile.failed == 0);
    if let Some(wanted) = chapter.serves
        && now != [wanted]
    {
        return Err(Failure::new(format!("{} answers now, not {wanted} alone", now.join(" and "))));
    }
    if let Some((version, wanted)) = chapter.seen
        && meanwhile.versions.contains_key(version) != wanted
    {
        let what = if wanted { "never answered" } else { "answered requests" };
        return Err(Failure::new(format!("{version} {what}")));
    }
    Ok(())
}
