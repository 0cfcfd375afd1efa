//! Programs that `check` asks end with it.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::support::Shop;

#[test]
fn a_signal_leaves_no_child() {
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let shop = Shop::empty();
        shop.write("Dockerfile", "FROM alpine:3.22\n");
        let number = shop.path().join("number");
        // Its child would outlive it.
        let script =
            format!("#!/bin/sh\nsleep 300 &\necho $! >{0}.new\nmv {0}.new {0}\nwait\n", number.display());
        shop.write("hadolint", &script);
        let program = shop.path().join("hadolint");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("a program");
        let path = format!("{}:/usr/bin:/bin", shop.path().display());
        let mut child = shop.command(&["check"]).env("PATH", path).spawn().expect("started");
        for _ in 0..4000 {
            if number.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let orphan = std::fs::read_to_string(&number).expect("hadolint was asked");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, signal).expect("signalled");
        let code = child.wait().expect("ended").code();
        assert_eq!(code, Some(if signal == rustix::process::Signal::INT { 130 } else { 143 }));
        let stat = format!("/proc/{}/stat", orphan.trim());
        let ended = |stat: String| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"));
        let gone = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            std::fs::read_to_string(&stat).map_or(true, ended)
        });
        assert!(gone, "{orphan} goes on");
    }
}
