//! QS513: a base that gets no security updates any more.
//!
//! Dates are those of the projects: `nodejs/Release`, `devguide.python.org/versions`, ruby-lang.org/en/downloads/branches,
//! php.net/supported-versions, go.dev/doc/devel/release, Microsoft's .NET lifecycle, wiki.debian.org/LTS,
//! ubuntu.com/about/release-cycle, alpinelinux.org/releases, Red Hat's and `CentOS`'s announcements, AWS's FAQ of Amazon
//! Linux. For Debian the date is that of LTS. A release that is not listed is not judged.
//!
//! All were compared on 2026-11-29 with endoflife.date (its repository at a70eca3 of 2026-08-22) and, for Debian and
//! Ubuntu, with Debian's package distro-info-data. Where these two differ by days, that of Debian's package is kept.

use jiff::civil::{Date, date};
use quickserve_core::finding::{Code, Finding, Severity};

use super::Judge;
use super::base::images;
use crate::dockerfile::image::Image;

/// The last day of updates of a release. Of Go each ends when the second after it appears.
const ENDS: [(&str, &str, Date); 86] = [
    ("node", "10", date(2021, 4, 30)),
    ("node", "12", date(2022, 4, 30)),
    ("node", "14", date(2023, 4, 30)),
    ("node", "16", date(2023, 9, 11)),
    ("node", "17", date(2022, 6, 1)),
    ("node", "18", date(2025, 4, 30)),
    ("node", "19", date(2023, 6, 1)),
    ("node", "20", date(2026, 4, 30)),
    ("node", "21", date(2024, 6, 1)),
    ("node", "22", date(2027, 4, 30)),
    ("node", "23", date(2025, 6, 1)),
    ("node", "24", date(2028, 4, 30)),
    ("node", "25", date(2026, 6, 1)),
    ("node", "26", date(2029, 4, 30)),
    ("python", "2", date(2020, 1, 1)),
    ("python", "3.6", date(2021, 12, 23)),
    ("python", "3.7", date(2023, 6, 27)),
    ("python", "3.8", date(2024, 10, 7)),
    ("python", "3.9", date(2025, 10, 31)),
    ("python", "3.10", date(2026, 10, 31)),
    ("python", "3.11", date(2027, 10, 31)),
    ("python", "3.12", date(2028, 10, 31)),
    ("python", "3.13", date(2029, 10, 31)),
    ("ruby", "2", date(2023, 3, 31)),
    ("ruby", "3.0", date(2024, 4, 23)),
    ("ruby", "3.1", date(2025, 3, 26)),
    ("ruby", "3.2", date(2026, 3, 31)),
    ("ruby", "3.3", date(2027, 3, 31)),
    ("ruby", "3.4", date(2028, 3, 31)),
    ("php", "5", date(2018, 12, 31)),
    ("php", "7", date(2022, 11, 28)),
    ("php", "8.0", date(2023, 11, 26)),
    ("php", "8.1", date(2025, 12, 31)),
    ("php", "8.2", date(2026, 12, 31)),
    ("php", "8.3", date(2027, 12, 31)),
    ("php", "8.4", date(2028, 12, 31)),
    ("golang", "1.18", date(2023, 2, 1)),
    ("golang", "1.19", date(2023, 9, 6)),
    ("golang", "1.20", date(2024, 2, 6)),
    ("golang", "1.21", date(2024, 8, 13)),
    ("golang", "1.22", date(2025, 2, 11)),
    ("golang", "1.23", date(2025, 8, 12)),
    ("golang", "1.24", date(2026, 2, 10)),
    ("golang", "1.25", date(2026, 8, 19)),
    ("dotnet", "3.1", date(2022, 12, 13)),
    ("dotnet", "5", date(2022, 5, 10)),
    ("dotnet", "6", date(2024, 11, 12)),
    ("dotnet", "7", date(2024, 5, 14)),
    ("dotnet", "8", date(2026, 11, 10)),
    ("dotnet", "9", date(2026, 11, 10)),
    ("dotnet", "10", date(2028, 11, 14)),
    ("debian", "jessie", date(2020, 6, 30)),
    ("debian", "stretch", date(2022, 6, 30)),
    ("debian", "buster", date(2024, 6, 30)),
    ("debian", "bullseye", date(2026, 8, 31)),
    ("debian", "bookworm", date(2028, 6, 30)),
    ("debian", "trixie", date(2030, 6, 30)),
    ("ubuntu", "16.04", date(2021, 4, 30)),
    ("ubuntu", "18.04", date(2023, 5, 31)),
    ("ubuntu", "20.04", date(2025, 5, 29)),
    ("ubuntu", "22.04", date(2027, 6, 1)),
    ("ubuntu", "23.10", date(2024, 7, 11)),
    ("ubuntu", "24.10", date(2025, 7, 10)),
    ("ubuntu", "25.04", date(2026, 1, 15)),
    ("ubuntu", "25.10", date(2026, 7, 9)),
    ("alpine", "3.12", date(2022, 5, 1)),
    ("alpine", "3.13", date(2022, 11, 1)),
    ("alpine", "3.14", date(2023, 5, 1)),
    ("alpine", "3.15", date(2023, 11, 1)),
    ("alpine", "3.16", date(2024, 5, 23)),
    ("alpine", "3.17", date(2024, 11, 22)),
    ("alpine", "3.18", date(2025, 5, 9)),
    ("alpine", "3.19", date(2025, 11, 1)),
    ("alpine", "3.20", date(2026, 4, 1)),
    ("alpine", "3.21", date(2026, 11, 1)),
    ("alpine", "3.22", date(2027, 5, 1)),
    ("alpine", "3.23", date(2027, 11, 1)),
    ("centos", "6", date(2020, 11, 30)),
    ("centos", "7", date(2024, 6, 30)),
    ("centos", "8", date(2021, 12, 31)),
    ("amazonlinux", "1", date(2023, 12, 31)),
    ("amazonlinux", "2", date(2026, 6, 30)),
    ("fedora", "39", date(2024, 11, 26)),
    ("fedora", "40", date(2025, 5, 13)),
    ("fedora", "41", date(2025, 12, 15)),
    ("fedora", "42", date(2026, 5, 27)),
];

/// Other names of a release.
const NAMES: [(&str, &str, &str); 16] = [
    ("debian", "8", "jessie"),
    ("debian", "9", "stretch"),
    ("debian", "10", "buster"),
    ("debian", "11", "bullseye"),
    ("debian", "12", "bookworm"),
    ("debian", "13", "trixie"),
    ("ubuntu", "xenial", "16.04"),
    ("ubuntu", "bionic", "18.04"),
    ("ubuntu", "focal", "20.04"),
    ("ubuntu", "jammy", "22.04"),
    ("node", "fermium", "14"),
    ("node", "gallium", "16"),
    ("node", "hydrogen", "18"),
    ("node", "iron", "20"),
    ("node", "jod", "22"),
    ("node", "krypton", "24"),
];

/// What a person calls it.
fn product_name(product: &str) -> &str {
    match product {
        "node" => "Node.js",
        "python" => "Python",
        "ruby" => "Ruby",
        "php" => "PHP",
        "golang" => "Go",
        "dotnet" => ".NET",
        "debian" => "Debian",
        "ubuntu" => "Ubuntu",
        "alpine" => "Alpine",
        "centos" => "CentOS",
        "amazonlinux" => "Amazon Linux",
        other => other,
    }
}

pub(super) fn ended(judge: &Judge<'_>) -> Vec<Finding> {
    let today = judge.circumstances.today;
    let mut findings = Vec::new();
    for (name, span, is_final) in images(judge.dockerfile) {
        for (product, release, end) in releases(name) {
            if end >= today {
                continue;
            }
            let product = product_name(product);
            let message = format!("{product} {release} gets no security updates since {end}");
            let mut finding = judge.file().warning(Code::END_OF_LIFE, span, message);
            if !is_final {
                finding.severity = Severity::Info;
            }
            findings.push(finding.with_hint(format!("move to a release of {product} that is supported")));
        }
    }
    findings
}

/// What an image consists of, as far as its name says it and the table knows it.
fn releases(name: &str) -> Vec<(&'static str, &'static str, Date)> {
    let image = Image::new(name);
    let (Some(tag), short) = (image.tag, image.short()) else { return Vec::new() };
    let product = match short {
        _ if short.starts_with("mcr.microsoft.com/dotnet/") => "dotnet",
        "public.ecr.aws/amazonlinux/amazonlinux" => "amazonlinux",
        "public.ecr.aws/ubuntu/ubuntu" => "ubuntu",
        "circleci/node" | "cimg/node" => "node",
        "circleci/python" | "cimg/python" => "python",
        short if !short.contains('/') => short,
        _ => "",
    };
    let mut parts = tag.split(['-', '_']);
    let version = parts.next().unwrap_or_default();
    let mut found: Vec<_> = release(product, version).into_iter().collect();
    for part in std::iter::once(version).chain(parts) {
        let distribution = match part.strip_prefix("alpine") {
            Some(version) => release("alpine", version),
            None if product == "debian" || product == "ubuntu" => None,
            None => release("debian", part)
                .filter(|_| part.starts_with(char::is_alphabetic))
                .or_else(|| release("ubuntu", part).filter(|_| part.starts_with(char::is_alphabetic))),
        };
        found.extend(distribution);
    }
    found
}

fn release(product: &str, version: &str) -> Option<(&'static str, &'static str, Date)> {
    let alias = NAMES.iter().find(|(of, name, _)| *of == product && is_of(version, name));
    let version = alias.map_or(version, |(.., release)| release);
    ENDS.iter().find(|(of, release, _)| *of == product && is_of(version, release)).copied()
}

/// Whether `3.8.1` is of `3.8`.
fn is_of(version: &str, release: &str) -> bool {
    version.strip_prefix(release).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str) -> String {
        releases(name)
            .iter()
            .map(|(product, release, _)| format!("{product} {release}"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    #[test]
    fn releases_are_found_in_tags() {
        for (name, expected) in [
            ("node:18-alpine", "node 18"),
            ("node:18.20.4-alpine3.19", "node 18, alpine 3.19"),
            ("docker.io/library/node:hydrogen-slim", "node 18"),
            ("python:3.12-slim-bullseye", "python 3.12, debian bullseye"),
            ("python:3.1", ""),
            ("debian:buster-20230411-slim", "debian buster"),
            ("debian:10.13", "debian buster"),
            ("ubuntu:focal", "ubuntu 20.04"),
            ("mcr.microsoft.com/dotnet/aspnet:6.0-alpine3.18", "dotnet 6, alpine 3.18"),
            ("golang:1.21.3-buster", "golang 1.21, debian buster"),
            ("eclipse-temurin:17-jre-focal", "ubuntu 20.04"),
            ("ghcr.io/acme/node:18", ""),
            ("node:180", ""),
            ("node", ""),
        ] {
            assert_eq!(found(name), expected, "{name}");
        }
    }
}
