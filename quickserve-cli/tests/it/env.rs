//! `env`: the contract of variables, by name.

use crate::support::{Shop, snapshot};

/// A shop whose code reads what it reads.
fn shop() -> Shop {
    let shop = Shop::empty();
    shop.configure("image = \"shop:1\"");
    shop.write(
        ".env.example",
        "# The database of orders. @secret @type(url)\nDATABASE_URL=\nSTRIPE_API_KEY=\n# optional\nLOG_LEVEL=info\nSENTRY_DSN= # optional\n",
    );
    shop.write(".env", "DATABASE_URL=postgresql://u:s3cret-value@db/shop\nEXTRA=s3cret-value\n");
    shop.write(
        "server.js",
        "const required = [\"DATABASE_URL\", \"STRIPE_API_KEY\"];\nrequired.forEach((name) => {\n  if (!process.env[name]) {\n    \
         process.exit(1);\n  }\n});\nconst level = process.env.LOG_LEVEL || \"info\";\nconst queue = process.env.QUEUE_URL;\n",
    );
    shop
}

#[test]
fn show_says_what_has_a_value_and_from_where() {
    let shop = shop();
    snapshot("env_show", &shop.ends(0, &["env", "show"]));
    let json = shop.ends(0, &["env", "show", "--format", "json"]).json();
    assert_eq!(json["variables"][0]["from"][0], "env_file");
    assert_eq!(json["undeclared"][0], "QUEUE_URL");
}

#[test]
fn what_is_named_without_a_value_is_not_there() {
    let shop = shop();
    shop.write(".env", "DATABASE_URL=\nSTRIPE_API_KEY=x\nSENTRY_DSN=\n");
    let show = shop.ends(0, &["env", "show"]).stdout;
    assert!(show.contains("missing  DATABASE_URL    no value in env_file, secrets\n"), "{show}");
    assert!(show.contains("there    STRIPE_API_KEY  env_file, secrets"), "{show}");
    assert!(show.contains("optional SENTRY_DSN      no value in env_file, secrets"), "{show}");

    // A definition names a store of ECS; here the file has the value, or nothing has.
    shop.write(
        "quickserve.toml",
        "service = \"shop\"\ntask_definition = \"task.json\"\nenv_contract = \".env.example\"\n\
         [environments.local]\nplatform = \"docker\"\nenv_file = \".env\"\n[environments.production]\n\
         platform = \"ecs\"\nregion = \"eu-west-1\"\ncluster = \"c\"\necs_service = \"s\"\njournal = \"local\"\n",
    );
    shop.write(".env.example", "DATABASE_URL=\nSTRIPE_API_KEY=\nEMPTY=\n");
    shop.write(
        "task.json",
        r#"{ "family": "shop", "containerDefinitions": [{ "name": "app", "image": "shop:1",
             "environment": [{ "name": "EMPTY", "value": "" }], "secrets": [
             { "name": "DATABASE_URL", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/db" },
             { "name": "STRIPE_API_KEY", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/s" }] }] }"#,
    );
    let of = |environment: &str| {
        let json = shop.ends(0, &["env", "show", "-e", environment, "--format", "json"]).json();
        let each = json["variables"].as_array().expect("variables").clone();
        each.into_iter()
            .map(|it| (it["from"].to_string(), it["without_value"].to_string()))
            .collect::<Vec<_>>()
    };
    let pair = |from: &str, without: &str| (from.to_owned(), without.to_owned());
    assert_eq!(
        of("local"),
        [
            pair("[]", r#"["env_file","secrets"]"#),
            pair(r#"["env_file","secrets"]"#, "[]"),
            pair("[]", r#"["environment"]"#)
        ]
    );
    assert_eq!(of("production")[0], pair(r#"["secrets"]"#, "[]"));
    let told = shop.ends(0, &["env", "show", "-e", "production"]).stdout;
    assert!(told.contains("named    DATABASE_URL    secrets: check asks for it"), "{told}");
}

#[test]
fn scan_finds_what_the_code_reads_and_a_template_is_made_of_it() {
    let shop = shop();
    snapshot("env_scan", &shop.ends(0, &["env", "scan"]));
    snapshot("env_template", &shop.ends(0, &["env", "template"]));
    // A contract that a person wrote is not written over.
    assert_eq!(shop.run(&["env", "template", "--output", ".env.example"]).code, 2);
    shop.ends(0, &["env", "template", "--output", ".env.sample"]);
    assert!(std::fs::read_to_string(shop.path().join(".env.sample")).expect("a file").contains("QUEUE_URL="));
}

#[test]
fn environments_are_compared_by_name() {
    let shop = shop();
    let text = std::fs::read_to_string(shop.path().join("quickserve.toml")).expect("a file");
    let other =
        "[environments.staging]\nplatform = \"docker\"\npublic_port = 18081\nenv_file = \".env.staging\"\n";
    shop.write("quickserve.toml", &format!("{text}{other}"));
    shop.write(".env.staging", "DATABASE_URL=x\nDATABASE_URI=x\n");
    snapshot("env_diff", &shop.ends(0, &["env", "diff", "local", "staging"]));
    snapshot("env_diff_unknown", &shop.run(&["env", "diff", "local", "production"]));
}

#[test]
fn without_a_contract_it_says_how_to_get_one() {
    let shop = Shop::empty();
    let text = "service = \"shop\"\nport = 3000\n[environments.local]\npublic_port = 18080\n";
    shop.write("quickserve.toml", text);
    snapshot("env_no_contract", &shop.run(&["env", "show"]));
}

/// The case study's own file, on ECS, before its image is known.
#[test]
fn a_definition_gives_its_variables_also_where_its_image_is_not_known() {
    let shop = Shop::empty();
    shop.write(
        "quickserve.toml",
        "service = \"shop\"\ntask_definition = \"task.json\"\nenv_contract = \".env.example\"\n\
         [environments.local]\nplatform = \"docker\"\n[environments.production]\nplatform = \"ecs\"\n\
         region = \"eu-west-1\"\ncluster = \"c\"\necs_service = \"s\"\njournal = \"local\"\n\
         [environments.production.variables]\nONLY_THERE = \"1\"\n",
    );
    shop.write(".env.example", "# @url where orders are kept\nDATABASE_URL=\nAWS_REGION=\nABSENT=\n");
    shop.write(
        "task.json",
        r#"{
  "family": "shop",
  "containerDefinitions": [{
    "name": "app",
    "image": "${NOBODY_KNOWS_REGISTRY}/shop:1",
    "environment": [{ "name": "NODE_ENV", "value": "production" }],
    "secrets": [{ "name": "DATABASE_URL", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/db" }]
  }]
}
"#,
    );
    let show = shop.ends(0, &["env", "show", "-e", "production", "--format", "json"]).json();
    let variables = show["variables"].as_array().expect("variables");
    let of = |name: &str| variables.iter().find(|it| it["name"] == name).expect("a variable").clone();
    assert_eq!(of("DATABASE_URL")["from"], serde_json::json!(["secrets"]), "{show}");
    assert_eq!(of("DATABASE_URL")["type"], "url", "{show}");
    assert_eq!(of("DATABASE_URL")["description"], "where orders are kept", "{show}");
    assert_eq!(of("AWS_REGION")["from"], serde_json::json!(["platform"]), "{show}");
    assert_eq!(of("ABSENT")["from"], serde_json::json!([]), "{show}");
    let diff = shop.ends(0, &["env", "diff", "local", "production", "--format", "json"]).json();
    assert_eq!(diff["both"], 2, "{diff}");
    assert_eq!(diff["production"]["only"], serde_json::json!(["ONLY_THERE"]), "{diff}");

    shop.write("task.json", "{");
    for command in [&["env", "show"][..], &["env", "diff", "local", "production"]] {
        let ran = shop.ends(2, command);
        assert!(ran.stderr.contains("QS401") || ran.stderr.contains("QS402"), "{ran}");
    }
}
