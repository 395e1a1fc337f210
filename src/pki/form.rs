//! What a file may hold, told by its first bytes, before anything reads it in earnest.

/// A form in which certificates are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Text with certificates, and perhaps with other things (RFC 7468).
    Pem,
    /// A value in DER that may be a certificate.
    Der,
    /// A PKCS#12 file (RFC 7292).
    Pkcs12,
}

/// How the marker of a certificate ends; that of a request does not end so.
const MARKER: &[u8] = b"CERTIFICATE-----";
const SEQUENCE: u8 = 0x30;

/// The form of what may hold a certificate; none where it holds none for sure. Private keys in DER are none.
pub fn form_of(bytes: &[u8]) -> Option<Form> {
    if bytes.first() == Some(&SEQUENCE) {
        return match contents(bytes)? {
            [SEQUENCE, ..] => Some(Form::Der),
            // Its version is 3, which that of no key is.
            [2, 1, 3, ..] => Some(Form::Pkcs12),
            _ => None,
        };
    }
    bytes.windows(MARKER.len()).any(|window| window == MARKER).then_some(Form::Pem)
}

/// What follows the tag and the length of the first value; PKCS#12 files may be of indefinite length.
fn contents(bytes: &[u8]) -> Option<&[u8]> {
    let length = *bytes.get(1)?;
    let octets = if length <= 0x80 { 0 } else { usize::from(length & 0x7f) };
    if octets > 4 { None } else { bytes.get(2 + octets..) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_told_by_the_first_bytes() {
        for (bytes, form) in [
            (&b"-----BEGIN CERTIFICATE-----\nMII"[..], Some(Form::Pem)),
            (b"bag attributes\n-----BEGIN TRUSTED CERTIFICATE-----", Some(Form::Pem)),
            (b"-----BEGIN CERTIFICATE REQUEST-----", None),
            (b"-----BEGIN PRIVATE KEY-----", None),
            (&[0x30, 0x82, 1, 0, 0x30, 0x82], Some(Form::Der)),
            (&[0x30, 0x80, 2, 1, 3], Some(Form::Pkcs12)),
            (&[0x30, 0x82, 1, 0, 2, 1, 3], Some(Form::Pkcs12)),
            (&[0x30, 0x82, 1, 0, 2, 1, 0], None), // a private key
            (&[0x30, 0x77, 2, 1, 1], None),       // one of RFC 5915
            (&[0x30], None),
            (&[0x30, 0x85, 1, 1, 1, 1, 1, 0x30], None),
            (b"", None),
            (&[0x7f, b'E', b'L', b'F'], None),
        ] {
            assert_eq!(form_of(bytes), form, "{bytes:?}");
        }
    }
}
