//! Bounds on what is read: whatever is larger is refused before it is parsed.

/// Bytes of one certificate as DER.
pub const MAX_CERTIFICATE_BYTES: usize = 64 << 10;
/// Bytes of a bundle, in any format.
pub const MAX_BUNDLE_BYTES: usize = 1 << 20;
/// Certificates in one bundle.
pub const MAX_BUNDLE_CERTIFICATES: usize = 256;
/// Subject alternative names in one certificate.
pub const MAX_NAMES: usize = 1000;
/// Subject alternative names in all certificates of a bundle.
pub const MAX_BUNDLE_NAMES: usize = 10_000;
/// Extensions in one certificate.
pub const MAX_EXTENSIONS: usize = 64;
/// How deep one value may stand in another; real certificates need nine.
pub const MAX_DEPTH: usize = 24;
/// Octets of an object identifier.
pub const MAX_OID_BYTES: usize = 64;
/// Octets of a serial number that is read; RFC 5280 allows 20.
pub const MAX_SERIAL_BYTES: usize = 64;
/// Bytes of a private key or of a request, as PEM.
pub const MAX_KEY_BYTES: usize = 64 << 10;
/// Rounds of key derivation, in all, that a PKCS#12 file may cost.
pub const MAX_ROUNDS: u64 = 2_000_000;
