//! Certificates from public authorities by ACME (RFC 8555).
