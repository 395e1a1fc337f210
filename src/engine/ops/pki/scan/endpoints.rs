//! Looking at endpoints: a handshake with each, so many at a time.

use std::time::Duration;

use futures_util::{StreamExt, stream};

use crate::{
    engine::{
        Trouble,
        ops::{asked::invalid, pki::record::issuer_of},
    },
    pki::{
        Seen,
        probe::{Presented, ProbeAddress, StartTls, handshake},
        problems,
        x509::{Certificate, Facts},
    },
};

/// The most endpoints of a scan.
const MOST: usize = 1_000;
/// Handshakes at the same time.
const AT_ONCE: usize = 32;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// An endpoint as it was written, and how it is reached.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// Host and port, and the name that is asked for where it was given.
    pub(super) place: String,
    address: ProbeAddress,
}

/// Reads `HOST:PORT;starttls=smtp;name=shop.example.org`. Errors: `endpoint-invalid`, `endpoints-too-many`.
pub(super) fn read(lines: &[String]) -> Result<Vec<Endpoint>, Trouble> {
    if lines.len() > MOST {
        let sentence = format!("the list has {} endpoints, at most {MOST} are looked at", lines.len());
        return Err(invalid("endpoints-too-many", sentence, "make several scans of it"));
    }
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for line in lines {
        let endpoint = read_one(line)?;
        if !endpoints.iter().any(|known| known.place == endpoint.place) {
            endpoints.push(endpoint);
        }
    }
    Ok(endpoints)
}

fn read_one(line: &str) -> Result<Endpoint, Trouble> {
    let hint = "write `HOST:PORT`, or `HOST:PORT;starttls=smtp;name=mail.example.org`";
    let refused = |because: String| invalid("endpoint-invalid", because, hint);
    let mut parts = line.trim().split(';').map(str::trim);
    let text = parts.next().unwrap_or_default();
    let (mut name, mut starttls) = (None, None);
    for part in parts {
        match part.split_once('=') {
            Some(("name", value)) => name = Some(value),
            Some(("starttls", value)) => {
                let read = serde_json::from_value::<StartTls>(value.into());
                let read =
                    read.map_err(|_| refused(format!("`{value}` is no protocol: `smtp`, `imap`, `postgres`")))?;
                starttls = Some(read);
            }
            _ => return Err(refused(format!("`{part}` is nothing that an endpoint has"))),
        }
    }
    let address = ProbeAddress::parse(text, name, starttls).map_err(|error| refused(error.to_string()))?;
    let place = match name {
        Some(name) => format!("{};name={name}", address.name()),
        None => address.name(),
    };
    Ok(Endpoint { place, address })
}

/// What an endpoint presents, or why that is not known.
pub(super) type Presents = Result<Seen, String>;

/// Looks at all endpoints, in their order.
pub(super) async fn look(endpoints: Vec<Endpoint>) -> Vec<(String, Presents)> {
    let looks = endpoints.into_iter().map(|endpoint| async move {
        let presents = look_at(&endpoint.address).await;
        (endpoint.place, presents)
    });
    stream::iter(looks).buffered(AT_ONCE).collect().await
}

async fn look_at(address: &ProbeAddress) -> Presents {
    let mut seen: Vec<Seen> = Vec::new();
    let mut failure = None;
    for sighting in handshake(address, PATIENCE).await {
        match sighting.seen.map_err(|error| error.to_string()).and_then(|presented| facts_of(&presented)) {
            Ok(one) => seen.push(one),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    // A name may have several addresses: the one that ends first is what people will notice.
    let Some(mut first) = seen.iter().min_by_key(|one| one.not_after).cloned() else {
        return Err(failure.unwrap_or_else(|| "it has no address".to_owned()));
    };
    if seen.iter().any(|other| other.sha256 != first.sha256) {
        first.problems.push("addresses-differ".to_owned());
    }
    Ok(first)
}

fn facts_of(presented: &Presented) -> Result<Seen, String> {
    let read = |der: &Vec<u8>| Certificate::from_der(der).map_err(|error| error.to_string());
    let leaf = read(&presented.leaf_der)?;
    let chain: Vec<Certificate> = presented.chain_der.iter().take(16).filter_map(|der| read(der).ok()).collect();
    let others: Vec<&Facts> = chain.iter().map(Certificate::facts).collect();
    let found = problems(leaf.facts(), &others, true);
    Ok(Seen::of(leaf.facts(), issuer_of(leaf.facts()), found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(lines: &[&str]) -> Result<Vec<String>, String> {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let read = read(&lines).map_err(|trouble| trouble.code.into_owned())?;
        Ok(read.into_iter().map(|endpoint| endpoint.place).collect())
    }

    #[test]
    fn endpoints_are_read_as_people_write_them() {
        for (line, place) in [
            ("shop.example.org:443", "shop.example.org:443"),
            (" [::1]:25;starttls=smtp ", "[::1]:25"),
            ("10.0.0.1:443;name=shop.example.org", "10.0.0.1:443;name=shop.example.org"),
        ] {
            assert_eq!(places(&[line, line]).expect("read"), [place]);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for line in ["", "shop", "a:1;starttls=ftp", "a:1;sni=b", "a:1;name=not a name", "a:1;"] {
            assert_eq!(places(&[line]), Err("endpoint-invalid".to_owned()), "{line}");
        }
    }
}
