//! The public addresses, each with the services behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use quickserve_core::Result;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::Rule;

use super::door::Doors;
use super::live::Open;
use super::process::Listeners;
use super::table::Table;
use super::traffic::Traffic;

/// The public addresses that are open.
#[derive(Debug, Default)]
pub(super) struct Entrances(BTreeMap<SocketAddr, Entrance>);

#[derive(Debug)]
struct Entrance {
    open: Open,
    table: Arc<Table>,
}

impl Entrances {
    pub(super) fn is_open(&self, address: SocketAddr) -> bool {
        self.0.contains_key(&address)
    }

    /// Puts a service behind an address, which is opened when it is not; answers the address.
    pub(super) async fn enter(
        &mut self,
        doors: &Doors,
        listeners: &Arc<Listeners>,
        address: SocketAddr,
        traffic: &Arc<Traffic>,
        rule: &Rule,
    ) -> Result<SocketAddr> {
        let forwarder = doors.forwarder(traffic, false);
        if let Some(entrance) = self.0.get(&address) {
            entrance.table.enter(rule.clone(), forwarder);
            return Ok(address);
        }
        let (listener, hold) = listeners.open(address).await?;
        let address = hold.address;
        let table = Arc::new(Table::new(rule.clone(), forwarder));
        let open = Open::new(doors.open(listener, address, Arc::clone(&table)), hold);
        self.0.insert(address, Entrance { open, table });
        Ok(address)
    }

    /// Takes a service away from an address; with the last one the address is closed, and free when this returns.
    pub(super) async fn leave(&mut self, address: SocketAddr, key: &ServiceKey) {
        let is_left = self.0.get(&address).is_some_and(|entrance| entrance.table.leave(key));
        if !is_left && let Some(entrance) = self.0.remove(&address) {
            entrance.open.close().await;
        }
    }

    /// Stops accepting, for another process to do so. Connections go on.
    pub(super) async fn shut(&mut self) {
        for entrance in std::mem::take(&mut self.0).into_values() {
            entrance.open.shut().await;
        }
    }
}
