//! Signed transactions (TSIG, RFC 8945): a request is signed, and its answer must be.

use chrono::{DateTime, Utc};
use ring::hmac;
use zeroize::Zeroizing;

use super::message::{Message, MessageError, Name, class, kind, record};

/// How far clocks may be apart, in seconds; what RFC 8945 recommends.
const FUDGE: u16 = 300;
const COUNT_OF_MORE: std::ops::Range<usize> = 10..12;

/// How messages are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "hmac-sha256" => Some(Self::Sha256),
            "hmac-sha384" => Some(Self::Sha384),
            "hmac-sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "hmac-sha256",
            Self::Sha384 => "hmac-sha384",
            Self::Sha512 => "hmac-sha512",
        }
    }

    fn ring(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// A key that a server shares with us.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) name: Name,
    pub(crate) algorithm: Algorithm,
    pub(crate) secret: Zeroizing<Vec<u8>>,
}

/// Why an answer is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TsigError {
    /// The server does not accept our signature: 16 (wrong), 17 (unknown key), 18 (clocks apart).
    #[error("the DNS server does not accept the key: {}", reason(*.0))]
    Refused(u16),
    /// The answer has no signature, or a wrong one.
    #[error("the DNS server's answer is not signed by the key")]
    Unsigned,
    /// The answer is no DNS.
    #[error(transparent)]
    Message(#[from] MessageError),
}

/// Signs a message in place; answers its MAC, which the answer's signature covers.
pub(crate) fn sign(message: &mut Vec<u8>, key: &Key, now: DateTime<Utc>) -> Vec<u8> {
    let id = [message[0], message[1]];
    let time = seconds(now);
    let mac = mac(key, &[message, &variables(key, time, FUDGE, 0, &[])]);
    let mut bytes = algorithm_name(key);
    bytes.extend(&time.to_be_bytes()[2..]);
    bytes.extend(FUDGE.to_be_bytes());
    bytes.extend(u16::try_from(mac.len()).unwrap_or(0).to_be_bytes());
    bytes.extend(&mac);
    bytes.extend(id);
    bytes.extend([0; 4]);
    record(message, &key.name, kind::TSIG, class::ANY, 0, &bytes);
    change_count(message, 1);
    mac
}

/// Judges the answer to a signed request.
pub(crate) fn verified(answer: &[u8], key: &Key, request_mac: &[u8], now: DateTime<Utc>) -> Result<Message, TsigError> {
    let message = Message::parse(answer)?;
    let signature = message.records.last().filter(|last| last.kind == kind::TSIG).ok_or(TsigError::Unsigned)?;
    let fields = Fields::parse(&signature.bytes, key).ok_or(TsigError::Unsigned)?;
    if fields.error != 0 {
        return Err(TsigError::Refused(fields.error));
    }
    let mut plain = answer[..signature.begins_at].to_vec();
    plain[..2].copy_from_slice(&fields.original_id);
    change_count(&mut plain, u16::MAX);
    let length = u16::try_from(request_mac.len()).unwrap_or(0).to_be_bytes();
    let variables = variables(key, fields.time, fields.fudge, 0, fields.other);
    let covered = [&length[..], request_mac, &plain, &variables].concat();
    let is_in_time = seconds(now).abs_diff(fields.time) <= u64::from(fields.fudge);
    let is_ours = hmac::verify(&hmac::Key::new(key.algorithm.ring(), &key.secret), &covered, fields.mac).is_ok();
    if is_ours && is_in_time && signature.name == key.name { Ok(message) } else { Err(TsigError::Unsigned) }
}

struct Fields<'a> {
    time: u64,
    fudge: u16,
    mac: &'a [u8],
    original_id: [u8; 2],
    error: u16,
    other: &'a [u8],
}

impl<'a> Fields<'a> {
    fn parse(bytes: &'a [u8], key: &Key) -> Option<Self> {
        let rest = bytes.strip_prefix(algorithm_name(key).as_slice())?;
        let (time, rest) = rest.split_first_chunk::<6>()?;
        let time = time.iter().fold(0, |time, byte| time << 8 | u64::from(*byte));
        let (fudge, rest) = number(rest)?;
        let (length, rest) = number(rest)?;
        let (mac, rest) = rest.split_at_checked(usize::from(length))?;
        let (&original_id, rest) = rest.split_first_chunk()?;
        let (error, rest) = number(rest)?;
        let (length, rest) = number(rest)?;
        Some(Self { time, fudge, mac, original_id, error, other: rest.get(..usize::from(length))? })
    }
}

fn number(bytes: &[u8]) -> Option<(u16, &[u8])> {
    bytes.split_first_chunk().map(|(&pair, rest)| (u16::from_be_bytes(pair), rest))
}

fn variables(key: &Key, time: u64, fudge: u16, error: u16, other: &[u8]) -> Vec<u8> {
    let mut bytes = key.name.wire().to_vec();
    bytes.extend(class::ANY.to_be_bytes());
    bytes.extend(0_u32.to_be_bytes());
    bytes.extend(algorithm_name(key));
    bytes.extend(&time.to_be_bytes()[2..]);
    bytes.extend(fudge.to_be_bytes());
    bytes.extend(error.to_be_bytes());
    bytes.extend(u16::try_from(other.len()).unwrap_or(0).to_be_bytes());
    bytes.extend(other);
    bytes
}

fn algorithm_name(key: &Key) -> Vec<u8> {
    Name::parse(key.algorithm.name()).expect("a name that stands here").wire().to_vec()
}

fn mac(key: &Key, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(key.algorithm.ring(), &key.secret));
    for part in parts {
        context.update(part);
    }
    context.sign().as_ref().to_vec()
}

fn seconds(now: DateTime<Utc>) -> u64 {
    u64::try_from(now.timestamp()).unwrap_or(0)
}

fn change_count(message: &mut [u8], by: u16) {
    let count = u16::from_be_bytes([message[10], message[11]]).wrapping_add(by);
    message[COUNT_OF_MORE].copy_from_slice(&count.to_be_bytes());
}

fn reason(code: u16) -> String {
    match code {
        16 => "the signature is wrong, so the secret is another".to_owned(),
        17 => "it knows no key of this name and algorithm".to_owned(),
        18 => "the clocks are too far apart".to_owned(),
        other => format!("code {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::dns::message::{header, question};

    fn key() -> Key {
        let name = Name::parse("acme-key").expect("a name");
        Key { name, algorithm: Algorithm::Sha256, secret: Zeroizing::new(b"secret".to_vec()) }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).expect("a time")
    }

    /// An answer as a server signs it: the request's MAC comes first.
    fn signed_answer(key: &Key, request_mac: &[u8], time: u64) -> Vec<u8> {
        let mut answer = header(7, 0xa800, [1, 0, 0, 0]);
        question(&mut answer, &Name::parse("example.org").expect("a name"), kind::SOA);
        let length = u16::try_from(request_mac.len()).expect("short").to_be_bytes();
        let mac = mac(key, &[&length, request_mac, &answer, &variables(key, time, FUDGE, 0, &[])]);
        let mut bytes = algorithm_name(key);
        bytes.extend(&time.to_be_bytes()[2..]);
        bytes.extend(FUDGE.to_be_bytes());
        bytes.extend([0, 32]);
        bytes.extend(&mac);
        bytes.extend([0, 7, 0, 0, 0, 0]);
        record(&mut answer, &key.name, kind::TSIG, class::ANY, 0, &bytes);
        change_count(&mut answer, 1);
        answer
    }

    #[test]
    fn an_answer_that_was_changed_or_replayed_is_not_accepted() {
        let key = key();
        let mut request = header(7, 0x2800, [0; 4]);
        let mac = sign(&mut request, &key, at(0));
        let answer = signed_answer(&key, &mac, 1_700_000_000);
        assert_eq!(verified(&answer, &key, &mac, at(5)).expect("signed").code, 0);
        // The id is compared by who asked; of the signature's record, class and TTL are not covered.
        let signature = Message::parse(&answer).expect("an answer").records.pop().expect("a signature").begins_at;
        let uncovered = signature + key.name.wire().len() + 2;
        for position in (2..answer.len()).filter(|at| !(uncovered..uncovered + 6).contains(at)) {
            let mut changed = answer.clone();
            changed[position] ^= 1;
            assert!(verified(&changed, &key, &mac, at(5)).is_err(), "byte {position}");
        }
        assert_eq!(verified(&answer, &key, b"another request", at(5)).expect_err("replayed"), TsigError::Unsigned);
        assert_eq!(verified(&answer, &key, &mac, at(301)).expect_err("late"), TsigError::Unsigned);
    }

    #[test]
    fn an_answer_without_a_signature_is_not_accepted() {
        assert_eq!(verified(&header(7, 0xa800, [0; 4]), &key(), b"", at(0)).expect_err("bare"), TsigError::Unsigned);
    }
}
