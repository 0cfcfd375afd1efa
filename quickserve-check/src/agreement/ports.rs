//! QS203: the port of the main container, in all files that name it.

use quickserve_core::finding::Finding;

use super::listening;
use super::probes::script;
use crate::definition::{Container, Definition, Listener, PortClaim, Weight, claims, disagree, probe};
use crate::{Facts, Subject};

/// The port of the main container, as the task definition, the Dockerfile and a health script have it. What the
/// definition says against itself is its own finding.
pub(super) fn check(
    subject: &Subject,
    facts: &Facts,
    definition: &Definition,
    main: Container<'_>,
) -> Vec<Finding> {
    let dockerfile = facts.build.dockerfile.as_ref();
    let mut all = claims(definition, main);
    let sets_port = main.environment().iter().any(|(name, ..)| *name == "PORT");
    if let Some(dockerfile) = dockerfile {
        let agrees = |port: u16| all.iter().any(|claim| claim.port == port);
        let exposed = dockerfile.exposed();
        // Of several ports one is enough.
        if !exposed.iter().any(|(port, _)| agrees(*port)) {
            let claim =
                exposed.first().map(|(port, span)| PortClaim::new(&dockerfile.file, span, *port, "EXPOSE"));
            all.extend(claim);
        }
        let variables =
            dockerfile.environment().into_iter().filter(|(name, ..)| name == "PORT" && !sets_port);
        let port = variables.filter_map(|(_, value, span)| Some((value.parse().ok()?, span)));
        all.extend(port.map(|(port, span)| {
            PortClaim::new(&dockerfile.file, &span, port, "PORT of the image").with(Weight::Convention)
        }));
    }
    let script = script(subject, main, dockerfile);
    let asked = script.as_ref().and_then(|script| Some((script, probe(script).port?)));
    all.extend(asked.map(|(script, (port, span))| {
        PortClaim::new(script, &span, port, format!("the port that {} asks", script.file))
    }));
    if !all.is_empty() {
        all.extend(listening::claim(subject, facts, definition, main));
    }
    let listener = Listener::of(subject, facts, definition);
    let mut findings = disagree(&all, &listener);
    if !disagree(&claims(definition, main), &listener).is_empty() {
        findings.retain(|finding| finding.place().is_some_and(|place| place.file != definition.file.file));
    }
    findings
}
