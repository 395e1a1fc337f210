//! Which addresses may be reached: public ones, and others only where a network is allowed by name.
//!
//! Numbers: the IANA special-purpose registries of IPv4 and IPv6 (RFC 6890 and its updates), RFC 6052 for NAT64, and
//! the addresses by which clouds hand out credentials. An address that carries an IPv4 address within it is judged by
//! that one.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// A network, as in `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    base: IpAddr,
    bits: u8,
}

/// Why a text is not a network. The operator edits it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a network; write one like `10.0.0.0/8` or `fd00::/8`, its host bits zero")]
pub struct CidrError {
    found: String,
}

impl Cidr {
    /// Whether the address lies in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (base, width) = number(self.base);
        let (address, other) = number(address);
        width == other && leading(base, width, self.bits) == leading(address, width, self.bits)
    }

    /// Whether the whole of another network lies in this one.
    pub fn covers(&self, other: &Self) -> bool {
        self.bits <= other.bits && self.contains(other.base)
    }
}

fn number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

fn leading(number: u128, width: u8, bits: u8) -> u128 {
    number.checked_shr(u32::from(width - bits)).unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = CidrError;
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let wrong = || CidrError { found: super::text::cut(&super::text::line(text), 60) };
        let (base, bits) = text.split_once('/').ok_or_else(wrong)?;
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let bits: u8 = bits.parse().map_err(|_| wrong())?;
        let (value, width) = number(base);
        let has_host_bits =
            bits <= width && leading(value, width, bits).checked_shl(u32::from(width - bits)).unwrap_or(0) != value;
        if bits > width || has_host_bits { Err(wrong()) } else { Ok(Self { base, bits }) }
    }
}

impl TryFrom<String> for Cidr {
    type Error = CidrError;
    fn try_from(text: String) -> Result<Self, CidrError> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

/// Why an address is not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the address {address} is not reached: {kind}")]
pub(super) struct Forbidden {
    pub(super) address: IpAddr,
    pub(super) kind: &'static str,
    /// Whether naming a network could change that.
    pub(super) is_allowable: bool,
}

impl Forbidden {
    /// What solves it.
    pub(super) fn hint(&self) -> String {
        if self.is_allowable {
            format!(
                "if this receiver is meant, name its network in `allow` of `[notify]`, as in \"{}/32\"",
                self.address
            )
            .replace("/32", if self.address.is_ipv6() { "/128" } else { "/32" })
        } else {
            "name another receiver".to_owned()
        }
    }
}

/// What kind of client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A web address, encrypted.
    Web,
    /// A web address in the clear: loopback alone.
    PlainWeb,
    /// A mail relay or a collector of logs, which usually stand in one's own network.
    Relay,
}

/// Which addresses a client may reach.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) purpose: Purpose,
    pub(super) allow: Vec<Cidr>,
}

impl Policy {
    /// Judges one address.
    pub(super) fn judge(&self, address: IpAddr) -> Result<(), Forbidden> {
        let real = real(address);
        let forbidden = |kind, is_allowable| Err(Forbidden { address, kind, is_allowable });
        let kind = kind_of(real);
        if self.purpose == Purpose::PlainWeb && kind != Kind::Loopback {
            return forbidden("without TLS the loopback alone is reached", false);
        }
        let is_allowed = || self.allow.iter().any(|network| network.contains(real) || network.contains(address));
        match kind {
            Kind::Public => Ok(()),
            Kind::Never(kind) => forbidden(kind, false),
            Kind::Loopback | Kind::Own(_) if self.purpose == Purpose::Relay || is_allowed() => Ok(()),
            Kind::Special(_) if is_allowed() => Ok(()),
            Kind::Loopback => forbidden("it is the loopback", true),
            Kind::Own(kind) | Kind::Special(kind) => forbidden(kind, true),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    Loopback,
    /// One's own network.
    Own(&'static str),
    /// Reached only where it is allowed.
    Special(&'static str),
    /// Not even then.
    Never(&'static str),
}

/// The IPv4 address that another carries (mapped, or NAT64 by the well-known prefix), else the address itself.
pub(super) fn real(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    if let Some(four) = six.to_ipv4_mapped() {
        return IpAddr::V4(four);
    }
    let is_nat64 = six.to_bits() >> 32 == 0x0064_ff9b_u128 << 64;
    let low = u32::try_from(six.to_bits() & u128::from(u32::MAX)).expect("32 bits");
    if is_nat64 { IpAddr::V4(Ipv4Addr::from_bits(low)) } else { address }
}

fn kind_of(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_of_four(address),
        IpAddr::V6(address) => kind_of_six(address),
    }
}

/// Addresses at which clouds answer with credentials, and one that only looks public.
const METADATA: &[Ipv4Addr] = &[
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 169, 253),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

fn kind_of_four(address: Ipv4Addr) -> Kind {
    if METADATA.contains(&address) {
        return Kind::Never("it is a cloud's metadata service");
    }
    match address.octets() {
        [0, ..] => Kind::Never("it is unspecified"),
        [127, ..] => Kind::Loopback,
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] => Kind::Own("it is private"),
        [100, 64..=127, ..] => Kind::Own("it is shared by a provider's customers"),
        [169, 254, ..] => Kind::Special("it is link-local"),
        [192, 0, 0, _] | [192, 31, 196, _] | [192, 52, 193, _] | [192, 175, 48, _] => {
            Kind::Special("it is reserved for protocols")
        }
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Kind::Special("it is for documentation"),
        [192, 88, 99, _] => Kind::Special("it is a relay of 6to4"),
        [198, 18..=19, ..] => Kind::Special("it is for benchmarks"),
        [224..=239, ..] => Kind::Never("it is a multicast address"),
        [240..=255, ..] => Kind::Never("it is reserved or a broadcast"),
        _ => Kind::Public,
    }
}

fn kind_of_six(address: Ipv6Addr) -> Kind {
    let parts = address.segments();
    if address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254) {
        return Kind::Never("it is a cloud's metadata service");
    }
    match parts {
        [0, 0, 0, 0, 0, 0, 0, 0] => Kind::Never("it is unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Loopback,
        [0xff00..=0xffff, ..] => Kind::Never("it is a multicast address"),
        [0xfe80..=0xfebf, ..] => Kind::Special("it is link-local"),
        [0xfec0..=0xfeff | 0xfc00..=0xfdff, ..] => Kind::Own("it is private"),
        [_, _, _, _, 0 | 0x0200, 0x5efe, ..] => Kind::Special("it tunnels IPv4 (ISATAP)"),
        [0x2001, 0, ..] => Kind::Special("it tunnels IPv4 (Teredo)"),
        [0x2002, ..] => Kind::Special("it tunnels IPv4 (6to4)"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Kind::Special("it is for documentation"),
        [0x2001, 0..=0x01ff, ..] => Kind::Special("it is reserved for protocols"),
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Kind::Special("it is not a public address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().expect("a network")
    }

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "9.9.9.9", true),
            ("0.0.0.0/0", "::1", false),
            ("127.0.0.1/32", "127.0.0.2", false),
            ("fd00::/8", "fdff::1", true),
            ("::1/128", "::1", true),
        ];
        for (network, address, expected) in cases {
            assert_eq!(cidr(network).contains(address.parse().expect("an address")), expected, "{network} {address}");
        }
        assert!(cidr("10.0.0.0/8").covers(&cidr("10.1.0.0/16")) && !cidr("10.1.0.0/16").covers(&cidr("10.0.0.0/8")));
    }

    #[test]
    fn what_is_not_a_network_is_refused() {
        for odd in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0.1/8", "::/129", "a/8", "10.0.0.0/-1", "10.0.0.0/8/8"] {
            assert!(odd.parse::<Cidr>().is_err(), "{odd}");
        }
        assert_eq!(cidr("fd00::/8").to_string(), "fd00::/8");
    }

    #[test]
    fn an_allowed_network_opens_itself_and_never_the_metadata_service() {
        let policy = Policy { purpose: Purpose::Web, allow: vec![cidr("10.0.0.0/8"), cidr("0.0.0.0/0")] };
        for address in ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "9.9.9.9"] {
            assert!(policy.judge(address.parse().expect("an address")).is_ok(), "{address}");
        }
        for address in ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0", "255.255.255.255", "224.0.0.1", "::1"] {
            assert!(policy.judge(address.parse().expect("an address")).is_err(), "{address}");
        }
    }

    #[test]
    fn in_the_clear_the_loopback_alone_is_reached_and_only_where_allowed() {
        let policy =
            |allow: &[&str]| Policy { purpose: Purpose::PlainWeb, allow: allow.iter().map(|a| cidr(a)).collect() };
        let local = "127.0.0.1".parse().expect("an address");
        assert!(policy(&[]).judge(local).is_err());
        assert!(policy(&["127.0.0.0/8"]).judge(local).is_ok());
        assert!(policy(&["10.0.0.0/8"]).judge("10.0.0.1".parse().expect("an address")).is_err());
        assert!(policy(&[]).judge("9.9.9.9".parse().expect("an address")).is_err());
    }
}
