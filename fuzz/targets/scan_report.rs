#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| quickserve_check::fuzz::scan_report(text));
