//! What a prober must hold to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::imitation::Target;
use super::rule::{Broken, Held, PATIENCE, ensure, hold, same};
use crate::health::{HealthProber, ProbeReport, ProbeRequest};

/// The most of a body that a report has.
const MOST: usize = 64 * 1024;
/// Of probes that are meant to run out of time.
const SHORT: Duration = Duration::from_millis(200);

/// Makes probers for the suite [`prober`](prober()).
#[async_trait]
pub trait ProberFixture: Sync {
    /// A prober and nobody to probe.
    async fn fresh(&self) -> Box<dyn ProberStage>;
}

/// A prober and those that it probes.
#[async_trait]
pub trait ProberStage: Send + Sync {
    /// The prober.
    fn prober(&self) -> Arc<dyn HealthProber>;

    /// Where such a target can be probed; `None` where the prober can never meet one. A prober over the
    /// network can meet each: [`imitate`](super::imitate) makes them.
    async fn target(&self, target: Target) -> Option<SocketAddr>;
}

/// Holds a [`HealthProber`] to its contract.
///
/// # Panics
/// When a rule is broken, with all the rules that are.
pub async fn prober(fixture: &dyn ProberFixture) {
    hold!(
        "the prober",
        fixture,
        an_answer_is_reported_with_its_status,
        success_and_redirection_are_healthy_and_the_rest_is_not,
        a_refused_connection_is_silence,
        no_answer_in_time_is_silence,
        an_answer_that_never_ends_is_cut_off_in_time,
        a_connection_that_closes_without_an_answer_is_silence,
        what_is_not_http_is_silence,
        without_a_path_a_connection_is_the_whole_attempt,
        there_is_one_attempt_only,
        no_more_than_the_beginning_of_a_body_is_reported,
        a_body_that_is_not_text_is_not_longer_for_that,
    );
}

async fn an_answer_is_reported_with_its_status(stage: &dyn ProberStage) -> Held {
    for status in [200, 503] {
        let Some(address) = stage.target(Target::Answers(status)).await else { continue };
        match probe(stage, address, Some("/health"), PATIENCE).await? {
            ProbeReport::Answered { status: seen, .. } => same("the status", &seen, &status)?,
            other => return Err(Broken(format!("an answer with {status} is reported as {other:?}"))),
        }
    }
    Ok(())
}

async fn success_and_redirection_are_healthy_and_the_rest_is_not(stage: &dyn ProberStage) -> Held {
    for (status, healthy) in [(200, true), (204, true), (302, true), (404, false), (500, false), (503, false)]
    {
        let Some(address) = stage.target(Target::Answers(status)).await else { continue };
        let report = probe(stage, address, Some("/health"), PATIENCE).await?;
        same(&format!("whether {status} is healthy"), &report.is_healthy(), &healthy)?;
    }
    Ok(())
}

async fn a_refused_connection_is_silence(stage: &dyn ProberStage) -> Held {
    let Some(address) = stage.target(Target::Nobody).await else { return Ok(()) };
    for path in [Some("/health"), None] {
        silent(&probe(stage, address, path, PATIENCE).await?)?;
    }
    Ok(())
}

async fn no_answer_in_time_is_silence(stage: &dyn ProberStage) -> Held {
    let Some(address) = stage.target(Target::Mute).await else { return Ok(()) };
    silent(&probe(stage, address, Some("/health"), SHORT).await?)
}

async fn an_answer_that_never_ends_is_cut_off_in_time(stage: &dyn ProberStage) -> Held {
    let Some(address) = stage.target(Target::Trickles).await else { return Ok(()) };
    probe(stage, address, Some("/health"), SHORT).await.map(drop)
}

async fn a_connection_that_closes_without_an_answer_is_silence(stage: &dyn ProberStage) -> Held {
    let Some(address) = stage.target(Target::HangsUp).await else { return Ok(()) };
    silent(&probe(stage, address, Some("/health"), PATIENCE).await?)
}

async fn what_is_not_http_is_silence(stage: &dyn ProberStage) -> Held {
    let Some(address) = stage.target(Target::Babbles).await else { return Ok(()) };
    silent(&probe(stage, address, Some("/health"), PATIENCE).await?)
}

async fn without_a_path_a_connection_is_the_whole_attempt(stage: &dyn ProberStage) -> Held {
    for target in [Target::Answers(200), Target::Answers(503), Target::Mute] {
        let Some(address) = stage.target(target).await else { continue };
        let report = probe(stage, address, None, PATIENCE).await?;
        same(&format!("the report of a connection to {target:?}"), &report, &ProbeReport::Connected)?;
    }
    Ok(())
}

async fn there_is_one_attempt_only(stage: &dyn ProberStage) -> Held {
    for first in [503, 302] {
        let Some(address) = stage.target(Target::AnswersOnce(first)).await else { continue };
        match probe(stage, address, Some("/health"), PATIENCE).await? {
            ProbeReport::Answered { status, .. } => same("the status of the first answer", &status, &first)?,
            other => return Err(Broken(format!("an answer with {first} is reported as {other:?}"))),
        }
    }
    Ok(())
}

async fn no_more_than_the_beginning_of_a_body_is_reported(stage: &dyn ProberStage) -> Held {
    let Some(address) = stage.target(Target::Endless(b'x')).await else { return Ok(()) };
    match probe(stage, address, Some("/health"), PATIENCE).await? {
        ProbeReport::Answered { status: 200, body } => {
            let most = &"x".repeat(MOST);
            ensure(!body.is_empty() && most.starts_with(&body), || format!("it has {} bytes", body.len()))
        }
        other => Err(Broken(format!("an endless body is reported as {other:?}"))),
    }
}

async fn a_body_that_is_not_text_is_not_longer_for_that(stage: &dyn ProberStage) -> Held {
    let Some(address) = stage.target(Target::Endless(0xff)).await else { return Ok(()) };
    match probe(stage, address, Some("/health"), PATIENCE).await? {
        ProbeReport::Answered { body, .. } => {
            ensure(body.len() <= MOST, || format!("64 KiB that are not text become {} bytes", body.len()))
        }
        other => Err(Broken(format!("an endless body is reported as {other:?}"))),
    }
}

async fn probe(
    stage: &dyn ProberStage,
    address: SocketAddr,
    path: Option<&str>,
    timeout: Duration,
) -> Result<ProbeReport, Broken> {
    let request = ProbeRequest { address, path: path.map(str::to_owned), headers: Vec::new(), timeout };
    let prober = stage.prober();
    let report = tokio::time::timeout(2 * PATIENCE, prober.probe(&request)).await;
    Ok(report.map_err(|_| Broken(format!("a probe with {timeout:?} does not come to an end")))??)
}

fn silent(report: &ProbeReport) -> Held {
    match report {
        ProbeReport::Silent { why } if !why.is_empty() => {
            ensure(!report.is_healthy(), || "silence is healthy".to_owned())
        }
        other => Err(Broken(format!("it is reported as {other:?}"))),
    }
}
