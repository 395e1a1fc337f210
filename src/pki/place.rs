//! Names for places: a path of any bytes becomes a name of this house, the same one each time.
//!
//! The escape is `=` and two hexadecimal digits: a percent sign would be ambiguous in an address. Two paths have the
//! same name only where a part is longer than a name allows and the digests of both begin alike.

use ring::digest;

use crate::model::{Name, NameError};

/// The longest part of a name.
const LONGEST: usize = 128;
/// What is kept of a part that is longer, before its digest.
const KEPT: usize = 100;

/// A path below a root as a name has it: its parts, each escaped where it must be.
pub fn escape(path: &[u8]) -> String {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).map(part).collect::<Vec<_>>().join("/")
}

/// The name of the secret that tracks the certificate number `slot`, 1 for the first, of a place.
pub fn secret_name(root: &str, path: &str, slot: u32) -> Result<Name, NameError> {
    let suffix = if slot > 1 { format!("#{slot}") } else { String::new() };
    Name::parse(&format!("scan/{root}/{path}{suffix}"))
}

fn part(bytes: &[u8]) -> String {
    let light = std::str::from_utf8(bytes).ok().map(|text| text.chars().map(light).collect::<String>());
    let escaped = match light.filter(|text| Name::parse(text).is_ok() || text.len() > LONGEST && is_printable(text)) {
        Some(text) => text,
        None => bytes.iter().map(|byte| heavy(*byte)).collect(),
    };
    // Room is left for the number of a further certificate.
    if escaped.len() <= LONGEST - 8 {
        return escaped;
    }
    let kept: String = escaped.char_indices().take_while(|(at, c)| at + c.len_utf8() <= KEPT).map(|(_, c)| c).collect();
    let digest = digest::digest(&digest::SHA256, bytes);
    let start = digest.as_ref().iter().take(8).fold(0_u64, |start, byte| start << 8 | u64::from(*byte));
    format!("{}={start:016x}", kept.trim_end())
}

/// Whether each piece of a long text could stand in a name.
fn is_printable(text: &str) -> bool {
    text.is_ascii() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What stands for something else in a name or in an address.
fn is_special(c: char) -> bool {
    matches!(c, '=' | '#' | '%' | '\\')
}

fn light(c: char) -> String {
    if is_special(c) { format!("={:02X}", u32::from(c)) } else { c.to_string() }
}

fn heavy(byte: u8) -> String {
    let c = char::from(byte);
    if c.is_ascii_graphic() && !is_special(c) { c.to_string() } else { format!("={byte:02X}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_escaped_where_a_name_would_not_take_it() {
        for (path, name) in [
            (&b"nginx/tls.pem"[..], "nginx/tls.pem"),
            ("größe/ключ.pem".as_bytes(), "größe/ключ.pem"),
            (b"a b.pem", "a b.pem"),
            (b" a.pem", "=20a.pem"),
            (b"a#2.pem", "a=232.pem"),
            (b"100%.pem", "100=25.pem"),
            (b"a=b", "a=3Db"),
            (b"line\nbreak", "line=0Abreak"),
            (b"\xff\xfe", "=FF=FE"),
            ("e\u{301}".as_bytes(), "e=CC=81"),
            ("a\u{202e}b".as_bytes(), "a=E2=80=AEb"),
            (b"back\\slash", "back=5Cslash"),
        ] {
            assert_eq!(escape(path), name);
            assert!(secret_name("etc", name, 1).is_ok(), "{name}");
        }
    }

    #[test]
    fn long_parts_are_cut_and_stay_apart() {
        let paths = ["x".repeat(255), format!("{}y", "x".repeat(254)), "ö".repeat(127), "\n".repeat(200)];
        let names: std::collections::BTreeSet<String> = paths.iter().map(|path| escape(path.as_bytes())).collect();
        assert_eq!(names.len(), paths.len());
        assert!(names.iter().all(|name| secret_name("etc", name, 9_999).is_ok()), "{names:?}");
    }

    #[test]
    fn further_certificates_of_a_file_have_a_number() {
        let name = |slot| secret_name("etc", "a.pem", slot).map(|name| name.to_string());
        assert_eq!(name(1).as_deref(), Ok("scan/etc/a.pem"));
        assert_eq!(name(2).as_deref(), Ok("scan/etc/a.pem#2"));
    }
}
