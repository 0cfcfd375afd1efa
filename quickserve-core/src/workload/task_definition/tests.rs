use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::workload::Condition;

const CASE_STUDY: &str = include_str!("../testdata/case-study.json");

fn reading() -> Reading {
    let values = [("ECR_REGISTRY", "registry.example"), ("IMAGE_TAG", "1.8.2")];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Reading { file: "task.json".into(), values, ..Reading::default() }
}

fn definition(text: &str, reading: &Reading) -> TaskDefinition {
    TaskDefinition::read(text, reading).unwrap_or_else(|problems| panic!("{problems:#}"))
}

fn problems(text: &str, reading: &Reading) -> String {
    match TaskDefinition::read(text, reading) {
        Ok(_) => panic!("this is right: {text}"),
        Err(problems) => format!("{problems:#}"),
    }
}

/// A definition of these containers, each `image` filled in.
fn containers(containers: &serde_json::Value) -> String {
    let mut containers = containers.clone();
    for container in containers.as_array_mut().expect("a list") {
        container["image"] = "x:1".into();
    }
    json!({ "containerDefinitions": containers }).to_string()
}

#[test]
fn the_case_studys_own_file_is_read() {
    let definition = definition(CASE_STUDY, &reading());
    assert_eq!(definition.family.as_deref(), Some("quickserve-task"));
    assert_eq!(definition.main.as_deref(), Some("quickserve-app"));
    assert_eq!(definition.images["quickserve-app"], "registry.example/quickserve:1.8.2");
    assert_eq!(definition.notes, []);
    let workload = definition.workload;
    assert_eq!((workload.cpu_units, workload.memory_mib), (Some(256), Some(512)));
    assert_eq!(workload.endpoint, Some(EndpointPort { container: "quickserve-app".into(), port: 3000 }));
    assert_eq!(workload.gate.probe, Probe::Http { path: "/health".into() });
    assert_eq!(workload.gate.grace, Duration::from_mins(1), "the start period");
    assert_eq!(workload.document.as_deref(), Some(CASE_STUDY));
    let container = &workload.containers[0];
    assert_eq!(container.environment["NODE_ENV"], "production");
    assert!(container.secrets["DATABASE_URL"].ends_with(":secret:db-url"));
    assert_eq!(container.health_check.as_ref().map(|check| check.retries), Some(3));
    assert!(container.essential);
}

#[test]
fn an_image_that_is_given_needs_no_placeholders() {
    let given = Reading { image: Some("storefront:1".into()), values: BTreeMap::new(), ..reading() };
    assert_eq!(definition(CASE_STUDY, &given).images["quickserve-app"], "storefront:1");
    let images = [("quickserve-app".to_owned(), "storefront:2".to_owned())].into();
    let named = Reading { images, ..given };
    assert_eq!(definition(CASE_STUDY, &named).images["quickserve-app"], "storefront:2");
}

#[test]
fn the_answer_of_describe_is_read_too() {
    let inner = CASE_STUDY.trim_end();
    let described = definition(&format!("{{\"taskDefinition\": {inner}, \"tags\": []}}"), &reading());
    assert_eq!(described.workload.document.as_deref(), Some(inner));
    assert_eq!(described.images, definition(CASE_STUDY, &reading()).images);
}

#[test]
fn every_field_that_is_modelled_is_read() {
    let text = r#"{
        "family": "all", "cpu": ".25 vCPU", "memory": "1 GB",
        "volumes": [{"name": "data", "host": {"sourcePath": "/srv"}}, {"name": "scratch", "host": {}}],
        "containerDefinitions": [
            {"name": "init", "image": "i", "essential": false, "command": ["migrate", "${DB}"]},
            {"name": "app", "image": "a", "user": "1001", "readonlyRootFilesystem": true, "stopTimeout": 45,
             "cpu": 128, "memory": 256, "memoryReservation": 128, "workingDirectory": "/app",
             "entryPoint": ["tini", "--"], "dockerLabels": {"team": "food"},
             "portMappings": [{"containerPort": 3000, "hostPort": 0}, {"containerPort": 53, "protocol": "udp"}],
             "dependsOn": [{"containerName": "init", "condition": "SUCCESS"}],
             "mountPoints": [{"sourceVolume": "data", "containerPath": "/data", "readOnly": true}],
             "linuxParameters": {"initProcessEnabled": true, "capabilities": {"drop": ["ALL"]},
                 "tmpfs": [{"containerPath": "/tmp", "size": 64, "mountOptions": ["noexec"]}]},
             "ulimits": [{"name": "nofile", "softLimit": 1024, "hardLimit": 4096}],
             "healthCheck": {"command": ["CMD-SHELL", "test ${READY}"]},
             "logConfiguration": {"logDriver": "awslogs"}, "links": [], "privileged": true}
        ]
    }"#;
    let definition = definition(text, &reading());
    let notes: Vec<_> = definition.notes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(notes.join("\n"));
    insta::assert_json_snapshot!(Workload { document: None, ..definition.workload });
}

#[test]
fn what_quickserve_toml_says_is_put_over_it() {
    let health_check = HealthCheck {
        probe: Some(Probe::Http { path: "/ready".into() }),
        grace: Some(Duration::from_secs(5)),
        ..HealthCheck::default()
    };
    let variables = [("NODE_ENV".to_owned(), "test".to_owned()), ("DATABASE_URL".to_owned(), "x".to_owned())];
    let reading = Reading { health_check, variables: variables.into(), ..reading() };
    let workload = definition(CASE_STUDY, &reading).workload;
    assert_eq!(workload.gate.probe, Probe::Http { path: "/ready".into() });
    assert_eq!(workload.gate.grace, Duration::from_secs(5));
    assert_eq!(workload.containers[0].environment["NODE_ENV"], "test");
    assert_eq!(workload.containers[0].environment["DATABASE_URL"], "x");
    assert!(!workload.containers[0].secrets.contains_key("DATABASE_URL"));
}

#[test]
fn a_worker_is_healthy_when_it_stays_up() {
    let worker = definition(&containers(&json!([{"name": "worker"}])), &reading());
    assert_eq!(worker.workload.endpoint, None);
    assert_eq!(worker.workload.gate.probe, Probe::Stays { duration: Duration::from_secs(5) });
    let tcp =
        definition(&containers(&json!([{"name": "a", "portMappings": [{"containerPort": 1}]}])), &reading());
    assert_eq!(tcp.workload.gate.probe, Probe::Tcp);
}

#[test]
fn conditions_are_read_as_ecs_writes_them() {
    let text = containers(&json!([
        {"name": "a", "healthCheck": {"command": ["CMD", "x"]}},
        {"name": "b", "dependsOn": [{"containerName": "a", "condition": "HEALTHY"}]},
    ]));
    let workload = definition(&text, &reading()).workload;
    assert_eq!(workload.containers[1].depends_on[0].condition, Condition::Healthy);
}

#[test]
fn every_wrong_definition_says_where_and_what_to_do() {
    let waits = |name: &str, condition: &str| json!([{ "containerName": name, "condition": condition }]);
    let files = [
        ("empty", " \n".to_owned()),
        ("not_json", "family: quickserve\n".to_owned()),
        ("comment", "{\n  // the family\n  \"family\": \"x\"\n}".to_owned()),
        ("list", "[]".to_owned()),
        ("no_containers", "{\n  \"family\": \"x\",\n  \"containerDefinitions\": []\n}".to_owned()),
        ("containers_missing", "{\n  \"family\": \"x\",\n  \"containers\": []\n}".to_owned()),
        (
            "wrong_types",
            r#"{
  "cpu": 256,
  "memory": "lots",
  "containerDefinitions": [
    {
      "name": "my app",
      "image": 5,
      "essential": "true",
      "environment": {"A": "b"},
      "portMappings": [{"containerPort": 0}, {"containerPort": "80"}, {"protocol": "sctp"}],
      "healthCheck": {"command": ["curl", "-f"], "interval": 1, "timeout": 90},
      "stopTimeout": -1,
      "memory": 128, "memoryReservation": 256,
      "mountPoints": [{"sourceVolume": "v", "containerPath": "data"}]
    }
  ]
}"#
            .to_owned(),
        ),
        (
            "placeholders",
            CASE_STUDY
                .replace("${IMAGE_TAG}", "${IMAGE_TAGG}")
                .replace("\"production\"", "\"${NODE_ENV:-production} ${STAGE}\""),
        ),
        ("twice", "{\"containerDefinitions\": [\n{\"name\": \"a\", \"image\": \"x\", \"image\": \"y\"}]}".to_owned()),
        (
            "same_names",
            "{\"containerDefinitions\": [\n{\"name\": \"a\", \"image\": \"x\"},\n{\"name\": \"a\", \"image\": \"x\", \"environment\": [{\"name\": \"V\", \"value\": \"1\"}, {\"name\": \"V\", \"value\": \"2\"}], \"secrets\": [{\"name\": \"V\", \"valueFrom\": \"arn\"}]}]}".to_owned(),
        ),
        ("not_essential", containers(&json!([{"name": "a", "essential": false}]))),
        (
            "unknown_references",
            containers(&json!([{"name": "app", "dependsOn": waits("lgo", "START"),
                "mountPoints": [{"sourceVolume": "dta", "containerPath": "/data"}]}, {"name": "log"}]))
            .replace("{\"containerDefinitions\"", "{\"volumes\": [{\"name\": \"data\"}], \"containerDefinitions\""),
        ),
        (
            "circle",
            containers(&json!([
                {"name": "a", "dependsOn": waits("b", "START")},
                {"name": "b", "dependsOn": waits("c", "START")},
                {"name": "c", "dependsOn": waits("a", "START")},
                {"name": "d", "dependsOn": waits("d", "START")},
            ])),
        ),
        (
            "impossible_conditions",
            containers(&json!([
                {"name": "a", "dependsOn": [{"containerName": "b", "condition": "HEALTHY"},
                    {"containerName": "b", "condition": "SUCCESS"}]},
                {"name": "b"},
            ])),
        ),
        ("unknown_condition", containers(&json!([{"name": "a", "dependsOn": waits("b", "STARTED")}]))),
        (
            "which_port",
            containers(&json!([{"name": "a", "portMappings": [{"containerPort": 1}]},
                {"name": "b", "portMappings": [{"containerPort": 2}]}])),
        ),
    ];
    for (name, text) in files {
        insta::assert_snapshot!(name, problems(&text, &reading()));
    }
}

#[test]
fn settings_that_do_not_fit_are_refused() {
    let other = Reading { container: Some("quickserve".into()), ..reading() };
    let images = [("quickserve".to_owned(), "x".to_owned())].into();
    let health_check = HealthCheck { port: Some(9000), ..HealthCheck::default() };
    let misfit = Reading { health_check, images, ..reading() };
    let port = Reading { port: Some(80), ..reading() };
    let all = [other, misfit, port].map(|reading| problems(CASE_STUDY, &reading));
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_field_that_ecs_does_not_know_is_a_warning() {
    let text = containers(&json!([{"name": "a", "enviroment": []}]));
    let notes = definition(&text, &reading()).notes;
    assert_eq!(
        (notes[0].severity, notes[0].hint.as_deref()),
        (Severity::Warning, Some("did you mean `environment`"))
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}") {
        let _ = TaskDefinition::read(&text, &reading());
    }

    #[test]
    fn no_cut_or_changed_file_makes_it_panic(at in 0..CASE_STUDY.len(), insert in "[\\[\\]{}\",:$é0-9]{0,3}") {
        let _ = TaskDefinition::read(&format!("{}{insert}", &CASE_STUDY[..at]), &reading());
        let _ = TaskDefinition::read(&format!("{}{insert}{}", &CASE_STUDY[..at], &CASE_STUDY[at..]), &reading());
    }

    #[test]
    fn no_nesting_makes_it_panic(depth in 0_usize..2000) {
        let _ = TaskDefinition::read(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)), &reading());
    }
}

#[test]
fn a_secret_has_the_place_where_its_source_is_named() {
    let text = "{\"containerDefinitions\": [{\"name\": \"a\", \"image\": \"x\",\n  \"secrets\": [{\"name\": \"V\", \"valueFrom\": \"shop/v\"}]}]}";
    let reading = Reading { file: "task.json".into(), ..Reading::default() };
    let read = TaskDefinition::read(text, &reading).expect("a definition");
    let place = &read.secrets[&("a".to_owned(), "V".to_owned())];
    assert_eq!(place.to_string(), "task.json:2:42");
}
