//! The steps that plans are made of.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::orchestrator::{Revision, Standing};
use crate::release::ReleaseId;
use crate::rollout::{RolloutId, Stage, Way};
use crate::traffic::Role;

/// One thing to be ensured. A step that finds it so already does nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// The platform knows the release.
    Register {
        /// The release.
        release: ReleaseId,
    },
    /// So many tasks of the release run and are healthy; failed ones are replaced until the circuit breaker
    /// trips.
    Place {
        /// The release.
        release: ReleaseId,
        /// How many tasks.
        tasks: u32,
        /// What they are meant for.
        standing: Standing,
    },
    /// The platform has rolled the release out by itself: it serves, and nothing else does.
    RollOut {
        /// The release.
        release: ReleaseId,
        /// How many tasks the platform is told to keep; none: as many as it keeps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tasks: Option<u32>,
        /// Whether tasks are replaced by others of the same release.
        #[serde(default)]
        fresh: bool,
        /// How requests get to its tasks.
        #[serde(default)]
        way: Way,
        /// Where the platform asks before it goes on. With any, this step ends at the first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        gates: Vec<Stage>,
    },
    /// The rollout is past a stage: at each gate there the release has proven itself, and was let through.
    Pass {
        /// The release.
        release: ReleaseId,
        /// Where the gates stand.
        stage: Stage,
        /// What it must show there.
        proofs: Vec<Proof>,
    },
    /// A rollout that was under way is over: where it had not succeeded, the platform took it back.
    GiveUp {
        /// The rollout.
        rollout: RolloutId,
    },
    /// Each staged task answers the smoke checks as expected.
    SmokeStaged {
        /// The release.
        release: ReleaseId,
    },
    /// Requests go to these releases and to no others.
    Shift {
        /// Each release's part. Empty: requests go nowhere.
        shares: Vec<Share>,
    },
    /// The public port answers the smoke checks as expected.
    SmokePublic {
        /// The release that serves.
        release: ReleaseId,
    },
    /// The serving tasks stay healthy for a time.
    Bake {
        /// The release.
        release: ReleaseId,
        /// How many tasks of it must stay healthy.
        tasks: u32,
        /// For how long.
        #[serde(with = "crate::workload::seconds")]
        duration: Duration,
    },
    /// The platform, read back, shows this release's digests serving.
    Verify {
        /// The release.
        release: ReleaseId,
        /// How many tasks of it must be healthy.
        tasks: u32,
        /// Whether nothing else may exist.
        alone: bool,
    },
    /// The release is decided to be good: it is what later failures come back to.
    Promote {
        /// The release.
        release: ReleaseId,
        /// How many tasks of it get the standing of promoted ones.
        tasks: u32,
    },
    /// Tasks that get no new requests finish those that they have, or the time is up.
    Drain {
        /// The release.
        release: ReleaseId,
        /// Tasks that stay, the first ones of the set.
        keep: u32,
        /// For how long at most.
        #[serde(with = "crate::workload::seconds")]
        timeout: Duration,
    },
    /// Tasks beyond those kept are stopped and removed.
    Retire {
        /// The release.
        release: ReleaseId,
        /// Tasks that stay, the first ones of the set.
        keep: u32,
    },
    /// The service's public port is closed and forgotten.
    Close,
    /// The platform has removed the service that it ran for us.
    Withdraw,
    /// The platform has gone back to what it headed for before it was ours to deploy.
    GoBack {
        /// Its name for that.
        revision: Revision,
        /// How requests move there.
        #[serde(default)]
        way: Way,
    },
}

/// What a release must show at a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "proof")]
pub enum Proof {
    /// It answers the smoke checks where it is reached before it serves.
    SmokePreview,
    /// The public port answers the smoke checks.
    SmokePublic,
    /// Its tasks stay healthy for a time.
    Bake {
        /// How many.
        tasks: u32,
        /// For how long.
        #[serde(with = "crate::workload::seconds")]
        duration: Duration,
    },
}

/// A release's part in a [`Step::Shift`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The release.
    pub release: ReleaseId,
    /// What part it has.
    pub role: Role,
    /// How many of its tasks take part, the first healthy ones of the set.
    pub tasks: u32,
}

impl Step {
    /// The releases that the step is about.
    pub fn releases(&self) -> Vec<&ReleaseId> {
        match self {
            Self::Register { release }
            | Self::Place { release, .. }
            | Self::RollOut { release, .. }
            | Self::Pass { release, .. }
            | Self::SmokeStaged { release }
            | Self::SmokePublic { release }
            | Self::Bake { release, .. }
            | Self::Verify { release, .. }
            | Self::Promote { release, .. }
            | Self::Drain { release, .. }
            | Self::Retire { release, .. } => vec![release],
            Self::Shift { shares } => shares.iter().map(|share| &share.release).collect(),
            Self::GiveUp { .. } | Self::Close | Self::Withdraw | Self::GoBack { .. } => Vec::new(),
        }
    }

    /// The step's name, as events and journals show it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Register { .. } => "register",
            Self::Place { .. } => "place",
            Self::RollOut { .. } => "roll_out",
            Self::Pass { .. } => "pass",
            Self::GiveUp { .. } => "give_up",
            Self::SmokeStaged { .. } => "smoke_staged",
            Self::Shift { .. } => "shift",
            Self::SmokePublic { .. } => "smoke_public",
            Self::Bake { .. } => "bake",
            Self::Verify { .. } => "verify",
            Self::Promote { .. } => "promote",
            Self::Drain { .. } => "drain",
            Self::Retire { .. } => "retire",
            Self::Close => "close",
            Self::Withdraw => "withdraw",
            Self::GoBack { .. } => "go_back",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register { release } => write!(f, "register {release:#}"),
            Self::Place { release, tasks, .. } => {
                write!(f, "place {release:#}: {} healthy", count(*tasks, "task"))
            }
            Self::RollOut { release, tasks, fresh, way, .. } => {
                let again = if *fresh { " anew" } else { "" };
                write!(f, "roll {release:#} out{again}")?;
                if *way != Way::Rolling {
                    write!(f, ", {way}")?;
                }
                tasks.map_or(Ok(()), |tasks| write!(f, ": {}", count(tasks, "task")))
            }
            Self::Pass { release, stage, proofs } => {
                write!(f, "let {release:#} through {stage}")?;
                for (index, proof) in proofs.iter().enumerate() {
                    write!(f, "{} {proof}", if index == 0 { ":" } else { "," })?;
                }
                Ok(())
            }
            Self::GiveUp { rollout } => write!(f, "have {rollout} taken back"),
            Self::SmokeStaged { release } => write!(f, "smoke {release:#} before it takes traffic"),
            Self::Shift { shares } if shares.is_empty() => {
                f.write_str("shift traffic away from every release")
            }
            Self::Shift { shares } => {
                f.write_str("shift traffic:")?;
                let sum: u32 = shares.iter().map(|share| share.role.weight()).sum();
                for (index, share) in shares.iter().enumerate() {
                    write!(f, "{} {:#} ", if index == 0 { "" } else { "," }, share.release)?;
                    match share.role {
                        Role::Serving(weight) => write!(f, "{} %", weight * 100 / sum.max(1))?,
                        Role::Standby => f.write_str("standing by")?,
                        Role::Preview => f.write_str("on the preview")?,
                    }
                }
                Ok(())
            }
            Self::SmokePublic { release } => write!(f, "smoke {release:#} on the public port"),
            Self::Bake { release, duration, .. } => write!(f, "bake {release:#} for {duration:?}"),
            Self::Verify { release, alone: true, .. } => write!(f, "verify that {release:#} alone serves"),
            Self::Verify { release, .. } => write!(f, "verify that {release:#} serves"),
            Self::Promote { release, .. } => write!(f, "promote {release:#}"),
            Self::Drain { release, keep: 0, timeout } => write!(f, "drain {release:#}, at most {timeout:?}"),
            Self::Drain { release, keep, timeout } => {
                write!(f, "drain {release:#} but {}, at most {timeout:?}", count(*keep, "task"))
            }
            Self::Retire { release, keep: 0 } => write!(f, "retire {release:#}"),
            Self::Retire { release, keep } => {
                write!(f, "keep {} of {release:#} and no more", count(*keep, "task"))
            }
            Self::Close => f.write_str("close the public port"),
            Self::Withdraw => f.write_str("remove the service"),
            Self::GoBack { revision, .. } => write!(f, "go back to {}", revision.short()),
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SmokePreview => f.write_str("smoke on the test listener"),
            Self::SmokePublic => f.write_str("smoke on the public port"),
            Self::Bake { duration, .. } => write!(f, "bake for {duration:?}"),
        }
    }
}

impl Role {
    fn weight(self) -> u32 {
        match self {
            Self::Serving(weight) => weight,
            Self::Standby | Self::Preview => 0,
        }
    }
}

fn count(number: u32, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
