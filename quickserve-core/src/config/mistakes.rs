//! Whom a mistake in quickserve.toml is about.

use crate::document::in_order;
use crate::finding::Finding;
use crate::service::ServiceKey;

/// Whom a mistake is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// The file as a whole.
    All,
    /// A service, or an environment, or the service there.
    Part { service: Option<String>, environment: Option<String> },
    /// Services that cannot stand beside each other: each can by itself.
    Between,
}

impl Scope {
    /// One service, where the file has several, or one environment; the whole file where neither is named.
    pub(super) fn of(service: Option<&str>, environment: Option<&str>) -> Self {
        match (service, environment) {
            (None, None) => Self::All,
            _ => Self::Part {
                service: service.map(str::to_owned),
                environment: environment.map(str::to_owned),
            },
        }
    }

    /// Whether what is about the other one is about this one, too.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (
                Self::Part { service, environment },
                Self::Part { service: other_service, environment: other_environment },
            ) => {
                (service.is_none() || service == other_service)
                    && (environment.is_none() || environment == other_environment)
            }
            _ => self == other,
        }
    }

    fn is_about(&self, key: &ServiceKey) -> bool {
        match self {
            Self::All => true,
            Self::Part { service, environment } => {
                service.as_ref().is_none_or(|service| service == key.service())
                    && environment.as_ref().is_none_or(|environment| environment == key.environment())
            }
            Self::Between => false,
        }
    }
}

/// The mistakes of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Mistakes {
    found: Vec<(Scope, Finding)>,
}

impl Mistakes {
    /// Mistakes that were found looking at this part. Layers are looked at before what they amount to, so that one
    /// which is known already belongs to its layer.
    pub(super) fn add(&mut self, scope: &Scope, findings: Vec<Finding>) {
        for finding in findings {
            let is_known = self.found.iter().any(|(wider, known)| wider.covers(scope) && *known == finding);
            if !is_known {
                self.found.push((scope.clone(), finding));
            }
        }
    }

    /// All of them, in the order of the text, each once.
    pub(super) fn all(&self) -> Vec<Finding> {
        self.those(|_| true)
    }

    /// Those of the file as a whole.
    pub(super) fn of_all(&self) -> Vec<Finding> {
        self.those(|scope| *scope == Scope::All)
    }

    /// Those that are about a service in an environment.
    pub(super) fn of(&self, key: &ServiceKey) -> Vec<Finding> {
        self.those(|scope| scope.is_about(key))
    }

    fn those(&self, wanted: impl Fn(&Scope) -> bool) -> Vec<Finding> {
        let found = self.found.iter().filter(|(scope, _)| wanted(scope));
        in_order(found.map(|(_, finding)| finding.clone()).collect())
    }
}
