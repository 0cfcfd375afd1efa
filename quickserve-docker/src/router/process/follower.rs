//! A worker's last time: another one serves, and it finishes what it has begun.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until};

use super::link::{self, Receiver, Sender};
use super::messages::{FromWorker, Report, ToFollower};
use super::supervised::{Order, Supervised};
use super::worker::COUNT;
use crate::router::door::Doors;
use crate::router::hub::Hub;

/// How it went.
pub(super) enum Followed {
    /// The last connection has ended.
    Ended,
    /// The other worker died before it served: this one goes on, with the lock and the control socket.
    Resumed(std::collections::VecDeque<OwnedFd>),
}

/// Lets connections go on under the splits of another worker until the last has ended, or for so long.
///
/// Without that worker the split stays as it is: no other can hold before one leads this process again. With
/// neither worker nor parent nobody would, so then it ends.
pub(super) async fn follow(
    hub: &Arc<Hub>,
    doors: &Doors,
    parent: &Supervised,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    first: OwnedFd,
    (linger, grace): (Duration, Duration),
) -> Followed {
    let deadline = Instant::now() + linger;
    let mut leader = link::open(first).ok();
    let mut orphan = false;
    let mut count = interval(COUNT);
    doors.leave();
    tracing::info!(connections = doors.connections(), "another worker serves; this one finishes");
    loop {
        if leader.is_none() && orphan {
            tracing::warn!("neither parent nor worker is left to follow");
            break;
        }
        tokio::select! {
            heard = hear(&mut leader) => match heard {
                Some(ToFollower::Tell { ask, services }) => {
                    hub.obey(&services).await;
                    report(hub, doors, leader.as_ref(), ask).await;
                }
                Some(ToFollower::Ask { ask }) => report(hub, doors, leader.as_ref(), ask).await,
                Some(ToFollower::End) => break,
                None => leader = None,
            },
            order = orders.recv() => match order {
                Some(Order::Follow(fd)) => leader = link::open(fd).ok(),
                Some(Order::Resume(fds)) => {
                    doors.stay();
                    return Followed::Resumed(fds);
                }
                Some(Order::End) => break,
                None | Some(Order::Orphaned) => orphan = true,
                Some(Order::HandOver { .. } | Order::Lead(..) | Order::Go | Order::Adoption(_)) => {}
            },
            () = finished(hub, doors) => break,
            _ = count.tick() => parent.say(&FromWorker::InFlight(hub.at_work().await)),
            () = sleep_until(deadline) => break,
        }
    }
    // Whoever leads may still ask, and set splits.
    let close = doors.close(grace);
    tokio::pin!(close);
    loop {
        tokio::select! {
            () = &mut close => break,
            heard = hear(&mut leader) => match heard {
                Some(ToFollower::Tell { ask, services }) => {
                    hub.obey(&services).await;
                    report(hub, doors, leader.as_ref(), ask).await;
                }
                Some(ToFollower::Ask { ask }) => report(hub, doors, leader.as_ref(), ask).await,
                Some(ToFollower::End) => {}
                None => leader = None,
            },
        }
    }
    report(hub, doors, leader.as_ref(), 0).await;
    if let Some((sender, _)) = &leader {
        sender.flush().await;
    }
    Followed::Ended
}

/// Nothing is left to do here.
async fn finished(hub: &Hub, doors: &Doors) {
    doors.all_gone().await;
    hub.answer_upgrades().await;
}

async fn hear(leader: &mut Option<(Sender, Receiver)>) -> Option<ToFollower> {
    match leader {
        Some((_, receiver)) => receiver.hear().await.map(|heard| heard.message),
        None => std::future::pending().await,
    }
}

async fn report(hub: &Hub, doors: &Doors, leader: Option<&(Sender, Receiver)>, ask: u64) {
    if let Some((sender, _)) = leader {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let (connections, loads, unrouted) = (doors.connections(), hub.loads().await, hub.unrouted());
        sender.say(&Report { ask, version, connections, loads, unrouted });
    }
}
