//! Several services in one repository: each answers for its own code.

use super::{NONE, Project};

const FROM: &str = "FROM node:24\nCMD [\"node\", \"server.js\"]\n";

#[test]
fn what_another_service_reads_is_its_own() {
    let found = |files: &[(&str, &str)]| {
        let own = [("Dockerfile", FROM), (".env.example", "PORT=\n"), ("server.js", "f(process.env.OF_API)")];
        Project::new(&[&own[..], files].concat()).coded("QS119")
    };
    let own = "Warning server.js:1:15 the code reads OF_API, which nothing declares";
    let web = ("web/index.js", "f(process.env.OF_WEB)");
    assert_eq!(found(&[]), [own]);
    assert_eq!(found(&[web, ("web/Dockerfile", FROM)]), [own]);
    assert_eq!(found(&[web, ("web/.env.example", "OF_WEB=\n")]), [own]);
    assert_eq!(found(&[web]).len(), 2, "nothing says that it is another");
    assert_eq!(found(&[("lib/Dockerfile.dev", FROM), ("lib/a.js", "f(process.env.OF_LIB)")]).len(), 2);
}

#[test]
fn the_code_beside_the_own_dockerfile_is_its_own() {
    let project = Project::new(&[
        ("quickserve.toml", ""),
        ("services/api/Dockerfile", FROM),
        ("services/api/.env.example", "PORT=\n"),
        ("services/api/server.js", "f(process.env.OF_API)"),
        ("services/web/Dockerfile", FROM),
        ("services/web/server.js", "f(process.env.OF_WEB)"),
        ("shared/a.js", "f(process.env.OF_ALL)"),
    ]);
    let subject = crate::Subject {
        dockerfile: Some("services/api/Dockerfile".into()),
        contract: Some("services/api/.env.example".into()),
        ..crate::Subject::in_folder(project.root())
    };
    let findings = crate::check(&subject).findings.into_iter();
    let messages =
        findings.filter(|finding| finding.code.to_string() == "QS119").map(|finding| finding.message);
    let messages: Vec<String> = messages.collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(!messages.iter().any(|message| message.contains("OF_WEB")), "{messages:?}");
    assert_eq!(project.coded("QS801"), NONE);
}
