//! AWS as it is seen from here: an emulator with real containers.

mod emulator;
mod support;
