//! Randomness for names and keys.

use std::fs::File;
use std::io::Read as _;

use quickserve_core::{Error, ErrorKind, Result};

/// Random bytes from the operating system, fit for keys.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "read random bytes from /dev/urandom").with_source(error)
    })?;
    Ok(bytes)
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
