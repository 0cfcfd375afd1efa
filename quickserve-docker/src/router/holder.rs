//! Who listens on a port: told from `/proc`, as far as we may look.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// The kernel's number for "this socket listens" in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// The process that listens on an address, such as `nginx (pid 412)`, where that can be told.
pub(super) fn of(address: SocketAddr) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listeners(&table, address))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let holds = fs::read_dir(process.path().join("fd")).ok()?.flatten().any(|fd| {
            fs::read_link(fd.path()).is_ok_and(|to| inodes.iter().any(|inode| to == Path::new(inode)))
        });
        holds.then(|| {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            // A process names itself as it likes; nothing of it may reach a terminal unseen.
            let name: String = name.trim().chars().filter(|c| !c.is_control()).collect();
            format!("{name} (pid {pid})")
        })
    })
}

/// The inodes of sockets that keep others from listening on the address.
fn listeners(table: &str, address: SocketAddr) -> Vec<u64> {
    let line = |line: &str| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?.parse().ok()?;
        let (ip, port) = local.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let ip = parse(ip)?;
        let overlaps = ip == address.ip() || ip.is_unspecified() || address.ip().is_unspecified();
        (state == LISTEN && port == address.port() && overlaps).then_some(inode)
    };
    table.lines().skip(1).filter_map(line).collect()
}

/// An address as `/proc/net/tcp` writes it: 32-bit groups in the machine's own byte order.
fn parse(hex: &str) -> Option<IpAddr> {
    let mut bytes = Vec::with_capacity(16);
    for start in (0..hex.len()).step_by(8) {
        let group = u32::from_str_radix(hex.get(start..start + 8)?, 16).ok()?;
        bytes.extend(group.to_ne_bytes());
    }
    if let Ok(v4) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(Ipv4Addr::from(v4).into());
    }
    let v6 = Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?);
    Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_in_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
             1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n";
        if cfg!(target_endian = "little") {
            assert_eq!(listeners(table, "127.0.0.1:8080".parse().expect("an address")), [4711]);
            assert_eq!(listeners(table, "0.0.0.0:8080".parse().expect("an address")), [4711]);
            assert!(listeners(table, "127.0.0.1:8081".parse().expect("an address")).is_empty());
        }
    }
}
