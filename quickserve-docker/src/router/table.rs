//! The services behind one address, and which of them takes a request.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use http::header::HOST;
use http::{Request, Uri};
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::Rule;

use super::forward::Forwarder;
use super::options::{Limits, Options};
use super::tls::Secure;
use super::traffic::Wishes;

/// The services behind one address. The default is to be filled before the address is opened.
#[derive(Debug, Default)]
pub(super) struct Table(RwLock<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    rule: Rule,
    forwarder: Arc<Forwarder>,
}

/// Whose a request is.
#[derive(Debug)]
pub(super) enum Taker {
    /// The one service behind the address, which takes all.
    Alone(Arc<Forwarder>),
    /// One whose rule it is.
    OneOf(Arc<Forwarder>),
    /// No service has such a host and path.
    Nobody,
}

impl Table {
    pub(super) fn new(rule: Rule, forwarder: Forwarder) -> Self {
        Self(RwLock::new(vec![Entry { rule, forwarder: Arc::new(forwarder) }]))
    }

    /// Puts a service behind the address, or gives it another rule.
    pub(super) fn enter(&self, rule: Rule, forwarder: Forwarder) {
        let mut entries = self.write();
        entries.retain(|entry| entry.forwarder.traffic.key != forwarder.traffic.key);
        entries.push(Entry { rule, forwarder: Arc::new(forwarder) });
        // Where nothing else tells them apart, the first is the same in every process.
        entries.sort_by(|a, b| a.forwarder.traffic.key.cmp(&b.forwarder.traffic.key));
    }

    /// Takes a service away, unless it is the last one: until the address is closed, what comes there is still its own.
    /// Answers whether another one is left.
    pub(super) fn leave(&self, key: &ServiceKey) -> bool {
        let mut entries = self.write();
        let is_last = entries.iter().all(|entry| entry.forwarder.traffic.key == *key);
        if !is_last {
            entries.retain(|entry| entry.forwarder.traffic.key != *key);
        }
        !is_last
    }

    /// Whose a request is.
    pub(super) fn taker<B>(&self, request: &Request<B>) -> Taker {
        let entries = self.read();
        if let [only] = &entries[..]
            && only.rule.is_any()
        {
            return Taker::Alone(Arc::clone(&only.forwarder));
        }
        let (host, path) = (host(request), request.uri().path());
        let rated = entries.iter().filter_map(|entry| Some((entry.rule.takes(host, path)?, entry)));
        match rated.max_by_key(|(closeness, _)| *closeness) {
            Some((_, entry)) => Taker::OneOf(Arc::clone(&entry.forwarder)),
            None => Taker::Nobody,
        }
    }

    /// What is asked for a connection that begins now, of which nobody knows yet whose it is: of several services the
    /// largest limits.
    pub(super) fn wishes(&self) -> Arc<Wishes> {
        let entries = self.read();
        if let [only] = &entries[..] {
            return only.forwarder.wishes();
        }
        let all = entries.iter().map(|entry| entry.forwarder.wishes());
        let together = all.reduce(|one, other| {
            let mut options = Options::default();
            options.tls = one.options.tls.clone().or_else(|| other.options.tls.clone());
            options.limits = largest(&one.options.limits, &other.options.limits);
            Arc::new(Wishes { options, secure: one.secure.clone().or_else(|| other.secure.clone()) })
        });
        together.unwrap_or_default()
    }

    /// What ends TLS for a client that asks for this name (RFC 6066, 3). Of services that are equally close, the path is
    /// not known yet, one that has a certificate does it for all.
    pub(super) fn secure(&self, name: Option<&str>) -> Option<Arc<Secure>> {
        let entries = self.read();
        let rated = entries.iter().rev().map(|entry| {
            let secure = entry.forwarder.wishes().secure.clone();
            (entry.rule.knows(name), secure)
        });
        rated.max_by_key(|(closeness, secure)| (*closeness, secure.is_some()))?.1
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Entry>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Entry>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The host that a request names: in its target (RFC 9112, 3.2.2; RFC 9113, 8.3.1), or else in its field.
fn host<B>(request: &Request<B>) -> Option<&str> {
    let named = Uri::authority(request.uri()).map(http::uri::Authority::host);
    named.or_else(|| request.headers().get(HOST)?.to_str().ok())
}

/// For a connection that may come to be either's.
fn largest(one: &Limits, other: &Limits) -> Limits {
    let mut limits = one.clone();
    limits.connections = one.connections.max(other.connections);
    limits.head_bytes = one.head_bytes.max(other.head_bytes);
    limits.idle_timeout = one.idle_timeout.max(other.idle_timeout);
    limits.download_pause = one.download_pause.max(other.download_pause);
    limits
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::router::access_log::AccessLog;
    use crate::router::door::Doors;
    use crate::router::folder::Folder;
    use crate::router::traffic::Traffic;

    #[tokio::test]
    async fn the_last_service_has_its_requests_until_the_address_is_closed() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let doors = Doors::new(AccessLog::new(&Folder::new(folder.path())));
        let key = |name| ServiceKey::new(name, "local").expect("a service's name");
        let forwarder = |name| doors.forwarder(&Arc::new(Traffic::new(key(name), &BTreeMap::new())), false);
        let table = Table::new(Rule::default(), forwarder("shop"));
        let mut other = Rule::default();
        other.hosts.push("other.test".parse().expect("a host"));
        table.enter(other, forwarder("other"));
        let asked = Request::get("http://other.test/").body(()).expect("a request");
        let taker = |table: &Table| match table.taker(&asked) {
            Taker::Alone(forwarder) | Taker::OneOf(forwarder) => forwarder.traffic.key.service().to_owned(),
            Taker::Nobody => "nobody".to_owned(),
        };
        assert_eq!(taker(&table), "other");
        assert!(table.leave(&key("other")));
        assert_eq!(taker(&table), "shop");
        assert!(!table.leave(&key("shop")));
        assert_eq!(taker(&table), "shop");
    }
}
