//! Settings: the one place that reads the environment.
//!
//! Every problem is found before any is reported, and no message repeats a value.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hyper::Uri;

use crate::database::{Database, Endpoint};
use crate::faults::Switches;
use crate::parse::{self, Share};

/// What the service cannot do without; `STOREFRONT_REQUIRE` names more.
const REQUIRED: [&str; 2] = ["DATABASE_URL", "STRIPE_API_KEY"];

/// Every failure switch begins with this; a name that is not known is an error, not a drill without a fault.
const SWITCH_PREFIX: &str = "STOREFRONT_FAIL_";

const A_DURATION: &str = "a whole number with a unit, such as 250ms, 3s or 2m";
const A_FLAG: &str = "1, true, 0 or false";
const A_PORT: &str = "a port number from 0 to 65535";

/// All that the service is told from outside.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where to listen on all addresses; 0 lets the system choose.
    pub(crate) port: u16,
    /// `IMAGE_TAG`: the version that it shows.
    pub(crate) version: String,
    /// `QUICKSERVE_RELEASE`.
    pub(crate) release: String,
    /// `HOSTNAME`, which Docker sets to the container's short id.
    pub(crate) hostname: String,
    /// Where ECS tells a container about its task.
    pub(crate) task_metadata: Option<Uri>,
    /// The dependency.
    pub(crate) database: Database,
    /// How long it still accepts connections once it is no longer ready.
    pub(crate) drain_delay: Duration,
    /// How long a drain may take before open connections are cut.
    pub(crate) drain_timeout: Duration,
    /// The failure switches.
    pub(crate) switches: Switches,
}

/// Why the service cannot start: all of the reasons.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Problems {
    missing: BTreeSet<String>,
    invalid: Vec<String>,
}

impl Problems {
    /// One line for what is missing, and one for each value that cannot be understood.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let names: Vec<&str> = self.missing.iter().map(String::as_str).collect();
        let missing =
            (!names.is_empty()).then(|| format!("missing required variables: {}", names.join(", ")));
        missing.into_iter().chain(self.invalid.iter().cloned())
    }
}

impl Settings {
    /// Reads this process's environment.
    pub(crate) fn from_process() -> Result<Self, Problems> {
        Self::read(process_environment())
    }

    /// Reads an environment.
    pub(crate) fn read(environment: BTreeMap<String, String>) -> Result<Self, Problems> {
        let mut reader = Reader::new(environment);
        reader.require();
        let settings = Self {
            port: reader.port(),
            version: reader.text("IMAGE_TAG"),
            release: reader.text("QUICKSERVE_RELEASE"),
            hostname: reader.text("HOSTNAME"),
            task_metadata: reader.optional("ECS_CONTAINER_METADATA_URI_V4", "a URI", |v| v.parse().ok()),
            database: reader.database(),
            drain_delay: reader.duration("STOREFRONT_DRAIN_DELAY").unwrap_or_default(),
            drain_timeout: reader.duration("STOREFRONT_DRAIN_TIMEOUT").unwrap_or(Duration::from_secs(25)),
            switches: reader.switches(),
        };
        reader.finish(settings)
    }
}

/// The port of the service that runs with this process's environment, for `healthcheck`.
pub(crate) fn process_port() -> Result<u16, Problems> {
    let mut reader = Reader::new(process_environment());
    let port = reader.port();
    reader.finish(port)
}

/// The whole environment, so that a misspelt switch is found too.
fn process_environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect()
}

/// Reads one variable after another and collects what is wrong.
struct Reader {
    environment: BTreeMap<String, String>,
    known: BTreeSet<&'static str>,
    problems: Problems,
}

impl Reader {
    fn new(environment: BTreeMap<String, String>) -> Self {
        Self { environment, known: BTreeSet::new(), problems: Problems::default() }
    }

    fn finish<T>(self, value: T) -> Result<T, Problems> {
        if self.problems == Problems::default() { Ok(value) } else { Err(self.problems) }
    }

    fn invalid(&mut self, name: &str, expected: &str) {
        self.problems.invalid.push(format!("{name} must be {expected}"));
    }

    /// A variable that is set to nothing, or to white space only, counts as not set.
    fn value(&self, name: &str) -> Option<String> {
        self.environment.get(name).filter(|value| !value.trim().is_empty()).cloned()
    }

    fn optional<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.known.insert(name);
        let value = self.value(name)?;
        let parsed = parse(&value);
        if parsed.is_none() {
            self.invalid(name, expected);
        }
        parsed
    }

    fn text(&self, name: &str) -> String {
        self.value(name).unwrap_or_else(|| "unknown".to_owned())
    }

    fn flag(&mut self, name: &'static str) -> bool {
        self.optional(name, A_FLAG, parse::flag).unwrap_or(false)
    }

    fn duration(&mut self, name: &'static str) -> Option<Duration> {
        self.optional(name, A_DURATION, parse::duration)
    }

    fn port(&mut self) -> u16 {
        self.optional("PORT", A_PORT, |value| value.parse().ok()).unwrap_or(3000)
    }

    fn require(&mut self) {
        let mut names: Vec<String> = REQUIRED.map(str::to_owned).to_vec();
        if let Some(list) = self.value("STOREFRONT_REQUIRE") {
            let more: Vec<&str> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
            if more.iter().all(|name| parse::is_variable_name(name)) {
                names.extend(more.into_iter().map(str::to_owned));
            } else {
                self.invalid("STOREFRONT_REQUIRE", "variable names separated by commas");
            }
        }
        for name in names {
            if self.value(&name).is_none() {
                self.problems.missing.insert(name);
            }
        }
    }

    fn database(&mut self) -> Database {
        let down = self.flag("STOREFRONT_FAIL_DATABASE");
        let check = self.flag("STOREFRONT_CHECK_DATABASE");
        let endpoint = self.value("DATABASE_URL").filter(|_| check).map(|url| Endpoint::from_url(&url));
        match endpoint {
            _ if down => Database::Down,
            Some(Some(endpoint)) => Database::Checked(endpoint),
            Some(None) => {
                self.invalid(
                    "DATABASE_URL",
                    "tcp://host:port or postgresql://host[:port]/name when STOREFRONT_CHECK_DATABASE is on",
                );
                Database::Up
            }
            None => Database::Up,
        }
    }

    fn switches(&mut self) -> Switches {
        let switches = Switches {
            crash_at_start: self.flag("STOREFRONT_FAIL_CRASH_AT_START"),
            crash_after: self.duration("STOREFRONT_FAIL_CRASH_AFTER"),
            crash_code: self
                .optional("STOREFRONT_FAIL_CRASH_CODE", "an exit code from 0 to 255", |v| v.parse().ok())
                .unwrap_or(1),
            start_delay: self.duration("STOREFRONT_FAIL_START_DELAY").unwrap_or_default(),
            healthy_delay: self.duration("STOREFRONT_FAIL_HEALTHY_DELAY").unwrap_or_default(),
            never_healthy: self.flag("STOREFRONT_FAIL_NEVER_HEALTHY"),
            health_flap: self.optional(
                "STOREFRONT_FAIL_HEALTH_FLAP",
                &format!("{A_DURATION}, and at least 2ms"),
                |value| parse::duration(value).filter(|period| *period >= Duration::from_millis(2)),
            ),
            health_latency: self.duration("STOREFRONT_FAIL_HEALTH_LATENCY").unwrap_or_default(),
            latency: self.duration("STOREFRONT_FAIL_LATENCY").unwrap_or_default(),
            errors: self.optional(
                "STOREFRONT_FAIL_ERROR_PERCENT",
                "a percentage from 0 to 100 with at most four decimals",
                Share::from_percent,
            ),
            ignore_sigterm: self.flag("STOREFRONT_FAIL_IGNORE_SIGTERM"),
            leak_mib_per_second: self
                .optional("STOREFRONT_FAIL_LEAK_MIB_PER_SECOND", "a whole number from 0 to 65535", |value| {
                    value.parse::<u16>().ok()
                })
                .unwrap_or(0),
            log_lines_per_second: self
                .optional("STOREFRONT_FAIL_LOG_LINES_PER_SECOND", "a whole number from 0 to 65535", |value| {
                    value.parse::<u16>().ok()
                })
                .unwrap_or(0),
            log_escapes: self.flag("STOREFRONT_FAIL_LOG_ESCAPES"),
        };
        let unknown: Vec<String> = self
            .environment
            .keys()
            .filter(|name| name.starts_with(SWITCH_PREFIX) && !self.known.contains(name.as_str()))
            .cloned()
            .collect();
        for name in unknown {
            self.problems.invalid.push(format!("{name} is not a switch that storefront knows"));
        }
        switches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        let required = [("DATABASE_URL", "tcp://db:5432"), ("STRIPE_API_KEY", "key")];
        read_only(&[&required, more].concat())
    }

    fn read_only(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        let environment = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Settings::read(environment).map_err(|problems| problems.lines().collect())
    }

    #[test]
    fn the_required_variables_are_enough() {
        let settings = read(&[]).expect("valid");
        assert_eq!(settings.port, 3000);
        assert_eq!(settings.version, "unknown");
        assert_eq!(settings.release, "unknown");
        assert_eq!(settings.database, Database::Up);
        assert_eq!(settings.switches, Switches::default());
    }

    #[test]
    fn every_missing_variable_is_named_at_once() {
        let lines = read_only(&[("STRIPE_API_KEY", " "), ("STOREFRONT_REQUIRE", "REDIS_URL, DATABASE_URL")])
            .expect_err("missing");
        assert_eq!(lines, ["missing required variables: DATABASE_URL, REDIS_URL, STRIPE_API_KEY"]);
    }

    #[test]
    fn what_is_missing_and_what_is_wrong_are_reported_together_without_values() {
        let lines = read_only(&[
            ("DATABASE_URL", "hunter2"),
            ("STOREFRONT_CHECK_DATABASE", "1"),
            ("PORT", "70000"),
            ("STOREFRONT_FAIL_CRASH_AFTER", "hunter2"),
        ])
        .expect_err("wrong");
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines.iter().all(|line| !line.contains("hunter2") && !line.contains("70000")), "{lines:?}");
        for name in ["STRIPE_API_KEY", "DATABASE_URL", "PORT", "STOREFRONT_FAIL_CRASH_AFTER"] {
            assert!(lines.iter().any(|line| line.contains(name)), "{name}: {lines:?}");
        }
    }

    #[test]
    fn every_switch_refuses_a_value_that_it_does_not_understand() {
        let mut reader = Reader::new(BTreeMap::new());
        reader.switches();
        reader.database();
        let names: Vec<_> = reader.known.into_iter().filter(|name| name.starts_with(SWITCH_PREFIX)).collect();
        assert_eq!(names.len(), 15);
        for name in names {
            let lines = read(&[(name, "perhaps")]).expect_err(name);
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].starts_with(&format!("{name} must be ")), "{lines:?}");
        }
    }

    #[test]
    fn a_switch_that_nobody_knows_is_an_error() {
        let lines = read(&[("STOREFRONT_FAIL_CRASH_AFER", "3s")]).expect_err("unknown");
        assert_eq!(lines, ["STOREFRONT_FAIL_CRASH_AFER is not a switch that storefront knows"]);
    }

    #[test]
    fn a_switch_set_to_nothing_is_off() {
        let settings = read(&[("STOREFRONT_FAIL_CRASH_AT_START", "")]).expect("valid");
        assert_eq!(settings.switches, Switches::default());
    }

    #[test]
    fn a_wrong_list_of_required_names_is_an_error() {
        let lines = read(&[("STOREFRONT_REQUIRE", "A=1")]).expect_err("wrong");
        assert_eq!(lines, ["STOREFRONT_REQUIRE must be variable names separated by commas"]);
    }

    #[test]
    fn the_database_is_really_asked_only_when_told_to() {
        let checked = read(&[("STOREFRONT_CHECK_DATABASE", "1")]).expect("valid");
        assert!(matches!(checked.database, Database::Checked(_)));
        let down = read(&[("STOREFRONT_FAIL_DATABASE", "1")]).expect("valid");
        assert_eq!(down.database, Database::Down);
    }
}
