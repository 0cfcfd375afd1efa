//! What an image says of itself: its configuration.

use oci_client::Reference;
use oci_client::manifest::{ImageIndexEntry, OciImageManifest};
use quickserve_core::registry::ResolvedImage;
use quickserve_core::release::Image;
use quickserve_core::{Error, ErrorKind, Result};
use serde_json::Value;

use super::client::Connection;
use super::failure::failed;

/// A configuration is some kilobytes; more is somebody's mistake or malice.
const LIMIT: i64 = 8 << 20;

/// The entry of an index for a platform such as `linux/amd64` or `linux/arm64/v8`; a variant that one of both
/// leaves out does not matter. Attestations stand under `unknown/unknown`.
pub(crate) fn for_platform<'a>(
    entries: &'a [ImageIndexEntry],
    platform: &str,
) -> Option<&'a ImageIndexEntry> {
    let mut wanted = platform.split('/');
    let (os, architecture, variant) = (wanted.next()?, wanted.next()?, wanted.next());
    entries.iter().find(|entry| {
        entry.platform.as_ref().is_some_and(|has| {
            let same_variant = match (variant, has.variant.as_deref()) {
                (Some(wanted), Some(has)) => wanted == has,
                _ => true,
            };
            has.os.to_string() == os && has.architecture.to_string() == architecture && same_variant
        })
    })
}

/// Reads an image's configuration.
pub(crate) async fn inspect(
    connection: &Connection,
    reference: &Reference,
    manifest: &OciImageManifest,
    image: Image,
) -> Result<ResolvedImage> {
    let unreadable = |why: &str| {
        Error::new(ErrorKind::Unsupported, format!("read the configuration of {reference}: {why}"))
            .with_hint("is it a container image, or something else that is kept in a registry?")
    };
    if manifest.config.size > LIMIT {
        return Err(unreadable("it is larger than any image's"));
    }
    let mut raw = Vec::new();
    let pulled = connection.client.pull_blob(reference, &manifest.config, &mut raw).await;
    pulled.map_err(|error| failed("read the configuration of", reference, error))?;
    let config: Value = serde_json::from_slice(&raw).map_err(|_| unreadable("it is no JSON"))?;
    read(&config, image).ok_or_else(|| unreadable("it names no platform"))
}

fn read(config: &Value, image: Image) -> Option<ResolvedImage> {
    let text = |key: &str| config.get(key).and_then(Value::as_str);
    let mut platform = format!("{}/{}", text("os")?, text("architecture")?);
    if let Some(variant) = text("variant").filter(|variant| !variant.is_empty()) {
        platform = format!("{platform}/{variant}");
    }
    let inner = config.get("config");
    let get = |key: &str| inner.and_then(|inner| inner.get(key));
    let names =
        |key: &str| get(key).and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str());
    let mut exposed_ports: Vec<u16> = names("ExposedPorts")
        .filter_map(|port| match port.split_once('/') {
            None | Some((_, "tcp")) => port.split('/').next()?.parse().ok(),
            Some(_) => None,
        })
        .collect();
    exposed_ports.sort_unstable();
    let variables = get("Env").and_then(Value::as_array).into_iter().flatten();
    let variables = variables.filter_map(|it| it.as_str()?.split('=').next()).map(str::to_owned).collect();
    let health = get("Healthcheck").and_then(|it| it.get("Test")).and_then(Value::as_array);
    let has_health_check =
        health.is_some_and(|test| test.first().is_some_and(|word| word.as_str() != Some("NONE")));
    let label = |name: &str| get("Labels").and_then(|labels| labels.get(name)).and_then(Value::as_str);
    Some(ResolvedImage {
        image,
        platform,
        exposed_ports,
        variables,
        has_health_check,
        user: get("User").and_then(Value::as_str).unwrap_or_default().to_owned(),
        revision: label("org.opencontainers.image.revision").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use quickserve_core::release::Digest;
    use serde_json::json;

    use super::*;

    fn image() -> Image {
        Image { reference: "shop:1".into(), digest: Digest::of(b"shop"), manifest: None }
    }

    #[test]
    fn what_a_check_wants_to_know_is_read_and_no_value() {
        let config = json!({"os": "linux", "architecture": "arm64", "variant": "v8", "config": {
            "ExposedPorts": {"9090/tcp": {}, "3000/tcp": {}, "53/udp": {}},
            "Env": ["PATH=/bin", "TOKEN=hunter2"], "User": "node",
            "Healthcheck": {"Test": ["CMD", "/check"]},
            "Labels": {"org.opencontainers.image.revision": "9f3c1ab"},
        }});
        let read = read(&config, image()).expect("an image");
        assert_eq!(read.platform, "linux/arm64/v8");
        assert_eq!(read.exposed_ports, [3000, 9090]);
        assert_eq!(read.variables, ["PATH", "TOKEN"]);
        assert!(read.has_health_check);
        assert_eq!((read.user.as_str(), read.revision.as_deref()), ("node", Some("9f3c1ab")));
    }

    #[test]
    fn a_health_check_that_is_switched_off_is_none() {
        let config = json!({"os": "linux", "architecture": "amd64",
            "config": {"Healthcheck": {"Test": ["NONE"]}}});
        assert!(!read(&config, image()).expect("an image").has_health_check);
    }

    #[test]
    fn the_entry_of_the_platform_is_chosen_and_no_attestation() {
        let entries: Vec<ImageIndexEntry> = serde_json::from_value(json!([
            {"mediaType": "m", "digest": "sha256:a", "size": 1, "platform": {"os": "unknown", "architecture": "unknown"}},
            {"mediaType": "m", "digest": "sha256:b", "size": 1, "platform": {"os": "linux", "architecture": "amd64"}},
            {"mediaType": "m", "digest": "sha256:c", "size": 1,
                "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        ]))
        .expect("entries");
        let chosen = |platform| for_platform(&entries, platform).map(|entry| entry.digest.as_str());
        assert_eq!(chosen("linux/amd64"), Some("sha256:b"));
        assert_eq!(chosen("linux/arm64"), Some("sha256:c"));
        assert_eq!(chosen("windows/amd64"), None);
    }
}
