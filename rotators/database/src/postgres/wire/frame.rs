//! Messages: a tag, a length that counts itself, a body
//! (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use zeroize::Zeroizing;

use super::{WireError, stream::Stream};

/// The largest message that is read, in bytes; catalogue rows are far smaller.
const LARGEST: usize = 16 << 20;

/// The fields of an error or a notice: a letter and a text each.
pub(super) type Fields = Vec<(u8, String)>;

/// One message of the server.
pub(super) struct Frame {
    pub(super) tag: u8,
    pub(super) body: Vec<u8>,
}

/// A connection that sends and receives whole messages.
pub(super) struct Frames(BufReader<Box<dyn Stream>>);

impl Frames {
    pub(super) fn over(stream: Box<dyn Stream>) -> Self {
        Self(BufReader::new(stream))
    }

    /// Sends a message and flushes it.
    pub(super) async fn send(&mut self, message: &Outgoing) -> Result<(), WireError> {
        let sent = async {
            self.0.write_all(&message.0).await?;
            self.0.flush().await
        };
        sent.await.map_err(|cause| WireError::silent("sending", cause))
    }

    /// Receives the next message; an error of the server is an `Err`, notices and parameters are passed over.
    pub(super) async fn receive(&mut self) -> Result<Frame, WireError> {
        loop {
            let frame = self.receive_any().await?;
            match frame.tag {
                b'N' | b'S' | b'A' => {}
                b'E' => return Err(WireError::from_fields(&Cursor(&frame.body).fields()?)),
                _ => return Ok(frame),
            }
        }
    }

    async fn receive_any(&mut self) -> Result<Frame, WireError> {
        let lost = |cause| WireError::silent("waiting for an answer", cause);
        let tag = self.0.read_u8().await.map_err(lost)?;
        let length = self.0.read_u32().await.map_err(lost)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !(4..=LARGEST).contains(&length) {
            return Err(WireError::protocol(format!("a message of {length} bytes")));
        }
        let mut body = vec![0; length - 4];
        self.0.read_exact(&mut body).await.map_err(lost)?;
        Ok(Frame { tag, body })
    }
}

/// One message to the server, in a buffer that never grows and is wiped when dropped.
pub(super) struct Outgoing(Zeroizing<Vec<u8>>);

impl Outgoing {
    /// A message of the given tag (none for the first one of a connection) and parts.
    pub(super) fn new(tag: Option<u8>, parts: &[&[u8]]) -> Result<Self, WireError> {
        let length = 4 + parts.iter().map(|part| part.len()).sum::<usize>();
        let counted = u32::try_from(length).ok().filter(|_| length <= LARGEST);
        let counted = counted.ok_or_else(|| WireError::protocol(format!("a message of {length} bytes")))?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(length + 1));
        bytes.extend(tag);
        bytes.extend(counted.to_be_bytes());
        for part in parts {
            bytes.extend_from_slice(part);
        }
        Ok(Self(bytes))
    }
}

/// Reads a body from its beginning on; what is too short is an error, not a panic.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (head, tail) = self.0.split_at_checked(count).ok_or_else(|| WireError::protocol("a cut message"))?;
        self.0 = tail;
        Ok(head)
    }

    pub(super) fn int16(&mut self) -> Result<u16, WireError> {
        Ok(u16::from_be_bytes(self.bytes(2)?.try_into().expect("two bytes were taken")))
    }

    pub(super) fn int32(&mut self) -> Result<i32, WireError> {
        Ok(i32::from_be_bytes(self.bytes(4)?.try_into().expect("four bytes were taken")))
    }

    pub(super) fn text(&mut self) -> Result<String, WireError> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or_else(|| WireError::protocol("a cut text"))?;
        let text = String::from_utf8_lossy(self.bytes(end)?).into_owned();
        self.bytes(1)?;
        Ok(text)
    }

    fn fields(&mut self) -> Result<Fields, WireError> {
        let mut fields = Vec::new();
        loop {
            match self.bytes(1)?[0] {
                0 => return Ok(fields),
                kind => fields.push((kind, self.text()?)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_its_length_but_not_its_tag() {
        let message = Outgoing::new(Some(b'Q'), &[b"SELECT 1", b"\0"]).expect("small");
        assert_eq!(&message.0[..], b"Q\0\0\0\x0dSELECT 1\0");
    }

    #[test]
    fn a_cut_body_is_an_error_and_no_panic() {
        assert!(Cursor(b"Mabc").fields().is_err());
        assert!(Cursor(b"\0").int16().is_err());
        assert!(Cursor(b"").text().is_err());
    }

    #[tokio::test]
    async fn a_length_out_of_bounds_is_refused_before_memory_is_taken() {
        for bytes in [&b"T\0\0\0\x03"[..], b"T\xff\xff\xff\xff"] {
            let mut frames = Frames::over(Box::new(tokio_test_stream(bytes)));
            assert!(matches!(frames.receive().await, Err(WireError::Protocol { .. })));
        }
    }

    fn tokio_test_stream(bytes: &[u8]) -> tokio::io::DuplexStream {
        let (near, mut far) = tokio::io::duplex(64);
        let bytes = bytes.to_vec();
        tokio::spawn(async move {
            let _ = far.write_all(&bytes).await;
        });
        near
    }
}
