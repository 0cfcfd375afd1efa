//! From the settings to what the engine does with a deployment.

use crate::config::{Platform, Settings, SmokeTest, Strategy};
use crate::finding::{Code, Finding, Problems};
use crate::plan::{self, DeploymentConfig, SmokeCheck, SmokeExpectation};
use crate::workload::Workload;

impl Settings {
    /// How a deployment of this workload goes, from its images on: `build` and `stages` come before it.
    ///
    /// # Errors
    /// Everything that the settings ask for and that this version cannot do: nothing of it is left out in
    /// silence.
    pub fn deployment(&self, workload: &Workload) -> Result<DeploymentConfig, Problems> {
        let asked = self.deploy.strategy_for(workload);
        let mut unsupported = Vec::new();
        let strategy = match asked {
            Strategy::Recreate => plan::Strategy::Recreate,
            Strategy::Rolling => plan::Strategy::Rolling,
            Strategy::BlueGreen => plan::Strategy::BlueGreen,
            Strategy::Canary | Strategy::Linear => {
                let instead = "use recreate, rolling or blue-green".to_owned();
                unsupported.push((format!("the strategy {asked}"), instead));
                plan::Strategy::BlueGreen
            }
        };
        let place = format!("[environments.{}", self.key.environment());
        if self.deploy.migrate.is_some() {
            unsupported.push(("a migration".to_owned(), format!("write migrate = false in {place}.deploy]")));
        }
        if self.deploy.judge.is_some() {
            unsupported.push(("a judge".to_owned(), format!("write judge = false in {place}.deploy]")));
        }
        if !self.alarms.is_empty() && self.platform == Platform::Ecs {
            unsupported.push(("watching alarms".to_owned(), format!("write alarms = [] in {place}]")));
        }
        let smoke = self.smoke.iter().map(|test| smoke_check(test, &mut unsupported)).collect();
        let finding = |(what, instead)| {
            let message = format!("{what} is not supported yet");
            Finding::error(Code::UNSUPPORTED_SETTING, message).on(self.key.to_string()).with_hint(instead)
        };
        match Problems::new(unsupported.into_iter().map(finding).collect()) {
            Some(problems) => Err(problems),
            None => Ok(DeploymentConfig {
                strategy,
                traffic: workload.endpoint.is_some(),
                bake_time: self.deploy.bake_time,
                drain_timeout: self.deploy.drain_timeout,
                timeout: self.deploy.timeout,
                minimum_healthy_percent: self.deploy.minimum_healthy_percent,
                maximum_percent: self.deploy.maximum_percent,
                smoke,
                on_failure: self.deploy.on_failure,
            }),
        }
    }
}

fn smoke_check(test: &SmokeTest, unsupported: &mut Vec<(String, String)>) -> SmokeCheck {
    let SmokeTest { path, method, headers, body, expect, timeout } = test;
    let plain = method == "GET" && headers.is_empty() && body.is_none() && expect.body_contains.is_none();
    if !plain {
        let what =
            format!("more than a plain GET with status and json, as the smoke test of {path} asks for,");
        unsupported.push((what, "remove method, headers, body and body_contains from it".to_owned()));
    }
    let expect = SmokeExpectation { status: expect.status, json: expect.json.clone() };
    SmokeCheck { path: path.clone(), timeout: *timeout, expect }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::workload::EndpointPort;

    fn deployment(text: &str, workload: &Workload) -> Result<DeploymentConfig, String> {
        let text = format!("{text}\n[environments.local]\nplatform = 'docker'\npublic_port = 1");
        let config =
            Config::parse(&text, "quickserve.toml").unwrap_or_else(|problems| panic!("{problems:#}"));
        let settings = config.settings(None, None).expect("settings");
        settings.deployment(workload).map_err(|problems| problems.to_string())
    }

    fn web() -> Workload {
        let endpoint = EndpointPort { container: "web".into(), port: 3000 };
        Workload { endpoint: Some(endpoint), ..Workload::single("web") }
    }

    #[test]
    fn the_defaults_are_the_engines() {
        let short = "service = 'a'\nport = 3000";
        assert_eq!(deployment(short, &web()), Ok(DeploymentConfig::default()));
    }

    #[test]
    fn a_worker_rolls_and_has_no_traffic() {
        let worker = "service = 'a'\ntask_definition = 'task.json'";
        let config = deployment(worker, &Workload::single("a")).expect("a deployment");
        assert_eq!((config.strategy, config.traffic), (plan::Strategy::Rolling, false));
    }

    #[test]
    fn what_cannot_be_done_is_refused_in_one_go() {
        let text = r#"
            service = "a"
            port = 3000
            alarms = ["5xx"]
            [deploy]
            strategy = "canary"
            migrate = ["node", "migrate.js"]
            judge = {}
            [[smoke]]
            path = "/"
            method = "POST"
        "#;
        insta::assert_snapshot!(deployment(text, &web()).expect_err("refused"), @r"
        QS116 the strategy canary is not supported yet
          --> a/local
          hint: use recreate, rolling or blue-green
        QS116 a migration is not supported yet
          --> a/local
          hint: write migrate = false in [environments.local.deploy]
        QS116 a judge is not supported yet
          --> a/local
          hint: write judge = false in [environments.local.deploy]
        QS116 more than a plain GET with status and json, as the smoke test of / asks for, is not supported yet
          --> a/local
          hint: remove method, headers, body and body_contains from it
        ");
    }
}
