//! Against the emulator, with real containers.

mod bootstrap;
mod deploy;
mod differential;
mod journal;
mod registry;
mod secrets;

pub(crate) use quickserve_tests::Emulator;

const ACCOUNT: &str = Emulator::ACCOUNT;
