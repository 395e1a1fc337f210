//! Networks as people write them: `10.0.0.0/8`.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

/// A network: an address whose host bits are zero, and how many bits are not host bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

/// Why a text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network: expected one like `10.0.0.0/8` or `fd00::/8`, its host bits zero")]
pub struct NetworkError(String);

impl TryFrom<String> for Network {
    type Error = NetworkError;
    fn try_from(text: String) -> Result<Self, NetworkError> {
        let read = || {
            let (base, bits) = text.split_once('/')?;
            let (base, bits): (IpAddr, u8) = (base.parse().ok()?, bits.parse().ok()?);
            let (number, width) = match base {
                IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
                IpAddr::V6(address) => (address.to_bits(), 128),
            };
            let host_bits = width - u32::from(bits).min(width);
            let is_network = u32::from(bits) <= width && number.trailing_zeros() >= host_bits;
            is_network.then_some(Self { base, bits })
        };
        read().ok_or_else(|| NetworkError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_survive_their_text() {
        for text in ["10.0.0.0/8", "127.0.0.1/32", "0.0.0.0/0", "fd00::/8", "::1/128"] {
            assert_eq!(Network::try_from(text.to_owned()).map(String::from), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_not_a_network_is_refused() {
        for text in ["", "10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "fd00::/129", "::1/64", "host/8", "10.0.0.0/x"] {
            assert!(Network::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
