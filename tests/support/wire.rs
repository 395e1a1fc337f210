//! Where the messages of PostgreSQL's protocol 3.0 end, in bytes recorded by the proxy.
//!
//! Source: the manual of PostgreSQL, chapter "Frontend/Backend Protocol", "Message Formats". Only
//! clear connections can be read; under TLS there are no borders to see.

/// The code of a request for TLS, in place of a version.
const SSL_REQUEST: u32 = 80_877_103;

/// The offset after each whole message that a client sent.
pub(crate) fn borders_to_server(bytes: &[u8]) -> Vec<usize> {
    let mut borders = Vec::new();
    let mut at = 0;
    // The first messages have no type: requests for encryption, then the start-up.
    while let Some(length) = number(bytes, at) {
        let is_last = number(bytes, at + 4) != Some(SSL_REQUEST);
        at += length as usize;
        if length < 8 || at > bytes.len() {
            return borders;
        }
        borders.push(at);
        if is_last {
            break;
        }
    }
    typed(bytes, at, borders)
}

/// The offset after each whole message that a server sent; `asked_for_tls` says that the client's
/// first message was a request for TLS, whose answer is a single byte.
pub(crate) fn borders_to_client(bytes: &[u8], asked_for_tls: bool) -> Vec<usize> {
    if asked_for_tls && !bytes.is_empty() { typed(bytes, 1, vec![1]) } else { typed(bytes, 0, Vec::new()) }
}

/// Whether the first message of a client's bytes is a request for TLS.
pub(crate) fn asks_for_tls(bytes: &[u8]) -> bool {
    number(bytes, 4) == Some(SSL_REQUEST)
}

/// The types of the whole messages after the start-up, as in `p`, `Q`, `X`.
pub(crate) fn types_to_server(bytes: &[u8]) -> Vec<char> {
    let borders = borders_to_server(bytes);
    let first_typed = 1 + usize::from(asks_for_tls(bytes));
    borders.windows(2).skip(first_typed - 1).map(|pair| char::from(bytes[pair[0]])).collect()
}

fn typed(bytes: &[u8], mut at: usize, mut borders: Vec<usize>) -> Vec<usize> {
    while let Some(length) = number(bytes, at + 1) {
        at += 1 + length as usize;
        if length < 4 || at > bytes.len() {
            break;
        }
        borders.push(at);
    }
    borders
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

mod tests {
    use super::*;

    fn message(kind: &str, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("a short message").to_be_bytes();
        [kind.as_bytes(), &length, body].concat()
    }

    #[test]
    fn a_client_s_stream_is_cut_at_its_messages() {
        let tls = message("", &SSL_REQUEST.to_be_bytes());
        let start = message("", b"\0\x03\0\0user\0a\0\0");
        let query = message("Q", b"select 1\0");
        let stream = [tls.clone(), start.clone(), query.clone(), message("X", b"")].concat();
        let expected = [8, 8 + start.len(), 8 + start.len() + query.len(), stream.len()];
        assert_eq!(borders_to_server(&stream), expected);
        assert_eq!(types_to_server(&stream), ['Q', 'X']);
        assert_eq!(borders_to_server(&stream[..stream.len() - 1]), expected[..3]);
        assert_eq!(types_to_server(&stream[8..]), ['Q', 'X']);
    }

    #[test]
    fn a_server_s_stream_may_begin_with_the_answer_to_the_request_for_tls() {
        let stream = [message("R", b"\0\0\0\0"), message("Z", b"I")].concat();
        assert_eq!(borders_to_client(&stream, false), [9, 15]);
        assert_eq!(borders_to_client(&[b"N".to_vec(), stream].concat(), true), [1, 10, 16]);
    }
}
