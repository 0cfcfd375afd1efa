//! The `quickserve` command.
fn main() {}
