//! PEM (RFC 7468): finding blocks in a text in one pass, decoding one, writing one.
//!
//! Text around the blocks is ignored, as tools write it. A block that does not end, or in which another begins, is an
//! error and ends the reading.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
const LINE_BYTES: usize = 48;

/// Why a text is not PEM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PemError {
    #[error("a line that should begin a block is damaged")]
    Begin,
    #[error("a block does not end")]
    Unfinished,
    #[error("a block ends under another label")]
    Label,
    #[error("a block is not base64")]
    Base64,
    #[error("a block is too large")]
    TooLarge,
}

/// A block that was found and not yet decoded.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) label: &'a [u8],
    pub(super) body: &'a [u8],
}

impl Block<'_> {
    /// The bytes of the block, at most so many; wiped when dropped, as they may be a key.
    pub(super) fn decode(&self, most: usize) -> Result<Zeroizing<Vec<u8>>, PemError> {
        if self.body.len() > most.saturating_mul(2) {
            return Err(PemError::TooLarge);
        }
        let mut dense = Zeroizing::new(Vec::with_capacity(self.body.len()));
        dense.extend(self.body.iter().filter(|byte| !byte.is_ascii_whitespace()));
        let mut bytes = Zeroizing::new(vec![0; dense.len() / 4 * 3 + 3]);
        let length = STANDARD.decode_slice(&*dense, &mut bytes).map_err(|_| PemError::Base64)?;
        bytes.truncate(length);
        if length > most { Err(PemError::TooLarge) } else { Ok(bytes) }
    }
}

/// The blocks of a text, in their order.
pub(super) fn blocks(text: &[u8]) -> Blocks<'_> {
    Blocks { rest: text }
}

pub(super) struct Blocks<'a> {
    rest: &'a [u8],
}

impl<'a> Blocks<'a> {
    fn line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|&byte| byte == b'\n').map_or(self.rest.len(), |at| at + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(line)
    }

    fn block(&mut self, begin: &'a [u8]) -> Result<Block<'a>, PemError> {
        let label = label_of(begin, BEGIN).ok_or(PemError::Begin)?;
        let from = self.rest;
        loop {
            let left = self.rest.len();
            let line = self.line().ok_or(PemError::Unfinished)?;
            if line.starts_with(BEGIN) {
                return Err(PemError::Unfinished);
            }
            if line.starts_with(END) {
                let body = &from[..from.len() - left];
                return if label_of(line, END) == Some(label) {
                    Ok(Block { label, body })
                } else {
                    Err(PemError::Label)
                };
            }
        }
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<Block<'a>, PemError>;

    fn next(&mut self) -> Option<Self::Item> {
        let begin = loop {
            let line = self.line()?;
            if line.starts_with(BEGIN) {
                break line;
            }
        };
        let block = self.block(begin);
        if block.is_err() {
            self.rest = &[];
        }
        Some(block)
    }
}

fn label_of<'a>(line: &'a [u8], opening: &[u8]) -> Option<&'a [u8]> {
    line.trim_ascii_end().strip_prefix(opening)?.strip_suffix(DASHES)
}

/// Writes a block. Room is made for all of it at once, so that no copy of a key stays behind.
pub(super) fn encode(label: &str, der: &[u8]) -> String {
    let lines = der.len().div_ceil(LINE_BYTES);
    let mut text = String::with_capacity(der.len().div_ceil(3) * 4 + lines + 2 * label.len() + 32);
    text.extend(["-----BEGIN ", label, "-----\n"]);
    for line in der.chunks(LINE_BYTES) {
        STANDARD.encode_string(line, &mut text);
        text.push('\n');
    }
    text.extend(["-----END ", label, "-----\n"]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<Vec<u8>, PemError>> {
        blocks(text.as_bytes())
            .map(|block| block.and_then(|block| block.decode(1000)).map(|der| der.to_vec()))
            .collect()
    }

    #[test]
    fn what_is_written_is_read_between_other_text() {
        for length in [0, 1, 47, 48, 49, 500] {
            let der = vec![9; length];
            let text = format!("subject=x\r\n{}\nend", encode("THING", &der).replace('\n', "\r\n"));
            assert_eq!(read(&text), [Ok(der)]);
        }
    }

    #[test]
    fn no_second_buffer_is_needed_to_write() {
        let text = encode("PRIVATE KEY", &[1; 1234]);
        assert!(text.capacity() - text.len() < 8, "{} of {}", text.len(), text.capacity());
    }

    #[test]
    fn damage_is_an_error_and_ends_the_reading() {
        let cases = [
            ("-----BEGIN A----\n", PemError::Begin),
            ("-----BEGIN A-----\nAA==\n", PemError::Unfinished),
            ("-----BEGIN A-----\n-----BEGIN A-----\n-----END A-----\n", PemError::Unfinished),
            ("-----BEGIN A-----\n-----END B-----\n", PemError::Label),
            ("-----BEGIN A-----\nA-A=\n-----END A-----\n", PemError::Base64),
        ];
        for (text, error) in cases {
            assert_eq!(read(text), [Err(error)], "{text}");
        }
    }

    #[test]
    fn a_block_larger_than_allowed_is_refused() {
        assert_eq!(read(&encode("A", &[0; 1001])), [Err(PemError::TooLarge)]);
    }
}
