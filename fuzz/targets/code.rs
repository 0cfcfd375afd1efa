#![no_main]

use libfuzzer_sys::fuzz_target;

// The first byte chooses the language.
fuzz_target!(|data: &[u8]| {
    if let [language, text @ ..] = data
        && let Ok(text) = std::str::from_utf8(text)
    {
        quickserve_check::fuzz::code(*language, text);
    }
});
