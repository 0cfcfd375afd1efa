//! A service's model, as botocore ships it: what a request must look like.

use std::io::Read as _;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

/// The model of a service.
pub(crate) struct Model(Value);

impl Model {
    /// Read once: it is large.
    pub(crate) fn of_ecs() -> &'static Self {
        static ECS: LazyLock<Model> = LazyLock::new(|| Model::of("ecs/2014-11-13"));
        &ECS
    }

    pub(crate) fn of_logs() -> &'static Self {
        static LOGS: LazyLock<Model> = LazyLock::new(|| Model::of("logs/2014-03-28"));
        &LOGS
    }

    fn of(service: &str) -> Self {
        let packages = crate::support::tool("lib").read_dir().expect("a virtual environment");
        let python =
            packages.filter_map(Result::ok).find(|it| it.file_name().to_string_lossy().starts_with("python"));
        let python = python.expect("a Python in the virtual environment").path();
        let models = python.join("site-packages/botocore/data");
        Self::read(&models.join(service).join("service-2.json.gz"))
    }

    fn read(path: &Path) -> Self {
        let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("the model");
        Self(serde_json::from_str(&text).expect("JSON"))
    }

    /// What is wrong with a request.
    pub(crate) fn faults(&self, operation: &str, request: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        match self.0.pointer(&format!("/operations/{operation}/input/shape")).and_then(Value::as_str) {
            None => faults.push(format!("there is no operation {operation}")),
            Some(shape) => self.check(operation, shape, request, &mut faults),
        }
        faults
    }

    fn check(&self, place: &str, shape: &str, value: &Value, faults: &mut Vec<String>) {
        let shape = &self.0["shapes"][shape];
        let text = |key: &str| shape[key].as_str();
        let fits = match text("type").unwrap_or_default() {
            "structure" | "map" => value.is_object(),
            "list" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" | "long" => value.is_i64(),
            "double" | "float" | "timestamp" => value.is_number(),
            other => panic!("{place} has the type {other}, which this check does not know"),
        };
        if !fits {
            faults.push(format!("{place} is {value}, and must be a {}", text("type").unwrap_or_default()));
            return;
        }
        for name in shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.get(name).is_none() {
                faults.push(format!("{place} lacks {name}"));
            }
        }
        if let Some(words) = shape["enum"].as_array()
            && !words.contains(value)
        {
            faults.push(format!("{place} is {value}, which is none of {}", shape["enum"]));
        }
        for (name, inner) in value.as_object().into_iter().flatten() {
            let place = format!("{place}.{name}");
            match shape.pointer(&format!("/members/{name}/shape")).or(shape.pointer("/value/shape")) {
                Some(member) => self.check(&place, member.as_str().unwrap_or_default(), inner, faults),
                None => faults.push(format!("{place} is unknown")),
            }
        }
        for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
            let member = shape["member"]["shape"].as_str().unwrap_or_default();
            self.check(&format!("{place}[{index}]"), member, inner, faults);
        }
    }
}

#[test]
fn a_wrong_request_is_found_in_each_way() {
    let model = Model::of_ecs();
    let right = serde_json::json!({ "service": "shop", "desiredCount": 2 });
    assert_eq!(model.faults("UpdateService", &right), Vec::<String>::new());
    let wrong = serde_json::json!({
        "desiredCount": "2", "madeUp": 1, "deploymentConfiguration": { "strategy": "SUDDEN" },
    });
    let faults = model.faults("UpdateService", &wrong).join("\n");
    for part in ["lacks service", "desiredCount is \"2\"", "madeUp is unknown", "strategy is \"SUDDEN\""] {
        assert!(faults.contains(part), "{part} in:\n{faults}");
    }
}
