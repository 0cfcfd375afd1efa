//! The public addresses, each with the services behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use quickserve_core::Result;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::Rule;
use tokio::net::TcpListener;

use super::door::Doors;
use super::forward::Forwarder;
use super::live::Open;
use super::process::{Hold, Listeners};
use super::table::Table;
use super::traffic::Traffic;

/// The public addresses that are open.
#[derive(Debug, Default)]
pub(super) struct Entrances {
    open: BTreeMap<SocketAddr, Entrance>,
    /// Of those at which another process was to accept: connections that came before it still look there, and go on
    /// to where this one accepts again.
    left: BTreeMap<SocketAddr, Arc<Table>>,
}

#[derive(Debug)]
struct Entrance {
    open: Open,
    table: Arc<Table>,
}

/// An address that is bound: clients that connect wait until it is opened.
#[derive(Debug)]
pub(super) struct Bound {
    listener: TcpListener,
    hold: Hold,
}

impl Bound {
    pub(super) async fn new(listeners: &Arc<Listeners>, address: SocketAddr) -> Result<Self> {
        let (listener, hold) = listeners.open(address).await?;
        Ok(Self { listener, hold })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.hold.address
    }

    /// Lets go of the address, which is free when this returns.
    pub(super) async fn let_go(self) {
        drop(self.listener);
        self.hold.let_go().await;
    }
}

impl Entrances {
    pub(super) fn is_open(&self, address: SocketAddr) -> bool {
        self.open.contains_key(&address)
    }

    /// Opens an address, with the services that belong behind it.
    pub(super) fn open(&mut self, doors: &Doors, bound: Bound, services: Vec<(Rule, Forwarder)>) {
        let Bound { listener, hold } = bound;
        let address = hold.address;
        let table = self.left.remove(&address).unwrap_or_else(|| Arc::new(Table::new(doors.strays.clone())));
        table.refill(services);
        let open = Open::new(doors.open(listener, address, Arc::clone(&table)), hold);
        self.open.insert(address, Entrance { open, table });
    }

    /// Puts a service behind an address that is open.
    pub(super) fn enter(&self, doors: &Doors, address: SocketAddr, traffic: &Arc<Traffic>, rule: &Rule) {
        if let Some(entrance) = self.open.get(&address) {
            entrance.table.enter(rule.clone(), doors.forwarder(traffic, false));
        }
    }

    /// Takes a service away from an address; with the last one the address is closed, and free when this returns.
    pub(super) async fn leave(&mut self, address: SocketAddr, key: &ServiceKey) {
        let is_left = self.open.get(&address).is_some_and(|entrance| entrance.table.leave(key));
        if !is_left && let Some(entrance) = self.open.remove(&address) {
            entrance.open.close().await;
        }
    }

    /// Stops accepting, for another process to do so. Connections go on.
    pub(super) async fn shut(&mut self) {
        for (address, entrance) in std::mem::take(&mut self.open) {
            entrance.open.shut().await;
            self.left.insert(address, entrance.table);
        }
    }
}
