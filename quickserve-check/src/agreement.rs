//! What two files say of one thing, and disagree about: most of what ends a deployment is of this kind.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quickserve_core::config::Platform;
use quickserve_core::finding::{Finding, Severity};
use quickserve_core::preflight::Report;

use crate::code::{Language, Need};
use crate::contract::{Contract, Reading, Values, elsewhere, undeclared, unread, unvalidated};
use crate::definition::{
    Container, Definition, Listener, PortClaim, Weight, claims, disagree, hidden_version, liveness,
    missing_program, no_task_role, probe,
};
use crate::dockerfile::Dockerfile;
use crate::workflow::scripts::normal;
use crate::{Facts, Subject, Text, inside};

/// How many files are read at most to find the route that a health check asks.
const ROUTES: usize = 200;

/// Parts of the names of files in which routes are written.
const ROUTE_NAMES: [&str; 12] = [
    "app",
    "server",
    "main",
    "index",
    "route",
    "health",
    "api",
    "status",
    "web",
    "urls",
    "views",
    "controller",
];

/// The languages whose routes are understood.
const ROUTE_KINDS: [&str; 8] = ["js", "mjs", "cjs", "ts", "py", "go", "tsx", "jsx"];

/// Settings of Spring that are read whatever its profiles.
const SPRING: [&str; 3] = ["application.yml", "application.yaml", "application.properties"];

/// Prefixes of variables that only code which calls AWS reads.
const AWS: [&str; 8] = ["S3_", "SQS_", "SNS_", "DYNAMODB_", "DYNAMO_", "KINESIS_", "SES_", "AWS_S3_"];

/// Files that name what the code depends on.
const MANIFESTS: [&str; 12] = [
    "package.json",
    "requirements.txt",
    "pyproject.toml",
    "Pipfile",
    "go.mod",
    "Cargo.toml",
    "Gemfile",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "composer.json",
    "mix.exs",
];

/// How AWS's libraries are called in them.
const SDKS: [&str; 9] = [
    "\"aws-sdk",
    "@aws-sdk/",
    "boto3",
    "aws-sdk-go",
    "aws-sdk-s3",
    "'aws-sdk",
    "software.amazon.awssdk",
    "aws/aws-sdk-php",
    "ex_aws",
];

pub(crate) fn check(subject: &Subject, facts: &Facts) -> Report {
    let mut report = Report::default();
    let paths = health_paths(subject, facts);
    if !paths.is_empty() {
        report = report.and(Report::of(routes(subject, facts, &paths)));
    }
    report = report.and(coverage(subject, facts));
    let Some(definition) = &facts.definition else { return report };
    let Some(main) = definition.main(subject) else { return report };
    let dockerfile = facts.build.dockerfile.as_ref();
    report = report.and(Report::of(ports(subject, facts, definition, main)));
    if let Some(dockerfile) = dockerfile {
        let found = missing_program(definition, main, dockerfile.base(), &installs(dockerfile));
        report = report.and(Report::of(found.into_iter().collect()));
    }
    if subject.is_for_ecs() {
        let mut reads = facts.code.names();
        let of_image = dockerfile.map(Dockerfile::environment).unwrap_or_default();
        reads.retain(|read| !of_image.iter().any(|(name, ..)| name == read));
        report = report.and(Report::of(hidden_version(definition, subject, &reads).into_iter().collect()));
        report =
            report.and(Report::of(no_task_role(definition, uses_aws(subject, facts)).into_iter().collect()));
    }
    report
}

/// What the code reads beside what is declared: by the contract, the task definition, the image, and files of values.
fn coverage(subject: &Subject, facts: &Facts) -> Report {
    let readings = Reading::all(&facts.code);
    let mut report = Report::default();
    if let Some(contract) = &facts.contracts.contract {
        report = report.and(Report::of(unread(contract, &readings)));
        report = report.and(Report::of(unvalidated(contract, &readings).into_iter().collect()));
    }
    let Some(elsewhere) = elsewhere(subject, facts) else { return report };
    if facts.contracts.contract.is_none() && facts.definition.is_none() {
        return report;
    }
    let contract = facts.contracts.contract.iter().flat_map(Contract::names);
    let values = facts.contracts.values.iter().flat_map(Values::names);
    let own = subject.variables.keys().chain(&elsewhere).chain(&subject.version_variable).map(String::as_str);
    let declared: BTreeSet<&str> = contract.chain(values).chain(own).collect();
    let platform = if subject.is_for_ecs() { Some(Platform::Ecs) } else { subject.platform };
    let mut findings = undeclared(&readings, &declared, platform);
    if facts.definition.is_some() || facts.contracts.values.iter().any(|values| values.deployed) {
        for finding in &mut findings {
            needed_by_spring(subject, facts, finding);
        }
    }
    report.and(Report::of(findings))
}

/// Spring ends the program before it serves anything where a placeholder has neither value nor default.
///
/// Spring Framework documentation, "Using @Value". Settings of a profile are read only where it is active; those that are
/// imported, as from a secret store, and keys of the same name may give the value.
fn needed_by_spring(subject: &Subject, facts: &Facts, finding: &mut Finding) {
    let Some(place) = finding.place() else { return };
    let usage = facts.code.usages.iter().find(|usage| usage.place == *place);
    let Some(usage) = usage.filter(|usage| usage.need == Need::Validated) else { return };
    let file = place.file.rsplit('/').next().unwrap_or_default();
    let is_always_read = match usage.language {
        Language::Spring => SPRING.contains(&file) && place.file.contains("src/main/resources/"),
        Language::Java => place.file.contains("src/main/") && usage.is_annotation(),
        _ => false,
    };
    let may_give = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_of_spring = Language::of(path) == Some(Language::Spring);
        let text = is_of_spring.then(|| inside::read(subject, path)).and_then(Result::ok);
        name.starts_with("bootstrap.") || text.is_some_and(|text| gives(&text.text, &usage.name))
    };
    if is_always_read && !facts.code.files.iter().any(may_give) {
        finding.severity = Severity::Error;
        finding.message = format!("{} has neither value nor default: Spring does not start", usage.name);
        finding.hint =
            Some(format!("set {name} for the task, or write ${{{name}:default}}", name = usage.name));
    }
}

/// Whether settings of Spring have a key of that name, or get keys from elsewhere.
fn gives(text: &str, name: &str) -> bool {
    let has_key = |line: &str| {
        let rest = line.trim_start().strip_prefix(name);
        rest.is_some_and(|rest| rest.trim_start().starts_with(['=', ':']))
    };
    text.contains("import") || text.contains("cloud") || text.lines().any(has_key)
}

/// What the final image may have got beside its base.
fn installs(dockerfile: &Dockerfile) -> String {
    let chain = dockerfile.chain();
    let runs = chain.iter().flat_map(|stage| &stage.instructions);
    let text =
        |instruction: &crate::dockerfile::Instruction| dockerfile.file.text.get(instruction.span.clone());
    runs.filter_map(text).collect::<Vec<_>>().join("\n")
}

/// The port of the main container, as the task definition, the Dockerfile and a health script have it. What the
/// definition says against itself is its own finding.
fn ports(subject: &Subject, facts: &Facts, definition: &Definition, main: Container<'_>) -> Vec<Finding> {
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
    let mut findings = disagree(&all, &Listener::of(subject, facts, definition));
    findings.retain(|finding| finding.place().is_some_and(|place| place.file != definition.file.file));
    findings
}

/// The script that a health check runs, where it is a file of the project.
fn script(subject: &Subject, main: Container<'_>, dockerfile: Option<&Dockerfile>) -> Option<Text> {
    let of_definition = main.health_command().map(|(words, _)| words.join(" "));
    let of_image = || {
        let check = dockerfile?.health_check()?;
        Some(check.simple().iter().flatten().map(|word| word.text.clone()).collect::<Vec<_>>().join(" "))
    };
    let command = of_definition.or_else(of_image)?;
    let words = command.split(|char: char| char.is_whitespace() || "\"';|&".contains(char));
    let scripts = words.filter(|word| {
        let extension = Path::new(word).extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| ["js", "mjs", "cjs", "py", "rb", "sh"].contains(&extension))
    });
    // Such a path is one of the image: only what is copied from the project into its folder is known.
    let mut found = scripts.filter_map(|word| normal(Path::new(word.trim_start_matches("/app/"))));
    found.find_map(|path| inside::read(subject, &path).ok())
}

/// The paths that health checks ask the service for.
fn health_paths(subject: &Subject, facts: &Facts) -> BTreeSet<String> {
    let main = facts.definition.as_ref().and_then(|definition| definition.main(subject));
    let of_definition = main.and_then(|main| main.health_url()).map(|url| url.path);
    let dockerfile = facts.build.dockerfile.as_ref();
    let of_script =
        main.and_then(|main| script(subject, main, dockerfile)).and_then(|script| probe(&script).path);
    of_definition.into_iter().chain(of_script.map(|(path, _)| path)).filter(|path| path != "/").collect()
}

/// Routes that fail when something behind the service does.
fn routes(subject: &Subject, facts: &Facts, paths: &BTreeSet<String>) -> Vec<Finding> {
    let is_candidate = |path: &&PathBuf| {
        let kind = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_lowercase();
        ROUTE_KINDS.contains(&kind) && ROUTE_NAMES.iter().any(|part| name.contains(part))
    };
    let candidates = facts.code.files.iter().filter(is_candidate).take(ROUTES);
    let texts = candidates.filter_map(|path| inside::read(subject, path).ok());
    texts.flat_map(|text| paths.iter().filter_map(|path| liveness(path, &text)).collect::<Vec<_>>()).collect()
}

/// Whether the code calls AWS, as the variables that it reads, or its dependencies, say. What a contract declares says
/// nothing: it may be left over.
fn uses_aws(subject: &Subject, facts: &Facts) -> bool {
    let reads = facts.code.names().into_iter().any(|name| AWS.iter().any(|prefix| name.starts_with(prefix)));
    let depends = |file: &&str| {
        let text = facts.code.files.contains(Path::new(file)).then(|| inside::read(subject, Path::new(file)));
        let text = text.and_then(Result::ok);
        text.is_some_and(|text| SDKS.iter().any(|sdk| text.text.contains(sdk)))
    };
    reads || MANIFESTS.iter().any(depends)
}
