//! No command shows a secret value, in whatever format it tells that it could not begin.

use crate::support::{Ran, Shop, snapshot};

/// A value that nothing but its name gives away.
const DIGITS: &str = "31415926535";

/// A secret of a well-known shape, which no file of this repository holds.
fn token() -> String {
    ["ghp", "x7Kq2mVd9LwZ4tRb8NcY1sHf6JpG3aQe5UoT"].join("_")
}

/// Runs each command in each format that it has; answers what was told.
fn everywhere(shop: &Shop, commands: &[&[&str]]) -> Vec<Ran> {
    let mut told = Vec::new();
    for command in commands {
        for format in ["human", "json", "github"] {
            told.push(shop.run(&[command, &["--format", format, "-v"][..]].concat()));
        }
    }
    told.push(shop.run(&["check", "--format", "sarif", "-v"]));
    told
}

fn shows_nothing(ran: &Ran, code: &str, secrets: &[&str]) {
    assert_ne!(ran.code, 0, "{ran}");
    assert!(format!("{ran}").contains(code), "{code}: {ran}");
    for secret in secrets {
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{secret} is shown: {ran}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_told_without_its_secrets() {
    let shop = Shop::empty();
    let token = token();
    // A wrong type beside a name; a token in a message, a hint and a line of its own.
    for (lines, code) in [
        (format!("[variables]\nDB_PASSWORD = {DIGITS}\n"), "QS112"),
        (format!("[environments.local]\nplatform = \"{token}\"\n"), "QS113"),
        (format!("[variables]\nA = [\"{token}\"]\n"), "QS112"),
        (format!("sevrice = \"{token}\"\n"), "QS111"),
    ] {
        shop.write(
            "quickserve.toml",
            &format!("service = \"shop\"\nport = 3000\nimage = \"shop:1\"\n{lines}"),
        );
        for ran in everywhere(&shop, &[&["check"], &["deploy"], &["plan"], &["status"], &["env", "show"]]) {
            shows_nothing(&ran, code, &[&token, DIGITS]);
        }
    }
}

#[test]
fn a_definition_that_cannot_be_read_is_told_without_its_values() {
    let shop = Shop::empty();
    let token = token();
    let settings =
        "service = \"shop\"\ntask_definition = \"task.json\"\n[environments.local]\nplatform = \"docker\"\n";
    shop.write("quickserve.toml", settings);
    shop.write(
        "task.json",
        &format!(
            r#"{{
  "family": "shop",
  "containerDefinitions": [{{
    "name": "app",
    "image": "shop:1",
    "essential": "{token}",
    "environment": [
      {{
        "name": "SMTP_PASSWORD",
        "value": {DIGITS}
      }},
      {{ "name": "A", "value": ["{token}"] }}
    ]
  }}]
}}
"#
        ),
    );
    for ran in everywhere(&shop, &[&["check"], &["deploy"], &["plan"]]) {
        shows_nothing(&ran, "QS402", &[&token, DIGITS]);
    }
    snapshot("discreet_definition", &shop.run(&["deploy"]));
}

/// What is misspelt beside a name, and the address of a health check.
#[test]
fn what_nobody_knows_and_what_is_asked_show_no_secret() {
    let shop = Shop::with_images(&["1"]);
    let token = token();
    let settings = format!(
        "service = \"{}\"\ntask_definition = \"task.json\"\nhealth_check = \"/health?token={token}\"\n\
         [environments.local]\npublic_port = {}\n",
        shop.service, shop.port
    );
    shop.write("quickserve.toml", &settings);
    let definition = |environment: &str| {
        format!(
            r#"{{
  "family": "shop",
  "containerDefinitions": [{{
    "name": "app",
    "image": "{}",
    "portMappings": [{{ "containerPort": 3000 }}],
    "environment": [
{environment}
    ]
  }}]
}}
"#,
            shop.image("1")
        )
    };
    let misspelt = format!(
        r#"      {{ "name": "SMTP_PASSWORD", "valeu": "hunter2{DIGITS}" }},
      {{ "name": "A",
        "vlaue": "hunter3{DIGITS}" }},
      {{ "name": "DB_PASSWORD", "value": {DIGITS} }}"#
    );
    shop.write("task.json", &definition(&misspelt));
    for ran in everywhere(&shop, &[&["check"], &["deploy"], &["plan"]]) {
        shows_nothing(&ran, "QS40", &[&token, DIGITS]);
    }
    shop.write("task.json", &definition(r#"      { "name": "PORT", "value": "3000" }"#));
    for ran in everywhere(&shop, &[&["check"], &["plan"]]) {
        assert!(!format!("{ran}").contains(&token), "{ran}");
    }
}
