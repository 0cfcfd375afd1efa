//! A hub that hands over to the one of another process, and follows it.

use std::time::Duration;

use quickserve_core::Result;
use quickserve_core::service::ServiceKey;
use quickserve_core::traffic::Counters;
use quickserve_core::{Error, ErrorKind};
use tokio::net::UnixStream;

use super::hub::Hub;
use super::live::Live;
use super::process::{Load, Told, Upgrade};
use super::tls::Secure;

/// For the parent to say how an upgrade ended.
const ANSWER: Duration = Duration::from_secs(20);

const REPAIR: &str = "the router goes on with the one that it has read: put the files back, or deploy the service without \
                      tls, then upgrade again";

impl Hub {
    /// The splits of all services.
    pub(super) async fn told(&self) -> Vec<Told> {
        let services = self.services.lock().await;
        let told = services.state.services().filter_map(|record| {
            let live = services.live.get(&record.key)?;
            Some(live.told(&record.split, record.version))
        });
        told.collect()
    }

    /// Stops answering calls and accepting connections. Returns when the last call has been answered.
    pub(super) async fn hand_over(&self) {
        *self.open.write().await = false;
        let mut services = self.services.lock().await;
        for live in services.live.values_mut() {
            live.shut().await;
        }
        services.entrances.shut().await;
        for endpoint in std::mem::take(&mut services.endpoints).into_values() {
            endpoint.shut().await;
        }
    }

    /// Writes down what was answered so far, for the next process to go on from there. What this one answers from
    /// now on is reported to that.
    pub(super) async fn hand_counters_over(&self) -> Result<()> {
        {
            let mut services = self.services.lock().await;
            let counters = |(key, live): (&ServiceKey, &Live)| (key.clone(), live.traffic.counters());
            services.handed_over = services.live.iter().map(counters).collect();
        }
        self.save_counters().await
    }

    /// Answers calls again. The doors are opened apart from that.
    pub(super) async fn take_back(&self) {
        *self.open.write().await = true;
        self.services.lock().await.handed_over.clear();
    }

    /// Takes over the splits of the one that serves.
    pub(super) async fn obey(&self, told: &[Told]) {
        let services = self.services.lock().await;
        for Told { service, split, version, by_header } in told {
            // Of a service that is newer than this process there are no connections here.
            let Some(live) = services.live.get(service) else { continue };
            live.traffic.set_by_header(*by_header);
            live.traffic.switch(split, *version);
            tracing::info!(%service, version = version.0, "switched, as the worker that serves says");
        }
    }

    /// What is in flight here, and what was answered since this process handed over.
    pub(super) async fn loads(&self) -> Vec<(ServiceKey, Load)> {
        let services = self.services.lock().await;
        let load = |(key, live): (&ServiceKey, &Live)| {
            let mut counters = live.traffic.counters();
            for (release, counters) in &mut counters {
                let before = services.handed_over.get(key).and_then(|before| before.get(release));
                *counters = counters.since(&before.copied().unwrap_or_default());
            }
            counters.retain(|_, counters| *counters != Counters::default());
            (key.clone(), Load { in_flight: live.traffic.in_flight(), counters })
        };
        services.live.iter().map(load).collect()
    }

    /// How many requests and tunnels are in flight in this process.
    pub(super) async fn at_work(&self) -> u64 {
        let services = self.services.lock().await;
        services.live.values().flat_map(|live| live.traffic.in_flight().into_values()).sum()
    }

    /// Has the parent replace this process.
    pub(super) async fn upgrade(&self, upgrade: Upgrade) -> Result<()> {
        let Some(parent) = &self.parent else {
            return Err(Error::new(ErrorKind::Conflict, "nobody supervises the router"));
        };
        self.check_certificates().await?;
        parent.upgrade(upgrade).await
    }

    /// Refuses to be replaced while there is a certificate that this process has and the next one could not read: that
    /// would have to close the port.
    async fn check_certificates(&self) -> Result<()> {
        let services = self.services.lock().await;
        for record in services.state.services() {
            let has_one = services.live.get(&record.key).is_some_and(Live::is_secure);
            let Some(configured) = record.listen.as_ref().filter(|_| has_one) else { continue };
            Secure::asked(&configured.spec.options, &self.folder).map_err(|error| {
                let what = format!("the certificate of {} can be read no more", record.key);
                Error::new(error.kind(), what).with_hint(REPAIR).with_source(error)
            })?;
        }
        Ok(())
    }

    /// Waits until everybody who asked for an upgrade has an answer: the caller of one that lost it would ask
    /// for another.
    pub(super) async fn answer_upgrades(&self) {
        self.upgrades.close();
        let _ = tokio::time::timeout(ANSWER, self.upgrades.wait()).await;
    }

    /// Passes on that somebody offers to be the parent.
    pub(super) fn offer(&self, stream: UnixStream) {
        if let Some(parent) = &self.parent {
            parent.offer(stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use quickserve_core::fence::{Epoch, Fence};
    use quickserve_core::release::ReleaseId;
    use quickserve_core::traffic::{Role, Route, Split, SplitVersion, Upstream};
    use quickserve_core::workload::Protocol;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::router::access_log::AccessLog;
    use crate::router::door::Doors;
    use crate::router::folder::Folder;
    use crate::router::listen::ListenSpec;
    use crate::router::protocol::{Answer, Call};
    use crate::router::routes::{Tried, Wanted};
    use crate::router::state::State;

    #[tokio::test]
    async fn a_request_that_is_answered_during_a_handover_is_counted_once() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let folder = Folder::new(folder.path());
        folder.make().expect("a folder");
        let doors = Doors::new(AccessLog::new(&folder));
        let hub = Hub::restore(folder.clone(), doors, Arc::default(), Arc::default(), None).expect("a hub");
        let hub = Arc::new(hub);
        let key = ServiceKey::new("shop", "local").expect("a service's name");
        let release: ReleaseId = "r-aaaaaaaaaaaa".parse().expect("a release's name");
        let upstream = Upstream {
            task: quickserve_core::orchestrator::TaskId("a".to_owned()),
            address: "127.0.0.1:9".parse().expect("one"),
        };
        let route = Route {
            release: release.clone(),
            role: Role::Serving(1),
            protocol: Protocol::Http1,
            upstreams: vec![upstream],
        };
        let set = Call::Set {
            service: key.clone(),
            fence: Fence { epoch: Epoch(1), op: 0, not_after: jiff::Timestamp::MAX },
            expect: SplitVersion(0),
            split: Split { routes: vec![route] },
        };
        hub.call(set).await.expect("a split");
        let answer_one = async || {
            let services = hub.services.lock().await;
            let claim = services.live[&key].traffic.claim(&Wanted::Any, 0, &Tried::default(), true);
            claim.expect("a task").tally.answered(http::StatusCode::OK, Duration::ZERO);
        };
        answer_one().await;
        hub.hand_over().await;
        answer_one().await;
        hub.hand_counters_over().await.expect("written");
        answer_one().await;
        // As it does with every later change.
        hub.save_counters().await.expect("written");
        let written = State::read(&folder).expect("a state").get(&key).expect("a record").counters[&release];
        let reported = hub.loads().await.remove(0).1.counters[&release];
        assert_eq!((written.requests, reported.requests), (2, 1));
    }

    #[tokio::test]
    async fn a_kept_connection_sees_what_changes_after_a_handover_that_failed() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let folder = Folder::new(folder.path());
        folder.make().expect("a folder");
        let doors = Doors::new(AccessLog::new(&folder));
        let hub = Hub::restore(folder, doors, Arc::default(), Arc::default(), None).expect("a hub");
        let hub = Arc::new(hub);
        let listens = async |name: &str, at: SocketAddr, host: &str| {
            let mut listen = Box::new(ListenSpec::new(at));
            listen.rule.hosts = vec![host.parse().expect("a host")];
            let service = ServiceKey::new(name, "local").expect("a service's name");
            let fence = Fence { epoch: Epoch(1), op: 0, not_after: jiff::Timestamp::MAX };
            let answer = hub.call(Call::Configure { service, fence, listen }).await.expect("it listens");
            let Answer::Listening(listening) = answer else { panic!("{answer:?}") };
            listening.public
        };
        let public = listens("shop", "127.0.0.1:0".parse().expect("an address"), "shop.test").await;
        let mut kept = TcpStream::connect(public).await.expect("a connection");
        let mut ask = async |host: &str| {
            let asked = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
            kept.write_all(asked.as_bytes()).await.expect("sent");
            let mut answer = [0; 1024];
            let count = kept.read(&mut answer).await.expect("an answer");
            String::from_utf8_lossy(&answer[..count]).into_owned()
        };
        assert!(ask("other.test").await.starts_with("HTTP/1.1 404 "));
        hub.hand_over().await;
        hub.take_back().await;
        assert!(hub.open_doors().await);
        listens("other", public, "other.test").await;
        let seen = ask("other.test").await;
        assert!(seen.contains("no release of other/local serves"), "{seen}");
    }
}
