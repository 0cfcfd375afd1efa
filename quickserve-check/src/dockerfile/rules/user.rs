//! QS501: the process runs as root.

use quickserve_core::finding::{Code, Finding};

use super::Judge;
use crate::dockerfile::image::Image;
use crate::dockerfile::stages::Base;

const HINT: &str = "make a user, and name it with USER before CMD";

pub(super) fn root(judge: &Judge<'_>) -> Vec<Finding> {
    let (file, dockerfile) = (judge.file(), judge.dockerfile);
    let finding = if let Some(word) = dockerfile.last_user() {
        let is_root = dockerfile.known_user().is_some_and(|user| is_root(&user));
        is_root.then(|| file.warning(Code::ROOT_USER, &word.span, "the image runs as root"))
    } else {
        let Some((last, root)) = dockerfile.last().zip(dockerfile.root()) else { return Vec::new() };
        let place = &last.image.span;
        match &root.base {
            Base::Image(name) if runs_as_another(name) => None,
            Base::Image(name) if !is_root_by_default(name) => {
                let message = format!("no USER, and which user {} sets is not known here", shown(name));
                Some(file.info(Code::ROOT_USER, place, message))
            }
            Base::Unknown => {
                let message = "no USER, and the base is known to the build alone";
                Some(file.info(Code::ROOT_USER, place, message))
            }
            Base::Image(_) | Base::Scratch | Base::Stage(_) => {
                Some(file.warning(Code::ROOT_USER, place, "no USER: the image runs as root"))
            }
        }
    };
    let hint = match dockerfile.root().map(|root| &root.base) {
        Some(Base::Image(name)) if Image::new(name).short() == "node" => "node has a user for it: USER node",
        Some(Base::Scratch) => "name a user by its number: USER 65532",
        Some(Base::Image(name)) if name.contains("distroless") => "use the tag nonroot",
        _ => HINT,
    };
    finding.filter(|_| !gives_root_up(judge)).map(|finding| finding.with_hint(hint)).into_iter().collect()
}

fn shown(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}

fn is_root(user: &str) -> bool {
    matches!(user.split(':').next(), Some("root" | "0" | ""))
}

/// Whether the start itself changes to another user, as entry points of databases do.
fn gives_root_up(judge: &Judge<'_>) -> bool {
    const PROGRAMS: [&str; 6] = ["gosu", "su-exec", "setpriv", "runuser", "chpst", "s6-setuidgid"];
    let names = |word: &str| PROGRAMS.contains(&word.rsplit('/').next().unwrap_or_default());
    let dockerfile = judge.dockerfile;
    let commands = [dockerfile.entrypoint(), dockerfile.cmd()];
    let by_command = commands.into_iter().flatten().flat_map(super::super::instruction::Command::simple);
    by_command.flatten().any(|word| names(&word.text))
        || judge.script.is_some_and(|script| script.text.split_whitespace().any(names))
}

/// Images that are known to run as another user.
fn runs_as_another(name: &str) -> bool {
    let image = Image::new(name);
    let tag = image.tag.unwrap_or_default();
    let named = ["nonroot", "rootless", "unprivileged", "chiseled"].iter().any(|word| name.contains(word));
    let vendors = [
        "cgr.dev/chainguard/",
        "bitnami/",
        "bitnamilegacy/",
        "prom/",
        "grafana/",
        "jenkins/jenkins",
        "cimg/",
        "quay.io/keycloak/",
        "registry.access.redhat.com/ubi8/nodejs",
        "registry.access.redhat.com/ubi9/nodejs",
        "registry.access.redhat.com/ubi9/python",
        "docker.elastic.co/",
        "opensearchproject/",
        "apache/airflow",
        "apache/kafka",
        "flink",
        "gcr.io/buildpacks/",
        "dhi.io/",
    ];
    let official = ["elasticsearch", "kibana", "logstash", "solr", "haproxy", "sonarqube", "neo4j"];
    let is_by_vendor = vendors.iter().any(|vendor| image.short().starts_with(vendor));
    named || is_by_vendor || official.contains(&image.short()) || tag.ends_with("-jre-unprivileged")
}

/// Images that are known to run as root.
fn is_root_by_default(name: &str) -> bool {
    let image = Image::new(name);
    let vendors = [
        "mcr.microsoft.com/dotnet/",
        "gcr.io/distroless/",
        "public.ecr.aws/amazonlinux/",
        "public.ecr.aws/lambda/",
        "oven/bun",
        "denoland/deno",
        "nvidia/cuda",
        "python/",
        "ghcr.io/astral-sh/uv",
        "registry.access.redhat.com/ubi",
        "tiangolo/",
    ];
    image.is_official() || vendors.iter().any(|vendor| image.short().starts_with(vendor))
}
