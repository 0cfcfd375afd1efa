//! The services behind one address, and which of them takes a request.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use http::header::HOST;
use http::{Request, Response, Uri};
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::Rule;

use super::body::Download;
use super::forward::Forwarder;
use super::options::{Limits, Options};
use super::strays::Strays;
use super::tls::Secure;
use super::traffic::Wishes;

/// The services behind one address.
#[derive(Debug)]
pub(super) struct Table {
    entries: RwLock<Vec<Entry>>,
    strays: Strays,
}

#[derive(Debug)]
struct Entry {
    rule: Rule,
    forwarder: Arc<Forwarder>,
    /// What it asked for when it came here. What it asks for since then, on its way to another address, is not for the
    /// connections of this one. A preview's address is its own, and has what it asks for now.
    asked: Option<Arc<Wishes>>,
}

impl Table {
    /// An empty one, to be filled before its address is opened.
    pub(super) fn new(strays: Strays) -> Self {
        Self { entries: RwLock::default(), strays }
    }

    /// Puts a service behind the address, or gives it another rule and what it asks for now.
    pub(super) fn enter(&self, rule: Rule, forwarder: Forwarder) {
        let mut entries = self.write();
        entries.retain(|entry| entry.forwarder.traffic.key != forwarder.traffic.key);
        entries.push(Entry::new(rule, forwarder));
        sort(&mut entries);
    }

    /// Puts these services behind the address, in place of all that were there.
    pub(super) fn refill(&self, services: Vec<(Rule, Forwarder)>) {
        let mut entries: Vec<_> =
            services.into_iter().map(|(rule, forwarder)| Entry::new(rule, forwarder)).collect();
        sort(&mut entries);
        *self.write() = entries;
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

    /// Whose a request is; nobody's where no service has such a host and path.
    pub(super) fn taker<B>(&self, request: &Request<B>) -> Option<Arc<Forwarder>> {
        let entries = self.read();
        if let [only] = &entries[..]
            && only.rule.is_any()
        {
            return Some(Arc::clone(&only.forwarder));
        }
        let (host, path) = (host(request), request.uri().path());
        let rated = entries.iter().filter_map(|entry| Some((entry.rule.takes(host, path)?, entry)));
        rated.max_by_key(|(closeness, _)| *closeness).map(|(_, entry)| Arc::clone(&entry.forwarder))
    }

    /// Answers a request that is nobody's; one of a connection that is asked to leave may be somebody's elsewhere.
    pub(super) fn turn_away<B>(&self, request: &Request<B>, leaving: bool) -> Response<Download> {
        let logs = |entry: &Entry| entry.forwarder.traffic.wishes().options.access_log;
        let is_logged = self.read().iter().any(logs);
        self.strays.answer(request, is_logged, leaving)
    }

    /// What is asked for a connection that begins now, of which nobody knows yet whose it is: of several services the
    /// largest limits.
    pub(super) fn wishes(&self) -> Arc<Wishes> {
        let entries = self.read();
        if let [only] = &entries[..] {
            return only.wishes();
        }
        let all = entries.iter().map(Entry::wishes);
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
            let secure = entry.wishes().secure.clone();
            (entry.rule.knows(name), secure)
        });
        rated.max_by_key(|(closeness, secure)| (*closeness, secure.is_some()))?.1
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Entry>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(rule: Rule, forwarder: Forwarder) -> Self {
        let asked = (!forwarder.preview).then(|| forwarder.wishes());
        Self { rule, forwarder: Arc::new(forwarder), asked }
    }

    /// What is asked for of connections.
    fn wishes(&self) -> Arc<Wishes> {
        self.asked.as_ref().map_or_else(|| self.forwarder.wishes(), Arc::clone)
    }
}

/// Where nothing else tells them apart, the first is the same in every process.
fn sort(entries: &mut [Entry]) {
    entries.sort_by(|a, b| a.forwarder.traffic.key.cmp(&b.forwarder.traffic.key));
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
        let table = Table::new(doors.strays.clone());
        table.enter(Rule::default(), forwarder("shop"));
        let mut other = Rule::default();
        other.hosts.push("other.test".parse().expect("a host"));
        table.enter(other, forwarder("other"));
        let asked = Request::get("http://other.test/").body(()).expect("a request");
        let taker = |table: &Table| {
            let taker = table.taker(&asked);
            taker.map_or("nobody".to_owned(), |forwarder| forwarder.traffic.key.service().to_owned())
        };
        assert_eq!(taker(&table), "other");
        assert!(table.leave(&key("other")));
        assert_eq!(taker(&table), "shop");
        assert!(!table.leave(&key("shop")));
        assert_eq!(taker(&table), "shop");
    }
}
