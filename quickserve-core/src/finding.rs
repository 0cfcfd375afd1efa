//! Findings: what a check, a reader of a file or a gate has to say, with its place and what to do about it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};

/// The stable code of a kind of finding, such as `QS101`.
///
/// The first digit is the family: 1 configuration and secrets, 2 ports, 3 versions and images, 4 task definition
/// and health, 5 Dockerfile and build context, 6 platform and permissions, 7 chain of trust, 8 CI workflow and
/// deploy scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(u16);

/// Declares the codes, and the list of them all that pages and tests are checked against.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// Every code that there is, in order.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

codes! {
    /// A variable that the contract requires is missing.
    MISSING_VARIABLE = 101;
    /// The file that holds the values of secret variables cannot be read.
    ENV_FILE = 102;
    /// A variable that is empty, or still has the value of the template.
    PLACEHOLDER_VALUE = 103;
    /// A variable whose value is not of the type that the contract asks for.
    VARIABLE_TYPE = 104;
    /// A secret that a workload names has no value.
    SECRET_NOT_FOUND = 105;
    /// A secret in plain sight: in `environment` or in a Dockerfile.
    PLAIN_SECRET = 106;
    /// A secret in a file that is committed to git.
    COMMITTED_SECRET = 107;
    /// A variable that is set twice.
    VARIABLE_TWICE = 108;
    /// A variable whose name is nearly that of another that is meant.
    MISSPELT_VARIABLE = 109;
    /// quickserve.toml is not TOML.
    CONFIG_SYNTAX = 110;
    /// A key of quickserve.toml that nobody knows.
    CONFIG_UNKNOWN_KEY = 111;
    /// A value of quickserve.toml that is of another type.
    CONFIG_TYPE = 112;
    /// A value of quickserve.toml that cannot be meant.
    CONFIG_VALUE = 113;
    /// A key of quickserve.toml that is missing, or that contradicts another.
    CONFIG_INCOMPLETE = 114;
    /// quickserve.toml asks for another version of QuickServe.
    REQUIRED_VERSION = 115;
    /// A variable that one environment has and another has not.
    VARIABLES_DIFFER = 116;
    /// A file that quickserve.toml names cannot be read.
    CONFIGURED_FILE = 117;
    /// A reference to a secret that cannot work: malformed, in another region or account.
    SECRET_REFERENCE = 118;
    /// A variable that the code reads and nothing declares.
    UNDECLARED_VARIABLE = 119;
    /// A `${NAME}` in a task definition has no value.
    UNRESOLVED_PLACEHOLDER = 120;
    /// A variable that is declared and that no code reads.
    UNREAD_VARIABLE = 121;
    /// A service that starts without looking whether its variables are there.
    UNVALIDATED_START = 122;
    /// A line of the contract that cannot be read.
    CONTRACT_SYNTAX = 123;
    /// A setting of one environment that is fixed in the image.
    BAKED_VARIABLE = 124;
    /// A file of values that is committed to git.
    COMMITTED_ENV_FILE = 125;
    /// Somebody else listens on the public port.
    PORT_HELD = 201;
    /// The public port cannot be opened.
    PORT_FORBIDDEN = 202;
    /// Places that name the port of a container and disagree.
    PORT_MISMATCH = 203;
    /// A fixed port of the host, which a second task cannot take.
    STATIC_HOST_PORT = 204;
    /// Two containers of a task that listen on one port.
    PORT_TWICE = 205;
    /// An image does not exist.
    IMAGE_NOT_FOUND = 301;
    /// An image named by a tag that can move, or by none.
    MUTABLE_TAG = 302;
    /// An image for another architecture than the platform has.
    IMAGE_ARCHITECTURE = 304;
    /// An image that is not the one that was tested or scanned.
    NOT_THE_SCANNED = 305;
    /// More than one version serves.
    MIXED_VERSIONS = 306;
    /// A checkout with changes that no commit has.
    DIRTY_TREE = 307;
    /// A commit that no remote has.
    UNPUSHED_COMMIT = 308;
    /// No way to tell which version runs.
    VERSION_HIDDEN = 309;
    /// A release that was rolled back is deployed again unasked.
    CONDEMNED_RELEASE = 310;
    /// A task definition is not JSON.
    DEFINITION_SYNTAX = 401;
    /// A value of a task definition is of another type, or cannot be meant.
    DEFINITION_VALUE = 402;
    /// A field of a task definition is missing, twice there, or contradicts another.
    DEFINITION_INCOMPLETE = 403;
    /// A field of a task definition that ECS does not know.
    DEFINITION_UNKNOWN_FIELD = 405;
    /// Containers of a task that wait for each other in a way that never ends.
    DEFINITION_DEPENDENCY = 406;
    /// Which container and port take requests cannot be told.
    DEFINITION_ENDPOINT = 407;
    /// A field of a task definition that reaches ECS and has no effect on the local platform.
    DEFINITION_ECS_ONLY = 408;
    /// A container that takes requests and has no health check.
    NO_HEALTH_CHECK = 409;
    /// A health check that fails when something behind the service fails.
    LIVENESS_DEPENDS = 410;
    /// A health check that gives up before the service can be ready.
    GRACE_TOO_SHORT = 411;
    /// A health check that runs a program which the image does not have.
    HEALTH_CHECK_PROGRAM = 412;
    /// A health check that ECS refuses, or that cannot work.
    HEALTH_CHECK_VALUE = 413;
    /// A time to stop that is too short, or too long, for what the service has to finish.
    STOP_TIMEOUT = 414;
    /// CPU and memory that Fargate does not offer together.
    FARGATE_SIZE = 415;
    /// A container without a limit of memory.
    NO_LIMITS = 416;
    /// Secrets, logs or a private image without the role that may read them.
    NO_EXECUTION_ROLE = 417;
    /// An ARN that is none.
    MALFORMED_ARN = 418;
    /// Bounds within which no deployment can make progress.
    NO_PROGRESS = 419;
    /// A deployment on ECS that nobody takes back when it fails.
    NO_CIRCUIT_BREAKER = 420;
    /// Not enough memory or disk on this host.
    HOST_RESOURCES = 421;
    /// A task definition that ECS rejects.
    DEFINITION_REJECTED = 422;
    /// Code that uses AWS, in a task without a role.
    NO_TASK_ROLE = 423;
    /// A container that ends again and again.
    RESTART_LOOP = 424;
    /// An image that could not be looked into.
    IMAGE_UNSEEN = 425;
    /// No request to a service that runs is answered as it should be.
    UNSERVED = 426;
    /// A task of the release that serves is not well.
    UNWELL_TASK = 427;
    /// An image whose process runs as root.
    ROOT_USER = 501;
    /// An image without a health check.
    NO_IMAGE_HEALTH_CHECK = 502;
    /// A base image that can change between two builds.
    UNPINNED_BASE = 503;
    /// Source that is copied before dependencies are installed.
    COPY_ORDER = 504;
    /// Tools for building in the final image.
    BUILD_TOOLS = 505;
    /// Secrets, or too much, in the build context.
    CONTEXT_SECRET = 506;
    /// A command whose process never sees SIGTERM.
    SIGNALS_SWALLOWED = 507;
    /// An instruction or flag that is deprecated.
    DEPRECATED = 509;
    /// A Dockerfile that cannot be read.
    DOCKERFILE_SYNTAX = 510;
    /// A file that is copied, or run, and is not there.
    MISSING_SOURCE = 511;
    /// What hadolint says of the Dockerfile.
    HADOLINT = 512;
    /// A base that gets no security updates any more.
    END_OF_LIFE = 513;
    /// A folder of several services that is judged as one.
    SEVERAL_SERVICES = 514;
    /// quickserve.toml asks for something that this version cannot do.
    NOT_BUILT = 601;
    /// The platform does not answer.
    PLATFORM_UNREACHABLE = 602;
    /// The clocks of platform and machine differ.
    CLOCK_SKEW = 603;
    /// Credentials for AWS that are missing or expired, or of another account than what is to be deployed.
    AWS_IDENTITY = 604;
    /// What a deployment does on AWS, and the identity that deploys may not do.
    MISSING_PERMISSION = 605;
    /// What ECS does for a task as its execution role, and that role may not do.
    EXECUTION_PERMISSION = 606;
    /// A fact of the platform that could not be looked at.
    NOT_CHECKED = 607;
    /// A cluster that is not there, or not active.
    CLUSTER = 608;
    /// A service that is not there, and nothing says how to make it.
    SERVICE_NOT_FOUND = 609;
    /// A service that is deployed by other means.
    FOREIGN_CONTROLLER = 610;
    /// A role that is not there, or that ECS may not take.
    ROLE = 611;
    /// Instances without room for the tasks of a deployment.
    INSTANCE_HEADROOM = 612;
    /// A log group that is not there, and that nobody makes.
    LOG_GROUP = 613;
    /// A load balancer between whose target groups traffic cannot be shifted.
    TRAFFIC_SHIFT = 614;
    /// A target group that does not fit the container behind it.
    TARGET_GROUP = 615;
    /// A target group that gives requests too short, or too long, a time to end.
    DEREGISTRATION_DELAY = 616;
    /// An alarm that watches deployments and is not there.
    ALARM_NOT_FOUND = 617;
    /// An alarm that is firing before the deployment begins.
    ALARM_FIRING = 618;
    /// No release is known to be good, to go back to.
    NO_GOOD_RELEASE = 619;
    /// What serves was changed by others than its file.
    DRIFT = 620;
    /// Subnets that are not there, or have no addresses for the tasks of a deployment.
    SUBNETS = 621;
    /// The bucket of the journal does not exist.
    JOURNAL_BUCKET = 690;
    /// A rule of the bucket takes records of the journal away.
    JOURNAL_EXPIRES = 691;
    /// What is in the bucket of the journal can be made public.
    JOURNAL_PUBLIC = 692;
    /// The bucket of the journal keeps no versions.
    JOURNAL_UNVERSIONED = 693;
    /// The bucket of the journal lets requests without TLS in.
    JOURNAL_PLAIN = 694;
    /// The bucket of the journal does not encrypt what is written.
    JOURNAL_UNENCRYPTED = 695;
    /// A setting of the journal's bucket that this identity may not see.
    JOURNAL_UNSEEN = 696;
    /// A workflow or script that cannot be read.
    WORKFLOW_SYNTAX = 801;
    /// The image that is built is not the one that is deployed.
    NOT_DEPLOYED = 802;
    /// The tag `latest` is pushed.
    LATEST_PUSHED = 803;
    /// A workflow that holds keys which do not expire.
    LONG_LIVED_KEYS = 804;
    /// An action named by a tag that its owner can move.
    UNPINNED_ACTION = 805;
    /// An action in a version that does not run any more, or soon will not.
    OUTDATED_ACTION = 806;
    /// A command that does not exist any more, or never did.
    REMOVED_COMMAND = 807;
    /// A template that is registered with its placeholders in it.
    LITERAL_TEMPLATE = 808;
    /// A script that is called and not there.
    MISSING_SCRIPT = 809;
    /// A roll back that nobody waits for.
    UNAWAITED_ROLLBACK = 810;
    /// Two runs of a workflow that deploy at the same time.
    NO_CONCURRENCY = 811;
    /// Tests that may be skipped.
    SKIPPED_TESTS = 812;
    /// A script that goes on after an error, or breaks on a blank.
    UNSAFE_SCRIPT = 813;
    /// A workflow whose token may do more than it needs.
    PERMISSIONS = 814;
    /// A deployment that is judged after it serves, and that nothing takes back.
    NO_ROLLBACK = 815;
    /// A wait that succeeds when the deployment was rolled back.
    FALSE_SUCCESS = 816;
    /// A variable that a step uses and only another step has.
    STEP_VARIABLE = 817;
    /// A name in a workflow that leads nowhere: a file, a container, a step, a job.
    DANGLING_NAME = 818;
    /// A step that lacks what it needs: a permission, a region, files, an image in a registry.
    LACKING_STEP = 819;
}

impl Code {
    /// The code of that number, 100 to 999.
    pub const fn new(number: u16) -> Option<Self> {
        if number >= 100 && number <= 999 { Some(Self(number)) } else { None }
    }

    /// Its number, such as 101.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Where it is said what it means, why it breaks a deployment, and how to mend it.
    pub fn docs(self) -> String {
        format!("{}/blob/main/docs/findings/{self}.md", env!("CARGO_PKG_REPOSITORY"))
    }

    /// The code that comes nearest in the same family, for one that does not exist.
    pub fn nearest(self) -> Option<Self> {
        let family = Self::ALL.iter().filter(|code| code.0 / 100 == self.0 / 100);
        family.min_by_key(|code| code.0.abs_diff(self.0)).copied()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QS{}", self.0)
    }
}

impl FromStr for Code {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = text.strip_prefix("QS").filter(|digits| digits.len() == 3);
        number.and_then(|digits| digits.parse().ok()).and_then(Self::new).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, format!("{text:?} is not QS and three digits, such as QS101"))
        })
    }
}

impl TryFrom<String> for Code {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.to_string()
    }
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// A deployment goes on, and may regret it.
    Warning,
    /// A deployment is refused.
    Error,
}

/// Where a finding was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Location {
    /// A place in a file.
    Place(Place),
    /// A thing that is not a file: a container, a port, an ARN.
    Resource {
        /// Its name.
        resource: String,
    },
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(place) => place.fmt(f),
            Self::Resource { resource } => f.pad(resource),
        }
    }
}

/// A place in a text file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file as the caller named it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The line of a file that a finding is about, fit for a terminal: without control characters, and a long
/// line cut to the part around the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, or its part.
    pub text: String,
    /// Where in `text` the place is, in characters, from 0.
    pub start: usize,
    /// How many characters it is about; at least 1.
    pub width: usize,
}

/// What a check, a reader of a file or a gate has to say.
///
/// `{}` shows code, message, place and hint; `{:#}` the source line as well. It serialises as the command's
/// `check --format json` prints it; the excerpt stays out of that.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of finding it is.
    pub code: Code,
    /// How much it weighs.
    pub severity: Severity,
    /// What was found, as one fragment. Never a secret value.
    pub message: String,
    /// Where.
    #[serde(rename = "where", default)]
    pub location: Option<Location>,
    /// What a person may do about it.
    #[serde(default)]
    pub hint: Option<String>,
    /// The line that it is about.
    #[serde(skip)]
    pub excerpt: Option<Excerpt>,
}

impl Finding {
    /// A finding without a place.
    pub fn new(code: Code, severity: Severity, message: impl Into<String>) -> Self {
        Self { code, severity, message: message.into(), location: None, hint: None, excerpt: None }
    }

    /// An error without a place.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message)
    }

    /// The error of what was asked for and this version cannot do.
    pub fn not_built(what: &str) -> Self {
        Self::error(Code::NOT_BUILT, format!("{what}, which this version cannot do yet"))
    }

    /// Says where in a file.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.location = Some(Location::Place(place));
        self
    }

    /// Says on what.
    #[must_use]
    pub fn on(mut self, resource: impl Into<String>) -> Self {
        self.location = Some(Location::Resource { resource: resource.into() });
        self
    }

    /// Adds what a person may do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the line that it is about. Not for files that hold secret values.
    #[must_use]
    pub fn with_excerpt(mut self, excerpt: Excerpt) -> Self {
        self.excerpt = Some(excerpt);
        self
    }

    /// Its place, where it has one in a file.
    pub fn place(&self) -> Option<&Place> {
        match &self.location {
            Some(Location::Place(place)) => Some(place),
            Some(Location::Resource { .. }) | None => None,
        }
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            code: Code,
            severity: Severity,
            message: &'a str,
            #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
            location: Option<&'a Location>,
            #[serde(skip_serializing_if = "Option::is_none")]
            hint: Option<&'a str>,
            docs: String,
        }
        Shown {
            code: self.code,
            severity: self.severity,
            message: &self.message,
            location: self.location.as_ref(),
            hint: self.hint.as_deref(),
            docs: self.code.docs(),
        }
        .serialize(serializer)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message)?;
        if let Some(location) = &self.location {
            write!(f, "\n  --> {location}")?;
        }
        if let (true, Some(excerpt), Some(place)) = (f.alternate(), &self.excerpt, self.place()) {
            let line = place.line;
            let gutter = line.to_string().len();
            let Excerpt { text, start, width } = excerpt;
            write!(f, "\n  {line} | {text}\n  {:gutter$} | {:start$}{:^<width$}", "", "", "")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// All that is wrong with a text, in the order of its lines. Never empty.
///
/// `{}` shows each finding, `{:#}` with its source line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems {
    findings: Vec<Finding>,
}

impl Problems {
    /// These findings, or nothing when there are none.
    pub fn new(findings: Vec<Finding>) -> Option<Self> {
        (!findings.is_empty()).then_some(Self { findings })
    }

    /// The findings.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The findings.
    pub fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}

impl From<Finding> for Problems {
    fn from(finding: Finding) -> Self {
        Self { findings: vec![finding] }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            finding.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        let file = problems.findings.iter().find_map(|finding| finding.place().map(|place| &*place.file));
        let (count, file) = (problems.findings.len(), file.unwrap_or("the configuration"));
        let plural = if count == 1 { "" } else { "s" };
        Self::new(ErrorKind::Invalid, format!("{count} problem{plural} in {file}")).with_source(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Finding {
        let place = Place { file: "deploy/task.json".into(), line: 34, column: 24 };
        let code = Code::new(105).expect("a code");
        Finding::error(code, "secret STRIPE_API_KEY not found in us-east-1")
            .at(place)
            .with_hint("did you mean stripe-key-prod")
            .with_excerpt(Excerpt { text: "\"valueFrom\": \"x\"".into(), start: 13, width: 3 })
    }

    #[test]
    fn a_finding_reads_as_the_command_promises() {
        insta::assert_snapshot!(finding(), @r"
        QS105 secret STRIPE_API_KEY not found in us-east-1
          --> deploy/task.json:34:24
          hint: did you mean stripe-key-prod
        ");
        insta::assert_snapshot!(format!("{:#}", finding()), @r#"
        QS105 secret STRIPE_API_KEY not found in us-east-1
          --> deploy/task.json:34:24
          34 | "valueFrom": "x"
             |              ^^^
          hint: did you mean stripe-key-prod
        "#);
    }

    #[test]
    fn a_finding_serialises_as_the_command_promises() {
        let json = serde_json::to_value(finding()).expect("json");
        insta::assert_json_snapshot!(json, @r#"
        {
          "code": "QS105",
          "docs": "https://github.com/quickserve/quickserve/blob/main/docs/findings/QS105.md",
          "hint": "did you mean stripe-key-prod",
          "message": "secret STRIPE_API_KEY not found in us-east-1",
          "severity": "error",
          "where": {
            "column": 24,
            "file": "deploy/task.json",
            "line": 34
          }
        }
        "#);
        let back: Finding = serde_json::from_value(json).expect("a finding");
        assert_eq!(back, Finding { excerpt: None, ..finding() });
        let resource = Finding::new(Code::MISSING_VARIABLE, Severity::Warning, "gone").on("port 8080");
        assert_eq!(serde_json::to_value(resource).expect("json")["where"]["resource"], "port 8080");
    }

    #[test]
    fn every_code_is_there_once_and_in_order() {
        assert!(Code::ALL.is_sorted_by(|one, next| one < next));
        assert_eq!(Code::new(126).and_then(Code::nearest), Some(Code::COMMITTED_ENV_FILE));
        assert_eq!(Code::new(999).and_then(Code::nearest), None);
    }

    #[test]
    fn codes_have_three_digits() {
        assert_eq!("QS101".parse::<Code>().expect("a code"), Code::MISSING_VARIABLE);
        for bad in ["QS1", "QS1010", "QS099", "qs101", "101", "QS+10", ""] {
            assert!(bad.parse::<Code>().is_err(), "{bad}");
        }
    }

    #[test]
    fn problems_become_an_error_that_names_the_file() {
        let error = Error::from(Problems::from(finding()));
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.to_string(), "1 problem in deploy/task.json");
        assert_eq!(Problems::new(Vec::new()), None);
    }
}
