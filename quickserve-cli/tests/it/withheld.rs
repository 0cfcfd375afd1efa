//! An engine that hands no image out, so that nobody can look into it, is no reason not to deploy.

use quickserve_tests::Tap;

use crate::support::Shop;

#[test]
fn an_image_that_cannot_be_looked_into_is_a_warning_and_is_deployed() {
    let shop = Shop::with_images(&["1"]);
    let definition = r#"{
  "family": "shop",
  "containerDefinitions": [{
    "name": "app",
    "image": "IMAGE",
    "portMappings": [{ "containerPort": 3000 }],
    "environment": [
      { "name": "PORT", "value": "3000" },
      { "name": "DATABASE_URL", "value": "x" },
      { "name": "STRIPE_API_KEY", "value": "x" }
    ],
    "healthCheck": { "command": ["CMD", "/storefront", "healthcheck"], "interval": 5 }
  }]
}"#;
    shop.write("task.json", &definition.replace("IMAGE", &shop.image("1")));
    let settings = format!(
        "service = \"{}\"\ntask_definition = \"task.json\"\nhealth_check = \"/health\"\n[deploy]\n\
         bake_time = \"300ms\"\n[environments.local]\npublic_port = {}\nenv_file = \".env\"\n",
        shop.service, shop.port
    );
    shop.write("quickserve.toml", &settings);
    let tap = Tap::withholding_images(&shop.path());
    let engine = tap.address();
    let run = |arguments: &[&str]| shop.run_with(&[("DOCKER_HOST", &engine)], arguments);

    let check = run(&["check", "--format", "json"]);
    assert_eq!(check.code, 0, "{check}");
    let findings = check.json()["findings"].as_array().expect("findings").clone();
    let unseen = findings.iter().find(|finding| finding["code"] == "QS425").expect("a finding");
    assert_eq!(unseen["severity"], "warning");
    let message = unseen["message"].as_str().expect("a message");
    assert!(message.ends_with("this store gives nothing out"), "{message}");

    let deploy = run(&["deploy"]);
    assert_eq!(deploy.code, 0, "{deploy}");
    assert!(deploy.stderr.contains("QS425"), "{deploy}");
    assert_eq!(shop.version(), "1");
}
