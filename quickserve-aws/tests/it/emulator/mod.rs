//! Against the emulator, with real containers.

mod deploy;
mod registry;
mod secrets;

pub(crate) use quickserve_tests::Emulator;

const ACCOUNT: &str = Emulator::ACCOUNT;
