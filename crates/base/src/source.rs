//! Where an attempt comes from, as whatever limits attempts sees it: an IPv4 address, an IPv6 /64, or a short text such as `local`.

use std::net::{IpAddr, Ipv6Addr};

/// Longest text taken when it is not an address.
const TEXT_BYTES_MAX: usize = 64;

/// The bytes that stand for a source. One subscriber usually holds a whole IPv6 /64, so that counts as one.
#[must_use]
pub fn source_bytes(source: &str) -> Vec<u8> {
    match source.trim().parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.octets().to_vec(),
        Ok(IpAddr::V6(address)) => network_of(address),
        Err(_) => source.bytes().take(TEXT_BYTES_MAX).collect(),
    }
}

fn network_of(address: Ipv6Addr) -> Vec<u8> {
    address.octets()[..8].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subscriber_is_one_source() {
        assert_eq!(source_bytes("2001:db8:1:2::1"), source_bytes("2001:db8:1:2:ffff::9"));
        assert_ne!(source_bytes("2001:db8:1:2::1"), source_bytes("2001:db8:1:3::1"));
        assert_eq!(source_bytes("::ffff:192.0.2.1"), source_bytes("192.0.2.1"));
        assert_ne!(source_bytes("192.0.2.1"), source_bytes("192.0.2.2"));
        assert_eq!(source_bytes(&"x".repeat(9_999)).len(), TEXT_BYTES_MAX);
    }
}
