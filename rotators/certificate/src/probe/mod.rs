//! Handshakes that prove which certificate is served.
