//! The little of DER (X.690) that stands before and around the parsers: a bounded look at the shape of a value, and
//! the wrapping of one value in another.
//!
//! Only what X.509 and PKCS use: tags of one byte and definite lengths of at most four bytes.

use zeroize::Zeroizing;

use super::limits::{MAX_DEPTH, MAX_OID_BYTES};

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

const CONSTRUCTED: u8 = 0x20;
const LONG_TAG: u8 = 0x1f;

/// One value: its tag and what stands in it.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) tag: u8,
    pub(super) contents: &'a [u8],
}

impl<'a> Item<'a> {
    /// The values in this one, if it holds values.
    pub(super) fn items(&self) -> Items<'a> {
        Items(if self.tag & CONSTRUCTED == 0 { &[] } else { self.contents })
    }
}

/// Reads values one after the other; `None` in place of a value that cannot be read ends it.
pub(super) struct Items<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Items<'a> {
    type Item = Option<Item<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let read = read(self.0);
        self.0 = read.map_or(&[], |(_, rest)| rest);
        Some(read.map(|(item, _)| item))
    }
}

/// Reads the first value of the input, and gives what follows it.
pub(super) fn read(input: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let (&tag, rest) = input.split_first()?;
    if tag & LONG_TAG == LONG_TAG {
        return None;
    }
    let (length, rest) = read_length(rest)?;
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((Item { tag, contents }, rest))
}

fn read_length(input: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = input.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), rest));
    }
    let octets = usize::from(first & 0x7f);
    if octets == 0 || octets > 4 {
        return None;
    }
    let (length, rest) = rest.split_at_checked(octets)?;
    Some((length.iter().fold(0, |sum, &octet| sum << 8 | usize::from(octet)), rest))
}

/// Whether the input is one value, and no deeper than the parsers should be led.
pub(super) fn is_shallow(input: &[u8]) -> bool {
    fn walk(item: Item<'_>, depth: usize) -> bool {
        depth <= MAX_DEPTH
            && (item.tag != OID || item.contents.len() <= MAX_OID_BYTES)
            && item.items().all(|inner| inner.is_some_and(|inner| walk(inner, depth + 1)))
    }
    matches!(read(input), Some((item, [])) if walk(item, 1))
}

/// A value with the tag, made of the parts in their order; wiped when dropped, as it may hold a key.
pub(super) fn wrap(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(length + 6));
    out.push(tag);
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        out.push(short);
    } else {
        let octets = length.to_be_bytes();
        let octets = &octets[octets.iter().take_while(|&&octet| octet == 0).count()..];
        out.push(0x80 | u8::try_from(octets.len()).expect("a length has at most eight octets"));
        out.extend_from_slice(octets);
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrapped_is_read_again() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let wrapped = wrap(OCTET_STRING, &[&vec![7; length]]);
            let (item, rest) = read(&wrapped).expect("it can be read");
            assert_eq!((item.tag, item.contents.len(), rest), (OCTET_STRING, length, &[][..]));
        }
    }

    #[test]
    fn a_value_that_claims_more_than_there_is_is_not_read() {
        for input in [&[0x30u8][..], &[0x30, 0x05, 1], &[0x30, 0x80], &[0x30, 0x85, 1, 1, 1, 1, 1], &[0x1f, 0x00]] {
            assert!(read(input).is_none(), "{input:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested =
            |levels| (1..levels).fold(wrap(SEQUENCE, &[]).to_vec(), |inner, _| wrap(SEQUENCE, &[&inner]).to_vec());
        assert!(is_shallow(&nested(MAX_DEPTH)));
        assert!(!is_shallow(&nested(MAX_DEPTH + 1)));
    }
}
