//! Parts of traffic, to a tenth of a percent.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of traffic, to a tenth of a percent: more than 0 %, at most 100 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Percent {
    tenths: u16,
}

impl Percent {
    /// What a canary gets where nobody says (ECS API reference, `CanaryConfiguration`).
    pub const CANARY: Self = Self { tenths: 50 };
    /// By how much a linear shift rises where nobody says (ECS API reference, `LinearConfiguration`).
    pub const STEP: Self = Self { tenths: 100 };
    /// All of it.
    pub const ALL: Self = Self { tenths: 1000 };

    /// That many tenths of a percent, 1 to 1000.
    pub const fn from_tenths(tenths: u16) -> Option<Self> {
        if tenths >= 1 && tenths <= 1000 { Some(Self { tenths }) } else { None }
    }

    /// In tenths of a percent.
    pub const fn tenths(self) -> u16 {
        self.tenths
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tenths % 10 {
            0 => write!(f, "{} %", self.tenths / 10),
            tenth => write!(f, "{}.{tenth} %", self.tenths / 10),
        }
    }
}
