//! The short form: one container, described in quickserve.toml itself.

use std::time::Duration;

use crate::config::deploy::command;
use crate::document::{Fields, values};
use crate::workload::size;

/// The keys that only the short form has.
pub(super) const KEYS: [&str; 6] = ["command", "entry_point", "user", "cpu", "memory", "stop_timeout"];

/// One container, described in quickserve.toml itself. Every name in the `env_file` is passed to it as a
/// secret variable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShortForm {
    /// Replaces the image's command.
    pub command: Option<Vec<String>>,
    /// Replaces the image's entry point.
    pub entry_point: Option<Vec<String>>,
    /// `user`, `user:group`, or numbers.
    pub user: Option<String>,
    /// CPU in 1/1024 of a core.
    pub cpu_units: Option<u32>,
    /// Hard limit of memory in MiB.
    pub memory_mib: Option<u32>,
    /// From SIGTERM to SIGKILL. Default: 30 s.
    pub stop_timeout: Option<Duration>,
}

pub(super) fn read(fields: &mut Fields<'_, '_, '_>) -> ShortForm {
    ShortForm {
        command: fields.optional("command", command),
        entry_point: fields.optional("entry_point", command),
        user: fields.optional("user", values::name),
        cpu_units: fields.optional("cpu", size::cpu_text),
        memory_mib: fields.optional("memory", size::memory_text),
        stop_timeout: fields.optional("stop_timeout", values::duration),
    }
}
