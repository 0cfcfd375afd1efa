use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::{
    JournalLocation, NoData, OnFailure, Percent, Platform, Router, ScanSeverity, SecretPolicy, Strategy, Tls,
    WorkloadSource,
};
use crate::retention::Retention;
use crate::workload::Probe;
use crate::workload::Protocol;

const SHORT: &str = include_str!("testdata/short.toml");
const FULL: &str = include_str!("testdata/full.toml");

fn config(text: &str) -> Config {
    Config::parse_as(text, "quickserve.toml", "1.4.0").unwrap_or_else(|problems| panic!("{problems:#}"))
}

fn problems(text: &str) -> String {
    match Config::parse_as(text, "quickserve.toml", "1.4.0") {
        Ok(_) => panic!("this is right: {text}"),
        Err(problems) => format!("{problems:#}"),
    }
}

#[test]
fn the_short_form_of_the_contract_is_enough() {
    let config = config(SHORT);
    let settings = config.settings(None, None).expect("settings");
    assert_eq!(settings.key.to_string(), "quickserve/local");
    assert_eq!(settings.platform, Platform::Docker);
    assert_eq!(settings.port, Some(3000));
    assert_eq!(settings.health_check.probe, Some(Probe::Http { path: "/health".into() }));
    assert_eq!(settings.public.port, Some(8080));
    assert!(settings.public.host.is_loopback());
    assert_eq!(settings.version_variable, "IMAGE_TAG");
    assert_eq!(settings.journal, JournalLocation::Local);
    let deploy = &settings.deploy;
    assert_eq!((deploy.strategy, deploy.tasks), (None, Some(1)));
    assert_eq!(deploy.bake_time, Duration::from_secs(10));
    assert_eq!(deploy.timeout, Duration::from_mins(15));
    assert_eq!(deploy.drain_timeout, Duration::from_secs(30));
    assert_eq!(deploy.on_failure, OnFailure::Rollback);
    assert_eq!(deploy.retention, Retention::default());
}

#[test]
fn services_share_a_port_when_their_routes_differ() {
    let text = "[services.api]\nport = 1\nroute = { hosts = ['shop.test'], path = '/api' }\n\
        [[services.api.smoke]]\npath = '/api/health?deep'\n\
        [services.web]\nport = 1\n\
        [services.web.route]\nhosts = ['Shop.test', '*.shop.test']\n\
        [environments.local]\npublic_port = 8080\n\
        [environments.test]\nplatform = 'docker'\npublic_port = 8081\nroute = { hosts = ['test.shop.test'], path = '/api' }\n";
    // Two services of one environment have one route there.
    let said = "port 8081 for test.shop.test/api is also that of api/test, for test.shop.test/api";
    assert!(problems(text).contains(said), "{}", problems(text));
    assert!(
        problems(text).contains("give web/test a [route] of its own, or another port"),
        "{}",
        problems(text)
    );
    let text = text.replace("\n[environments.test]", "\n[services.api.environments.test]");
    let config = config(&text);
    let rule = |service, environment| {
        let settings = config.settings(Some(service), Some(environment)).expect("settings");
        settings.public.rule.to_string()
    };
    assert_eq!(rule("api", "local"), "shop.test/api");
    assert_eq!(rule("web", "local"), "shop.test, *.shop.test");
    // Tables are merged key by key.
    assert_eq!(rule("api", "test"), "test.shop.test/api");
}

#[test]
fn a_certificate_is_made_here_or_in_two_files() {
    let read = |said: &str| {
        let text = format!("service = 'a'\nport = 1\n[environments.local]\npublic_port = 2\n{said}");
        config(&text).settings(None, None).expect("settings").clone()
    };
    let plain = read("");
    assert_eq!((plain.public.tls, plain.public.upstream), (None, Protocol::Http1));
    assert_eq!(plain.deploy.hold, Duration::ZERO);
    assert_eq!(read("tls = 'local'").public.tls, Some(Tls::Local));
    let files = read(
        "upstream = 'h2c'\n[environments.local.tls]\ncertificate = 'a.pem'\nkey = 'b.pem'\n\
         [environments.local.deploy]\nhold = '30s'",
    );
    let (certificate, key) = ("a.pem".into(), "b.pem".into());
    assert_eq!(files.public.tls, Some(Tls::Files { certificate, key }));
    assert_eq!(files.public.upstream, Protocol::H2c);
    assert_eq!(files.deploy.hold, Duration::from_secs(30));
}

#[test]
fn a_certificate_without_its_key_is_refused() {
    let text =
        "service = 'a'\nport = 1\n[environments.local]\npublic_port = 2\ntls = { certificate = 'a.pem' }";
    let seen = problems(text);
    assert!(seen.contains("`key`") && seen.contains("write \"local\""), "{seen}");
    let seen = problems(&text.replace("{ certificate = 'a.pem' }", "'letsencrypt'"));
    assert!(seen.contains("\"letsencrypt\" is not a certificate"), "{seen}");
}

#[test]
fn the_router_is_told_what_clients_and_tasks_may_take() {
    let text = "service = 'a'\nport = 1\n[router]\nanswer_timeout = '0s'\nconnections = 50\n\
        [environments.local]\npublic_port = 2\n[environments.local.router]\nhead_size = '128 KiB'\n\
        idle_timeout = '5m'\nupload_pause = '10s'\ndownload_pause = '20s'\nmetrics_port = 9100\n\
        access_log = true\nretry_budget = 0\neject_after = 0\ncheck_interval = '5s'\nsticky = true\n\
        [environments.other]\nplatform = 'docker'\npublic_port = 3\n";
    let config = config(text);
    let local = config.settings(None, None).expect("settings").router.clone();
    let expected = Router {
        connections: 50,
        head_size: 128 * 1024,
        idle_timeout: Duration::from_mins(5),
        upload_pause: Duration::from_secs(10),
        download_pause: Duration::from_secs(20),
        answer_timeout: Duration::ZERO,
        metrics_port: Some(9100),
        access_log: true,
        retry_budget: 0,
        eject_after: 0,
        check_interval: Duration::from_secs(5),
        sticky: true,
    };
    assert_eq!(local, expected);
    let other = config.settings(None, Some("other")).expect("settings").router.clone();
    let said = Router { connections: 50, answer_timeout: Duration::ZERO, ..Router::default() };
    assert_eq!(other, said);
}

#[test]
fn the_full_form_of_the_contract_keeps_everything() {
    let config = config(FULL);
    assert_eq!(config.services().collect::<Vec<_>>(), ["quickserve"]);
    assert_eq!(config.environments("quickserve").collect::<Vec<_>>(), ["local", "production"]);
    let local = config.settings(None, None).expect("local");
    let production = config.settings(Some("quickserve"), Some("production")).expect("production");

    assert_eq!(local.deploy.strategy, Some(Strategy::BlueGreen));
    assert_eq!(local.env_file.as_deref(), Some(".env".as_ref()));
    assert_eq!(local.ecs, None);
    assert_eq!(local.stages.test.as_ref().and_then(|test| test.min_coverage), Some(80.0));
    assert_eq!(
        local.stages.scan.as_ref().map(|scan| (scan.fail_on, scan.fixable_only)),
        Some((Some(ScanSeverity::High), true))
    );
    assert_eq!(local.build.as_ref().and_then(|build| build.platform.as_deref()), Some("linux/amd64"));
    assert_eq!(local.smoke[0].expect.json["/status"], "OK");
    let migrate = local.deploy.migrate.as_ref().expect("the migration");
    assert_eq!((migrate.command.len(), migrate.on_failure), (2, Some(OnFailure::Freeze)));

    assert_eq!(production.workload, WorkloadSource::TaskDefinition("deploy/aws-task-definition.json".into()));
    assert_eq!(production.deploy.strategy, Some(Strategy::Canary));
    assert_eq!(production.deploy.canary_percent, [Percent::from_tenths(50).expect("5 %")]);
    assert_eq!(production.deploy.canary_bake_time, Duration::from_mins(10));
    assert_eq!(production.deploy.bake_time, Duration::from_mins(2), "inherited from [deploy]");
    assert_eq!(production.deploy.tasks, None);
    let judge = production.deploy.judge.as_ref().expect("the judge");
    assert_eq!((judge.max_error_rate, judge.no_data), (Some(0.01), NoData::Pause));
    assert_eq!(production.journal, JournalLocation::Url("s3://acme-deploy/journal".into()));
    assert_eq!(production.secrets, SecretPolicy::Pinned);
    assert_eq!(production.alarms, ["quickserve-5xx"]);
    assert_eq!(production.ecs.as_ref().map(|ecs| ecs.cluster.as_str()), Some("quickserve-cluster"));
}

#[test]
fn a_report_alone_is_of_a_scan_that_was_made_before() {
    let scan = |table: &str| {
        let config = config(&format!(
            "service = \"a\"\nport = 1\n[stages]\nscan = {table}\n[environments.local]\npublic_port = 2"
        ));
        config.settings(None, None).expect("settings").stages.scan.clone().expect("a scan")
    };
    let alone = scan("{ report = \"scan.json\" }");
    assert_eq!((alone.is_run(), alone.report.as_deref()), (false, Some("scan.json".as_ref())));
    for run in [
        "\"low\"",
        "{}",
        "{ report = \"scan.json\", fail_on = \"high\" }",
        "{ report = \"scan.json\", fixable_only = true }",
        "{ report = \"scan.json\", command = \"scan\" }",
    ] {
        assert!(scan(run).is_run(), "{run}");
    }
}

#[test]
fn the_more_specific_layer_wins_and_tables_merge() {
    let config = config(
        r#"
        variables = { LOG_LEVEL = "info", REGION = "eu" }
        port = 3000
        [deploy]
        drain_timeout = "5s"
        lease = "10s"
        [stages]
        lint = "make lint"
        [environments.local]
        public_port = 8080
        [environments.local.deploy]
        tasks = 2
        [services.api]
        variables = { LOG_LEVEL = "warn" }
        [services.web]
        port = 80
        [services.web.environments.local]
        public_port = 8081
        stages = { lint = false }
        variables = { LOG_LEVEL = "trace" }
        [services.web.environments.staging]
        platform = "docker"
        public_port = 9000
        "#,
    );
    let of = |service, environment| config.settings(Some(service), environment).expect("settings");
    let (api, web) = (of("api", None), of("web", None));
    assert_eq!((api.port, api.public.port, api.deploy.tasks), (Some(3000), Some(8080), Some(2)));
    assert_eq!((web.port, web.public.port, web.deploy.tasks), (Some(80), Some(8081), Some(2)));
    assert_eq!(api.variables["LOG_LEVEL"], "warn");
    assert_eq!((web.variables["LOG_LEVEL"].as_str(), web.variables["REGION"].as_str()), ("trace", "eu"));
    assert_eq!(web.deploy.drain_timeout, Duration::from_secs(5));
    assert_eq!(web.deploy.lease, Duration::from_secs(10));
    assert!(api.stages.lint.is_some() && web.stages.lint.is_none());
    assert_eq!(of("web", Some("staging")).public.port, Some(9000));
    assert_eq!(config.all().count(), 3);
}

#[test]
fn a_name_that_cannot_be_told_lists_the_choices() {
    let text =
        "port = 1\n[services.api]\n[services.web]\n[environments.a]\nplatform = 'docker'\npublic_port = 1\n";
    let config = config(&format!(
        "{text}[services.web.environments.a]\npublic_port = 2\n[services.web.environments.b]\nplatform = 'docker'\npublic_port = 3"
    ));
    let told = |service, environment| match config.settings(service, environment) {
        Ok(settings) => settings.key.to_string(),
        Err(error) => format!("{error}: {}", error.hint().unwrap_or_default()),
    };
    assert_eq!(told(Some("api"), None), "api/a");
    assert_eq!(
        told(None, None),
        "quickserve.toml has several services and none is named: name one of api, web"
    );
    assert_eq!(told(Some("wep"), None), "quickserve.toml has no service `wep`: did you mean `web`");
    assert_eq!(told(Some("web"), Some("local")), "quickserve.toml has no environment `local`: one of a, b");
    assert_eq!(
        told(Some("web"), None),
        "quickserve.toml has several environments and none is named: name one of a, b"
    );
}

#[test]
fn every_wrong_file_says_where_and_what_to_do() {
    let files = [
        ("empty", "# nothing yet\n"),
        ("not_toml", "service = quickserve\nport = 3000\n[environments.local\npublic_port = 8080\n"),
        ("twice", "service = \"a\"\nport = 1\nport = 2\n"),
        (
            "unknown_keys",
            "servce = \"a\"\nstrategy = \"rolling\"\n[enviroments.local]\n[environments.ecs]\nplatform = \"ecs\"\nclustr = \"c\"\necs-service = \"s\"\njournal = \"local\"\n[deploy]\nbakeTime = \"2m\"\ncolour = 1\n",
        ),
        (
            "wrong_types",
            "service = 3\nport = \"3000\"\nhealth_check = true\nalarms = \"a\"\nvariables = { PORT = 3000 }\nenvironments = []\n[deploy]\nmigrate = \"node migrate.js\"\ntasks = 1.5\n",
        ),
        (
            "durations",
            "service = \"a\"\nport = 1\n[environments.local]\npublic_port = 2\n[deploy]\nbake_time = 30\ntimeout = \"15\"\ndrain_timeout = \"2 minutes\"\ncanary_bake_time = \"30s1m\"\nstep_bake_time = \"\"\n",
        ),
        (
            "out_of_range",
            "service = \"a\"\nport = 0\n[environments.local]\npublic_port = 65536\npreview_port = -1\npublic_host = \"localhost\"\n[deploy]\ntasks = 0\ncanary_percent = 101\nminimum_healthy_percent = 120\nmaximum_percent = 50\nstep_percent = 0.55\n",
        ),
        (
            "router",
            "service = \"a\"\nport = 1\nanswer_timeout = \"90s\"\n[environments.local]\npublic_port = 2\n[router]\nanswer_timout = \"90s\"\nidle_timeout = \"0s\"\nupload_pause = 30\nhead_size = 64\nconnections = 0\nhold = \"5s\"\nmetrics_port = 2\naccess_log = \"on\"\nretry_budget = 101\n[environments.local.router]\nhead_size = \"2 KiB\"\n",
        ),
        (
            "unknown_words",
            "service = \"a\"\nport = 1\n[environments.local]\npublic_port = 2\nplatform = \"dokcer\"\nsecrets = \"pin\"\n[deploy]\nstrategy = \"bluegreen\"\non_failure = \"explode\"\n[stages]\nscan = \"severe\"\n",
        ),
        (
            "missing",
            "port = 3000\n[environments.production]\n[environments.ecs]\nplatform = \"ecs\"\n[environments.local]\n",
        ),
        ("no_environment", "service = \"a\"\nport = 3000\n"),
        (
            "contradictions",
            "service = \"a\"\ntask_definition = \"live\"\ncommand = [\"x\"]\n[environments.local]\npublic_port = 80\npreview_port = 80\n[deploy]\nminimum_healthy_percent = 100\nmaximum_percent = 100\nbake_time = \"1h\"\n[stages]\ntest = { command = \"t\", min_coverage = 80 }\n",
        ),
        (
            "route",
            "service = \"a\"\nport = 1\nroute = { hosts = [\"*.a.test\"], path = \"/api\" }\n[[smoke]]\npath = \"/health\"\n[environments.local]\npublic_port = 80\n[environments.x]\nplatform = \"docker\"\npublic_port = 81\nroute = { hosts = [\"http://a\", 5], path = \"api/\", paths = 1 }\n",
        ),
        (
            "shared_port",
            "port = 80\n[services.api]\n[services.web]\n[environments.local]\npublic_port = 8080\n",
        ),
        (
            "shared_ecs_service",
            "port = 80\n[services.api]\n[services.web]\n[environments.production]\nplatform = \"ecs\"\njournal = \"local\"\ncluster = \"c\"\necs_service = \"s\"\n",
        ),
        (
            "names",
            "service = \"My Service\"\nport = 1\n[environments.Local]\nplatform = \"docker\"\npublic_port = 2\n",
        ),
        ("version", "required_version = \"^2\"\nservice = \"a\"\nnew_key_of_version_2 = true\n"),
        (
            "smoke",
            "service = \"a\"\nport = 1\n[environments.local]\npublic_port = 2\n[[smoke]]\nmethod = \"get\"\n[[smoke]]\npath = \"health\"\nexpect = { status = 20, json = { \"a.b\" = 1 } }\n[findings]\nQS503 = \"\"\nnope = \"because\"\n",
        ),
        (
            "codes_of_findings",
            "service = \"a\"\nport = 1\n[environments.local]\npublic_port = 2\n[findings]\nQS503 = \"fine\"\nQS508 = \"removed\"\nQS999 = \"none\"\nnope = \"because\"\n",
        ),
        (
            "overridden_mistake",
            "service = \"a\"\nport = \"x\"\n[environments.local]\nport = 80\npublic_port = 2\n",
        ),
        ("worker", "service = \"a\"\nhealth_check = \"/health\"\n[environments.local]\npublic_port = 2\n"),
        ("terminal", "service = \"a\\u001b[31m\"\nport = 1 # \u{1b}[31m\n"),
    ];
    for (name, text) in files {
        insta::assert_snapshot!(name, problems(text));
    }
}

#[test]
fn a_requirement_on_the_version_is_kept() {
    let text = |required: &str| format!("required_version = {required:?}\n{SHORT}");
    assert!(Config::parse_as(&text("^1"), "f", "1.4.0").is_ok());
    assert!(Config::parse_as(&text("^1"), "f", "0.1.0").is_err());
    assert!(Config::parse_as(&text("nonsense"), "f", "1.4.0").is_err());
    assert!(Config::parse(SHORT, "f").is_ok());
}

#[test]
fn deep_nesting_does_not_make_it_panic() {
    for text in [format!("a = {}", "[".repeat(100_000)), format!("{}a = 1", "a.".repeat(100_000))] {
        assert!(Config::parse(&text, "f").is_err());
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}") {
        let _ = Config::parse(&text, "f");
    }

    #[test]
    fn no_half_right_file_makes_it_panic(lines in prop::collection::vec(
        r#"(service|port|health_check|deploy|environments|variables|smoke|stages|\[environments.local\]|\[deploy\]|\[\[smoke\]\]|strategy|bake_time|é)( = |\.)("[a-z/é$\{\}]{0,5}"|[0-9]{1,20}|\{ [a-z]+ = [0-9] \}|\[\]|true|1979-05-27)?"#,
        0..8,
    )) {
        let _ = Config::parse(&lines.join("\n"), "f");
    }

    #[test]
    fn no_cut_or_changed_file_makes_it_panic(at in 0..FULL.len(), insert in "[\\[\\]{}\"'=.\né]{0,3}") {
        let _ = Config::parse(&format!("{}{insert}", &FULL[..at]), "f");
        let _ = Config::parse(&format!("{}{insert}{}", &FULL[..at], &FULL[at..]), "f");
    }
}

#[test]
fn what_keeps_services_from_sharing_a_port_is_named() {
    let text = |web: &str| {
        format!(
            "[services.api]\nport = 1\nroute = {{ hosts = ['api.test'] }}\n[services.web]\nport = 1\n{web}\n\
             [environments.local]\npublic_port = 8080\n"
        )
    };
    for (web, said) in [
        (
            "route = { hosts = ['api.test'] }",
            "port 8080 for api.test is also that of api/local, for api.test",
        ),
        ("tls = 'local'", "port 8080 is also that of api/local, with another `tls`"),
        ("public_host = '0.0.0.0'", "port 8080 is also that of api/local, with another `public_host`"),
    ] {
        let problems = problems(&text(web));
        assert!(problems.contains(said), "{web}: {problems}");
    }
    let every = text("").replace("route = { hosts = ['api.test'] }\n", "");
    let said = "port 8080 for every request is also that of api/local, for every request";
    assert!(problems(&every).contains(said), "{}", problems(&every));
}

#[test]
fn a_mistake_about_one_service_keeps_from_no_other() {
    let text = "port = 1\n[services.api]\nprt = 2\n[services.api.environments.test]\nplatform = 'docker'\n\
        [services.web]\n[services.web.environments.test]\nplatform = 'mainframe'\n\
        [environments.local]\npublic_port = 8080\n[services.web.route]\nhosts = ['web.test']\n";
    let config = Config::parse_leniently(text, "quickserve.toml").expect("nothing is wrong for all");
    let of = |service, environment| {
        let key = ServiceKey::new(service, environment).expect("a name");
        config.mistakes_of(&key).map(|problems| problems.to_string()).unwrap_or_default()
    };
    assert!(of("api", "local").contains("unknown key `prt`"), "{}", of("api", "local"));
    assert_eq!(of("web", "local"), "");
    assert!(config.settings(Some("web"), None).is_ok());
    assert!(of("web", "test").contains("mainframe") && !of("web", "test").contains("prt"));
    assert!(of("api", "test").contains("`public_port` is missing"), "{}", of("api", "test"));
    assert_eq!(format!("{:#}", Problems::new(config.mistakes()).expect("mistakes")), problems(text));

    for whole in
        ["service = ", "", "prt = 1\n[services.api]\nport = 1\n[environments.local]\npublic_port = 1\n"]
    {
        assert!(Config::parse_leniently(whole, "quickserve.toml").is_err(), "{whole}");
    }
    // Whoever shares a port is well by itself.
    let text = "port = 1\n[services.a]\n[services.b]\n[environments.local]\npublic_port = 2\n";
    let config = Config::parse_leniently(text, "quickserve.toml").expect("settings");
    assert_eq!(config.mistakes().len(), 1);
    for service in ["a", "b"] {
        assert_eq!(config.mistakes_of(&ServiceKey::new(service, "local").expect("a name")), None);
    }
}

#[test]
fn the_place_of_what_is_said_of_a_service_is_known() {
    let text = "service = 'a'\nport = 1\n[deploy]\ntasks = 3\n[environments.local]\npublic_port = 2\n";
    let config = config(text);
    let key = &config.settings(None, None).expect("settings").key;
    let at = |path: &[&str]| config.place(Finding::error(Code::NOT_BUILT, "no"), key, path).place().cloned();
    assert_eq!(at(&["deploy", "tasks"]).expect("a place").to_string(), "quickserve.toml:4:9");
    assert_eq!(at(&["deploy", "strategy"]), None);
    assert_eq!(at(&["router", "hold"]), None);
}
