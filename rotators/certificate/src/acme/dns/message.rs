//! Messages on the wire: names, questions, records (RFC 1035, section 4). Reading is bounded and never panics.

/// Types of records.
pub(crate) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const TSIG: u16 = 250;
}

/// Classes of records.
pub(crate) mod class {
    pub(crate) const IN: u16 = 1;
    pub(crate) const NONE: u16 = 254;
    pub(crate) const ANY: u16 = 255;
}

const HEADER: usize = 12;
const MOST_RECORDS: usize = 256;
const MOST_JUMPS: usize = 64;

/// Why bytes or a text are no DNS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    /// A name that cannot be written.
    #[error("`{0}` is no DNS name")]
    Name(String),
    /// Bytes that cannot be read.
    #[error("the DNS server's answer makes no sense")]
    Garbled,
}

/// A name as it goes over the wire, in lower case and uncompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(Vec<u8>);

impl Name {
    pub(crate) fn parse(text: &str) -> Result<Self, MessageError> {
        let odd = || MessageError::Name(text.to_owned());
        let mut wire = Vec::new();
        for label in text.trim_end_matches('.').split('.') {
            let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length)).ok_or_else(odd)?;
            wire.push(length);
            wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        wire.push(0);
        if wire.len() > 255 || !text.is_ascii() { Err(odd()) } else { Ok(Self(wire)) }
    }

    pub(crate) fn wire(&self) -> &[u8] {
        &self.0
    }

    /// The name without its first label; `None` for the root.
    pub(crate) fn parent(&self) -> Option<Self> {
        let first = usize::from(*self.0.first()?);
        (first > 0).then(|| Self(self.0[first + 1..].to_vec()))
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0 == [0]
    }
}

/// A record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) name: Name,
    pub(crate) kind: u16,
    pub(crate) bytes: Vec<u8>,
    /// Where it begins in the message.
    pub(crate) begins_at: usize,
}

/// An answer that was read.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: u16,
    pub(crate) code: u8,
    pub(crate) is_response: bool,
    pub(crate) is_cut: bool,
    /// Of all sections, in order.
    pub(crate) records: Vec<Record>,
}

/// A query for one name and type; recursion is wanted.
pub(crate) fn query(id: u16, name: &Name, kind: u16) -> Vec<u8> {
    let mut message = header(id, 0x0100, [1, 0, 0, 0]);
    question(&mut message, name, kind);
    message
}

/// The head of a message: flags, and how many entries each section has.
pub(crate) fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    [id, flags].into_iter().chain(counts).flat_map(u16::to_be_bytes).collect()
}

pub(crate) fn question(message: &mut Vec<u8>, name: &Name, kind: u16) {
    message.extend(name.wire());
    message.extend(kind.to_be_bytes());
    message.extend(class::IN.to_be_bytes());
}

/// Appends a record; its bytes are at most 65,535.
pub(crate) fn record(message: &mut Vec<u8>, name: &Name, kind: u16, class: u16, ttl: u32, bytes: &[u8]) {
    message.extend(name.wire());
    message.extend(kind.to_be_bytes());
    message.extend(class.to_be_bytes());
    message.extend(ttl.to_be_bytes());
    message.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    message.extend(bytes);
}

/// The texts of a TXT record, joined.
pub(crate) fn txt(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest = bytes;
    while let Some((&length, after)) = rest.split_first() {
        let (part, after) = after.split_at(usize::from(length).min(after.len()));
        text.extend(part);
        rest = after;
    }
    text
}

impl Message {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut reader = Reader { bytes, at: 0 };
        let [id, flags, questions, answers, authorities, more] = reader.header()?;
        for _ in 0..questions {
            reader.name()?;
            reader.take(4)?;
        }
        let count = usize::from(answers) + usize::from(authorities) + usize::from(more);
        if count > MOST_RECORDS {
            return Err(MessageError::Garbled);
        }
        let records = (0..count).map(|_| reader.record()).collect::<Result<_, _>>()?;
        let code = (flags & 0x000f) as u8;
        Ok(Self { id, code, is_response: flags & 0x8000 != 0, is_cut: flags & 0x0200 != 0, records })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], MessageError> {
        let end = self.at.checked_add(length).ok_or(MessageError::Garbled)?;
        let taken = self.bytes.get(self.at..end).ok_or(MessageError::Garbled)?;
        self.at = end;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u16, MessageError> {
        self.take(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
    }

    fn header(&mut self) -> Result<[u16; HEADER / 2], MessageError> {
        let mut fields = [0; HEADER / 2];
        for field in &mut fields {
            *field = self.number()?;
        }
        Ok(fields)
    }

    fn record(&mut self) -> Result<Record, MessageError> {
        let begins_at = self.at;
        let (name, kind) = (self.name()?, self.number()?);
        self.take(6)?;
        let length = self.number()?;
        Ok(Record { name, kind, bytes: self.take(usize::from(length))?.to_vec(), begins_at })
    }

    /// A name, whose end may stand elsewhere in the message; only ever further ahead of where it is pointed from.
    fn name(&mut self) -> Result<Name, MessageError> {
        let mut wire = Vec::new();
        let mut back_to = None;
        for _ in 0..MOST_JUMPS + 128 {
            let length = self.take(1)?[0];
            match length {
                0 => {
                    wire.push(0);
                    self.at = back_to.unwrap_or(self.at);
                    return if wire.len() > 255 { Err(MessageError::Garbled) } else { Ok(Name(wire)) };
                }
                1..=63 => {
                    wire.push(length);
                    wire.extend(self.take(usize::from(length))?.iter().map(u8::to_ascii_lowercase));
                }
                192.. => {
                    let low = self.take(1)?[0];
                    back_to.get_or_insert(self.at);
                    self.at = usize::from(length & 63) << 8 | usize::from(low);
                }
                _ => return Err(MessageError::Garbled),
            }
        }
        Err(MessageError::Garbled)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_written_in_lower_case_and_bounded() {
        assert_eq!(Name::parse("WWW.example.").expect("a name").wire(), b"\x03www\x07example\0");
        for odd in ["", ".", "a..b", &"a".repeat(64), &"abcdefgh.".repeat(40), "ö.example"] {
            assert!(Name::parse(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn an_answer_with_a_pointer_is_read() {
        let mut message = header(7, 0x8180, [1, 1, 0, 0]);
        question(&mut message, &Name::parse("a.example").expect("a name"), kind::TXT);
        message.extend(b"\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x04\x03abc");
        let read = Message::parse(&message).expect("an answer");
        assert_eq!((read.id, read.code, read.is_response, read.is_cut), (7, 0, true, false));
        let record = &read.records[0];
        assert_eq!(
            (record.name.wire(), record.kind, txt(&record.bytes)),
            (&b"\x01a\x07example\0"[..], 16, b"abc".to_vec())
        );
    }

    #[test]
    fn a_name_that_points_at_itself_is_garbled() {
        let mut message = header(7, 0x8180, [0, 1, 0, 0]);
        message.extend(b"\xc0\x0c\0\x10\0\x01\0\0\0\0\0\0");
        assert_eq!(Message::parse(&message).expect_err("garbled"), MessageError::Garbled);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = Message::parse(&bytes);
            let _ = txt(&bytes);
        }
    }
}
