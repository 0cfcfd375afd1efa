//! `make demo`: the whole story under load, told by the real `quickserve`, and nothing left behind.
//!
//! `quickserve-demo QUICKSERVE STOREFRONT FOLDER`: the two executables, and the folder that everything is in.

mod children;
mod docker;
mod failure;
mod images;
mod load;
mod screen;
mod shop;
mod story;
mod traces;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use quickserve_tests::load::{Load, Tally};
use tokio::time::Instant;

use crate::children::Children;
use crate::failure::{Failure, Result};
use crate::screen::{Screen, thousands};
use crate::shop::Shop;
use crate::traces::Traces;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let screen = Arc::new(Screen::new());
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let Ok([quickserve, storefront, folder]) = <[PathBuf; 3]>::try_from(arguments) else {
        screen.bad("usage: quickserve-demo QUICKSERVE STOREFRONT FOLDER (or simply: make demo)");
        return ExitCode::from(2);
    };
    match run(&screen, &quickserve, &storefront, &folder).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            screen.bad(&format!("error: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(screen: &Arc<Screen>, quickserve: &Path, storefront: &Path, folder: &Path) -> Result<()> {
    let began = Instant::now();
    let children = Children::listen()?;
    let mut shop = Shop::open(quickserve, folder)?;
    shop.clear_left_over(&children, screen).await?;
    let before = Traces::look(&children).await?;

    let mut load = None;
    let told = tell(&mut shop, storefront, &children, &mut load, screen).await;
    // Where the story ended early, the load still runs.
    let stopped = match load {
        Some(load) => Some(load.stop().await),
        None => None,
    };
    if let Err(failure) = &told {
        screen.bad(&format!("\nerror: {failure}"));
        for line in shop.router_log() {
            screen.label("router", &line);
        }
        screen.label("clean", "removing what the demo made");
    }
    // Signals are not listened to any more: what is removed here must be gone, and it takes seconds.
    let children = Children::undisturbed();
    let cleared = shop.clear(&children).await;
    let clean = match cleared {
        Ok(()) => {
            Traces::look(&children).await.and_then(|after| nothing_left(screen, &before, &after, &shop))
        }
        Err(failure) => Err(failure),
    };
    let counted = count(screen, told.as_ref().ok().or(stopped.as_ref()), began);
    told.map(drop).map_err(Failure::told).and(clean).and(counted)
}

async fn tell(
    shop: &mut Shop,
    storefront: &Path,
    children: &Children,
    load: &mut Option<Load>,
    screen: &Arc<Screen>,
) -> Result<Tally> {
    screen.title("QuickServe under load");
    screen.label("images", "examples/storefront in five versions, built FROM scratch");
    shop.furnish(storefront, children).await?;
    screen.label("folder", &shop.shown());
    story::tell(shop, children, load, screen).await
}

fn nothing_left(screen: &Screen, before: &Traces, after: &Traces, shop: &Shop) -> Result<()> {
    let new = after.since(before, &shop.images);
    let left: Vec<String> = new.ours.into_iter().chain(shop.left()).collect();
    if !left.is_empty() {
        return Err(Failure::new(format!("the demo left behind: {}", left.join(", "))));
    }
    screen.verdict("left", "no container, image, network, volume, process or file of the demo", true);
    if new.others > 0 {
        screen.label(
            "",
            &format!("({} things in the engine are newer than the demo and not its own)", new.others),
        );
    }
    Ok(())
}

fn count(screen: &Screen, tally: Option<&Tally>, began: Instant) -> Result<()> {
    let Some(tally) = tally else { return Ok(()) };
    for failed in &tally.failures {
        screen.bad(&format!("failed   {failed}"));
    }
    let (sent, posts, failed) = (thousands(tally.sent), thousands(tally.posts), thousands(tally.failed));
    screen.label("took", &format!("{} s", began.elapsed().as_secs()));
    screen.verdict(
        "requests",
        &format!("{sent} sent ({posts} of them POST), {failed} failed"),
        tally.failed == 0,
    );
    match tally.failed {
        0 => Ok(()),
        _ => Err(Failure::new(format!("{failed} requests failed"))),
    }
}
