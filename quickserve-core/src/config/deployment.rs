//! From the settings to what the engine does with a deployment.

use crate::config::{Platform, Settings, SmokeTest, Strategy};
use crate::finding::{Finding, Problems};
use crate::plan::{self, DeploymentConfig, Gradual, SmokeCheck, SmokeExpectation};
use crate::workload::Workload;

impl Settings {
    /// How a deployment of this workload goes, from its images on: `build` and `stages` come before it.
    ///
    /// # Errors
    /// What is [not built](Self::not_built): nothing of it is left out in silence.
    pub fn deployment(&self, workload: &Workload) -> Result<DeploymentConfig, Problems> {
        if let Some(problems) = Problems::new(self.not_built()) {
            return Err(problems);
        }
        Ok(DeploymentConfig {
            strategy: match self.strategy_for(workload) {
                Strategy::Recreate => plan::Strategy::Recreate,
                Strategy::Rolling => plan::Strategy::Rolling,
                Strategy::BlueGreen => plan::Strategy::BlueGreen,
                Strategy::Canary => plan::Strategy::Canary,
                Strategy::Linear => plan::Strategy::Linear,
            },
            traffic: workload.endpoint.is_some(),
            tasks: self.deploy.tasks,
            bake_time: self.deploy.bake_time,
            drain_timeout: self.deploy.drain_timeout,
            timeout: self.deploy.timeout,
            minimum_healthy_percent: self.deploy.minimum_healthy_percent,
            maximum_percent: self.deploy.maximum_percent,
            gradual: Gradual {
                canary_percent: self.deploy.canary_percent.clone(),
                canary_bake_time: self.deploy.canary_bake_time,
                step_percent: self.deploy.step_percent,
                step_bake_time: self.deploy.step_bake_time,
            },
            smoke: self.smoke.iter().map(smoke_check).collect(),
            on_failure: self.deploy.on_failure,
            retention: self.deploy.retention,
        })
    }

    /// The strategy for a workload: what the file says, else the one that is usual where it runs. ECS rolls a service's
    /// tasks over unless it was made for more; on Docker traffic is switched at once, where there is any.
    pub fn strategy_for(&self, workload: &Workload) -> Strategy {
        let implied = match (self.platform, &workload.endpoint) {
            (Platform::Docker, Some(_)) => Strategy::BlueGreen,
            (Platform::Docker, None) | (Platform::Ecs, _) => Strategy::Rolling,
        };
        self.deploy.strategy.unwrap_or(implied)
    }

    /// What the settings ask of a deployment and this version cannot do, before anything else is read.
    pub fn not_built(&self) -> Vec<Finding> {
        let place = format!("[environments.{}", self.key.environment());
        let mut asked = Vec::new();
        match (self.platform, self.deploy.strategy) {
            (Platform::Docker, Some(strategy @ (Strategy::Canary | Strategy::Linear))) => {
                let instead = "use blue-green, rolling or recreate".to_owned();
                asked.push((format!("the strategy is {strategy}"), instead));
            }
            (Platform::Ecs, Some(strategy @ Strategy::Recreate)) => {
                let instead = "use rolling, blue-green, canary or linear".to_owned();
                asked.push((format!("the strategy is {strategy}"), instead));
            }
            _ => {}
        }
        if self.deploy.migrate.is_some() {
            let instead = format!("run it before quickserve, and write migrate = false in {place}.deploy]");
            asked.push(("a migration must run first".to_owned(), instead));
        }
        if self.deploy.judge.is_some() {
            let instead = format!("write judge = false in {place}.deploy]");
            asked.push(("a judge must decide".to_owned(), instead));
        }
        if !self.alarms.is_empty() && self.platform != Platform::Ecs {
            let instead = format!("write alarms = [] in {place}]: only ECS watches alarms");
            asked.push(("CloudWatch alarms must be watched".to_owned(), instead));
        }
        for test in self.smoke.iter().filter(|test| !is_plain(test)) {
            let path = &test.path;
            let what = format!(
                "the smoke test of {path} sends or expects more than the status and JSON values of a GET"
            );
            asked.push((what, "remove method, headers, body and body_contains from it".to_owned()));
        }
        let finding = |(what, instead): (String, String)| {
            Finding::not_built(&what).on(self.key.to_string()).with_hint(instead)
        };
        asked.into_iter().map(finding).collect()
    }
}

/// Whether a smoke test asks for no more than the engine can ask.
fn is_plain(test: &SmokeTest) -> bool {
    let SmokeTest { method, headers, body, expect, .. } = test;
    method == "GET" && headers.is_empty() && body.is_none() && expect.body_contains.is_none()
}

fn smoke_check(test: &SmokeTest) -> SmokeCheck {
    let expect = SmokeExpectation { status: test.expect.status, json: test.expect.json.clone() };
    SmokeCheck { path: test.path.clone(), timeout: test.timeout, expect }
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
        let engine = DeploymentConfig { tasks: Some(1), ..DeploymentConfig::default() };
        assert_eq!(deployment(short, &web()), Ok(engine));
    }

    #[test]
    fn a_worker_rolls_and_has_no_traffic() {
        let worker = "service = 'a'\ntask_definition = 'task.json'";
        let config = deployment(worker, &Workload::single("a")).expect("a deployment");
        assert_eq!((config.strategy, config.traffic), (plan::Strategy::Rolling, false));
    }

    #[test]
    fn a_service_on_ecs_rolls_unless_it_is_said() {
        let text = "service = 'a'\ntask_definition = 'task.json'\n[environments.local]\nplatform = 'ecs'\n\
            cluster = 'c'\necs_service = 's'\njournal = 'local'";
        let config = Config::parse(text, "quickserve.toml").unwrap_or_else(|problems| panic!("{problems:#}"));
        let settings = config.settings(None, None).expect("settings");
        assert_eq!(settings.strategy_for(&web()), Strategy::Rolling);
    }

    #[test]
    fn a_canary_is_ecs_own_and_keeps_what_the_file_says_of_it() {
        let text = "service = 'a'\ntask_definition = 'live'\n[environments.production]\nplatform = 'ecs'\n\
                    cluster = 'c'\necs_service = 's'\njournal = 'local'\n\
                    [environments.production.deploy]\nstrategy = 'canary'\ncanary_percent = 7.5";
        let config = Config::parse(text, "quickserve.toml").unwrap_or_else(|problems| panic!("{problems:#}"));
        let settings = config.settings(None, Some("production")).expect("settings");
        let deployment = settings.deployment(&web()).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(deployment.strategy, plan::Strategy::Canary);
        let gradual = deployment.gradual;
        assert_eq!(gradual.canary_percent.iter().map(ToString::to_string).collect::<Vec<_>>(), ["7.5 %"]);
        assert_eq!(gradual.canary_bake_time, std::time::Duration::from_mins(10));
    }

    #[test]
    fn a_test_listener_is_a_host_and_a_port() {
        let read = |listener: &str| {
            let text = format!(
                "service = 'a'\ntask_definition = 'live'\n[environments.production]\nplatform = 'ecs'\n\
                 cluster = 'c'\necs_service = 's'\njournal = 'local'\ntest_listener = '{listener}'"
            );
            let config = Config::parse(&text, "quickserve.toml").ok()?;
            config.settings(None, Some("production")).ok()?.ecs.as_ref()?.test_listener.clone()
        };
        for good in ["shop.internal:8443", "10.0.0.7:80", "[fd00::7]:80"] {
            assert_eq!(read(good).as_deref(), Some(good));
        }
        for bad in [
            "",
            "shop.internal",
            "shop.internal:",
            ":80",
            "shop:0",
            "shop:99999",
            "http://shop:80",
            "fd00::7:80",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
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
        QS601 the strategy is canary, which this version cannot do yet
          --> a/local
          hint: use blue-green, rolling or recreate
        QS601 a migration must run first, which this version cannot do yet
          --> a/local
          hint: run it before quickserve, and write migrate = false in [environments.local.deploy]
        QS601 a judge must decide, which this version cannot do yet
          --> a/local
          hint: write judge = false in [environments.local.deploy]
        QS601 CloudWatch alarms must be watched, which this version cannot do yet
          --> a/local
          hint: write alarms = [] in [environments.local]: only ECS watches alarms
        QS601 the smoke test of / sends or expects more than the status and JSON values of a GET, which this version cannot do yet
          --> a/local
          hint: remove method, headers, body and body_contains from it
        ");
    }
}
