//! What quickserve.toml may ask and this version cannot do: refused, never passed over.

use quickserve_core::config::{
    Deploy, JournalLocation, OnFailure, Platform, Settings, SmokeTest, Stages, Strategy, WorkloadSource,
};
use quickserve_core::finding::{Code, Finding};
use quickserve_core::plan;

use crate::failure::Failure;

/// All that cannot be done, as one refusal.
pub(crate) fn check(settings: &Settings, strategy: Option<Strategy>) -> Result<(), Failure> {
    let mut findings = Vec::new();
    let mut refuse = |what: &str, hint: &str| {
        let finding = Finding::error(Code::NOT_BUILT, format!("{what}, which this version cannot do yet"));
        findings.push(finding.on("quickserve.toml").with_hint(hint));
    };
    if settings.platform == Platform::Ecs || settings.workload == WorkloadSource::Live {
        refuse(
            &format!("environment {} runs on ECS", settings.key.environment()),
            "choose an environment with platform = \"docker\" with -e",
        );
    }
    if let Some(strategy @ (Strategy::Canary | Strategy::Linear)) = strategy {
        let hint = "use blue-green, rolling or recreate";
        refuse(&format!("the strategy is {strategy}"), hint);
    }
    let Stages { lint, test, scan, sign } = &settings.stages;
    let stages = [
        ("lint", lint.is_some()),
        ("test", test.is_some()),
        ("scan", scan.is_some()),
        ("sign", sign.is_some()),
    ];
    let stages: Vec<&str> = stages.iter().filter(|(_, asked)| *asked).map(|(name, _)| *name).collect();
    if !stages.is_empty() {
        let hint = "run them before quickserve, and switch them off for this environment with false";
        refuse(&format!("the stages {} must pass first", stages.join(", ")), hint);
    }
    let Deploy { migrate, judge, .. } = &settings.deploy;
    if migrate.is_some() {
        refuse("a migration must run first", "run it before quickserve, and write migrate = false");
    }
    if judge.is_some() {
        refuse("a judge must decide", "write judge = false");
    }
    if !settings.alarms.is_empty() {
        refuse("CloudWatch alarms must be watched", "write alarms = [] for this environment");
    }
    if let JournalLocation::Url(_) = settings.journal {
        refuse("the journal is in object storage", "write journal = \"local\" for this environment");
    }
    if settings.smoke.iter().any(|test| check_of(test).is_none()) {
        let hint = "only GET with an expected status and values of a JSON body";
        refuse("a smoke test sends or expects more than the status and JSON values of a GET", hint);
    }
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure::findings(quickserve_core::outcome::Outcome::Refused, findings))
}

/// How the deployment goes.
pub(crate) fn deployment(settings: &Settings, strategy: Strategy) -> plan::DeploymentConfig {
    let Deploy { bake_time, timeout, drain_timeout, on_failure, .. } = settings.deploy;
    plan::DeploymentConfig {
        strategy: match strategy {
            Strategy::Recreate => plan::Strategy::Recreate,
            Strategy::Rolling => plan::Strategy::Rolling,
            // The other two were refused.
            Strategy::BlueGreen | Strategy::Canary | Strategy::Linear => plan::Strategy::BlueGreen,
        },
        bake_time,
        timeout,
        drain_timeout,
        minimum_healthy_percent: settings.deploy.minimum_healthy_percent,
        maximum_percent: settings.deploy.maximum_percent,
        smoke: settings.smoke.iter().filter_map(check_of).collect(),
        on_failure: match on_failure {
            OnFailure::Rollback => OnFailure::Rollback,
            OnFailure::Freeze => OnFailure::Freeze,
        },
        ..plan::DeploymentConfig::default()
    }
}

/// A smoke test as the engine makes it; nothing where it cannot.
fn check_of(test: &SmokeTest) -> Option<plan::SmokeCheck> {
    let plain = test.method == "GET"
        && test.headers.is_empty()
        && test.body.is_none()
        && test.expect.body_contains.is_none();
    plain.then(|| plan::SmokeCheck {
        path: test.path.clone(),
        timeout: test.timeout,
        expect: plan::SmokeExpectation { status: test.expect.status, json: test.expect.json.clone() },
    })
}
