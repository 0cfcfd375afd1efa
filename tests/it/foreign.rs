//! `down` removes what QuickServe made for the service, and nothing else.

use std::process::Command;

use quickserve_tests::{Shop, docker::docker};

/// Things of others, removed in the end.
#[derive(Default)]
struct Strangers {
    containers: Vec<String>,
    volumes: Vec<String>,
    networks: Vec<String>,
    tags: Vec<String>,
}

impl Strangers {
    fn container(&mut self, name: &str, more: &[&str], image: &str) {
        docker(&[&["create", "--name", name], more, &[image]].concat());
        self.containers.push(name.to_owned());
    }

    fn volume(&mut self, name: &str, labels: &[&str]) {
        docker(&[&["volume", "create", name], labels].concat());
        self.volumes.push(name.to_owned());
    }

    fn network(&mut self, name: &str) {
        docker(&["network", "create", name]);
        self.networks.push(name.to_owned());
    }

    fn tag(&mut self, image: &str, tag: &str) {
        docker(&["tag", image, tag]);
        self.tags.push(tag.to_owned());
    }

    /// What of it is gone.
    fn missing(&self) -> Vec<&String> {
        let gone = |kind: &'static str| {
            move |name: &&String| {
                let found = Command::new("docker").args([kind, "inspect", name]).output();
                !found.expect("docker").status.success()
            }
        };
        let containers = self.containers.iter().filter(gone("container"));
        let volumes = self.volumes.iter().filter(gone("volume"));
        let networks = self.networks.iter().filter(gone("network"));
        let tags = self.tags.iter().filter(gone("image"));
        containers.chain(volumes).chain(networks).chain(tags).collect()
    }
}

impl Drop for Strangers {
    fn drop(&mut self) {
        let remove = |arguments: &[&str], names: &[String]| {
            for name in names {
                let _ = Command::new("docker").args(arguments).arg(name).output();
            }
        };
        remove(&["rm", "--force"], &self.containers);
        remove(&["volume", "rm"], &self.volumes);
        remove(&["network", "rm"], &self.networks);
        remove(&["image", "rm"], &self.tags);
    }
}

#[test]
fn things_of_others_with_similar_names_survive_down() {
    let shop = Shop::apart(&["1"]);
    let image = shop.image("1");
    let (service, environment) = (shop.service.as_str(), shop.environment.as_str());
    let plan = shop.run(&["plan", "--image", &image, "--format", "json"]);
    let release = plan.json()["release"]["release"].as_str().expect("a release").to_owned();
    let short = &release[..8];
    let mut strangers = Strangers::default();
    // The very name that our first task would have, and others near it.
    let ours = format!("qs-{service}.{environment}-{short}-0-1");
    strangers.container(&ours, &[], &image);
    strangers.container(&format!("qs-{service}.{environment}-{short}-0-7"), &[], &image);
    strangers.container(&format!("qs-{service}.{environment}2-{short}-0-1"), &[], &image);
    strangers.container(service, &[], &image);
    // Labels of other services and environments, and some of ours without the mark.
    let managed = "--label=dev.quickserve.managed=true";
    let named = format!("--label=dev.quickserve.service={service}");
    let longer = format!("--label=dev.quickserve.service={service}2");
    let here = format!("--label=dev.quickserve.environment={environment}");
    let elsewhere = format!("--label=dev.quickserve.environment={environment}2");
    strangers.container(&format!("{service}-longer"), &[managed, &longer, &here], &image);
    strangers.container(&format!("{service}-elsewhere"), &[managed, &named, &elsewhere], &image);
    strangers.container(&format!("{service}-unmanaged"), &[&named, &here], &image);
    strangers.volume(&format!("{service}-data"), &[]);
    strangers.volume(&format!("{service}-longer"), &[managed, &longer, &here]);
    strangers.network(&format!("quickserve-{environment}2"));
    strangers.tag(&image, &format!("quickserve/{service}.{environment}2:{short}"));
    strangers.tag(&image, &format!("quickserve/{service}2.{environment}:{short}"));

    let deployed = shop.run(&["deploy", "--image", &image]);
    assert_eq!(deployed.code, 0, "{deployed}");
    assert_eq!(shop.identity()["release"], *release);
    let down = shop.run(&["down", "--volumes"]);
    assert_eq!(down.code, 0, "{down}");
    assert_eq!(strangers.missing(), Vec::<&String>::new(), "{down}");
    let mark = ["--filter", "label=dev.quickserve.managed=true"];
    let filters = [&mark[..], &["--filter", &named[2..], "--filter", &here[2..]]].concat();
    let left = docker(&[&["ps", "--all", "--quiet"], &filters[..]].concat());
    assert_eq!(left, "", "{down}");
}
