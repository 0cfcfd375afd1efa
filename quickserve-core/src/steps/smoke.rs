//! Smoke: a release answers a few requests as it should, before and after it gets traffic.

use std::net::SocketAddr;

use serde_json::Value;

use crate::engine::{Pace, Run, Stop};
use crate::health::{ProbeReport, ProbeRequest};
use crate::journal::Cause;
use crate::orchestrator::Drive;
use crate::plan::SmokeCheck;
use crate::release::ReleaseId;
use crate::traffic::RELEASE_HEADER;

/// How often a check that fails is made again before it counts: one lost packet is no reason to go back.
const TRIES: u32 = 3;

impl Run {
    pub(crate) async fn smoke_staged(&mut self, release: &ReleaseId) -> Result<Option<String>, Stop> {
        let observed = self.observe().await?;
        let addresses: Vec<SocketAddr> =
            observed.set(release).live().filter_map(|task| task.address).collect();
        if addresses.is_empty() {
            let message = format!("no task of {release:#} can be reached for its smoke checks");
            // It was healthy a moment ago: what ended it is what a person needs to know.
            let cause = self.explained(Cause::new(message), release).await;
            return Err(Stop::Failed { cause, condemns: true });
        }
        let mut passed = 0;
        for address in addresses {
            passed += self.smoke(release, address, &[], "before traffic").await?;
        }
        Ok(Some(format!("{passed}/{passed} on the staged tasks")))
    }

    pub(crate) async fn smoke_public(&mut self, release: &ReleaseId) -> Result<Option<String>, Stop> {
        let Some(address) = self.parts.public else { return Ok(None) };
        // Whoever stands by would answer for a release that the router cannot reach.
        let named = [(RELEASE_HEADER.to_owned(), release.to_string())];
        let place = match &self.drive {
            Drive::Stepwise { .. } => "on the public port".to_owned(),
            // There it is a URL that is asked.
            Drive::Managed(_) => format!("at {}", self.parts.prober),
        };
        let passed = self.smoke(release, address, &named, &place).await?;
        Ok(Some(format!("{passed}/{passed} {place}")))
    }

    /// Asks a release that is rolled out where it answers before it gets ordinary requests.
    pub(crate) async fn smoke_preview(&mut self, release: &ReleaseId) -> Result<Option<String>, Stop> {
        let rollouts = &self.rollouts()?;
        let Some(address) = self.insist(async |_| rollouts.preview().await).await? else {
            let cause = Cause::new("there is no test listener to ask for the smoke checks");
            return Err(Stop::Failed { cause, condemns: false });
        };
        let passed = self.smoke(release, address, &[], "on the test listener").await?;
        Ok(Some(format!("{passed}/{passed} on the test listener")))
    }

    async fn smoke(
        &mut self,
        release: &ReleaseId,
        address: SocketAddr,
        headers: &[(String, String)],
        place: &str,
    ) -> Result<usize, Stop> {
        let checks = self.opened.config.smoke.clone();
        for check in &checks {
            let mut pace = Pace::STEADY;
            let mut tries = 0;
            loop {
                let Err(why) = self.smoke_once(check, address, headers).await? else { break };
                tries += 1;
                if tries == TRIES {
                    let message = format!("smoke check GET {} failed {place} of {release:#}", check.path);
                    let cause = self.explained(Cause::new(message).because([why]), release).await;
                    return Err(Stop::Failed { cause, condemns: true });
                }
                self.tick(&mut pace).await?;
            }
        }
        Ok(checks.len())
    }

    async fn smoke_once(
        &mut self,
        check: &SmokeCheck,
        address: SocketAddr,
        headers: &[(String, String)],
    ) -> Result<Result<(), String>, Stop> {
        let request = ProbeRequest {
            address,
            path: Some(check.path.clone()),
            headers: headers.to_vec(),
            timeout: check.timeout,
        };
        let (prober, request) = (&self.parts.prober.clone(), &request);
        let report = self.insist(async |_| prober.probe(request).await).await?;
        Ok(expected(check, &report))
    }
}

/// Whether an answer is the expected one, and else what differs.
fn expected(check: &SmokeCheck, report: &ProbeReport) -> Result<(), String> {
    let ProbeReport::Answered { status, body } = report else { return Err(report.to_string()) };
    if *status != check.expect.status {
        return Err(format!("answered {status}, expected {}", check.expect.status));
    }
    if check.expect.json.is_empty() {
        return Ok(());
    }
    let body: Value = serde_json::from_str(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    for (pointer, wanted) in &check.expect.json {
        match body.pointer(pointer) {
            Some(found) if found == wanted => {}
            Some(found) => return Err(format!("{pointer} is {found}, expected {wanted}")),
            None => return Err(format!("{pointer} is not in the body, expected {wanted}")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::plan::SmokeExpectation;

    #[test]
    fn an_answer_is_compared_with_what_is_expected() {
        let json = BTreeMap::from([("/status".to_owned(), Value::from("OK"))]);
        let expect = SmokeExpectation { status: 200, json };
        let check = SmokeCheck { path: "/health".into(), timeout: Duration::from_secs(1), expect };
        let answer = |status, body: &str| ProbeReport::Answered { status, body: body.into() };
        assert_eq!(expected(&check, &answer(200, r#"{"status":"OK"}"#)), Ok(()));
        let table = [
            (answer(503, ""), "answered 503, expected 200"),
            (answer(200, r#"{"status":"DEGRADED"}"#), r#"/status is "DEGRADED", expected "OK""#),
            (answer(200, "{}"), r#"/status is not in the body, expected "OK""#),
            (ProbeReport::Silent { why: "connection refused".into() }, "connection refused"),
        ];
        for (report, why) in table {
            assert_eq!(expected(&check, &report), Err(why.to_owned()));
        }
    }
}
