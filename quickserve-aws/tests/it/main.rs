//! AWS as it is seen from here: a fake ECS at the wire, and an emulator with real containers.

mod adoption;
mod alarms;
mod calls;
mod commands;
mod crash;
mod diagnosis;
mod emulator;
mod fake;
mod journal;
mod lab;
mod live_definition;
mod logs;
mod native;
mod preflight;
mod proxy;
mod register;
mod report;
mod rolling;
mod shifting;
mod support;
