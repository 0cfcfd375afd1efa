//! AWS as it is seen from here: a fake ECS at the wire, and an emulator with real containers.

mod emulator;
mod fake;
mod preflight;
mod register;
mod rolling;
mod support;
