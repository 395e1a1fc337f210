//! An X.509 library: keys, authorities, certificates, revocation lists, parsing and the gate. Pure: no clock, no I/O.
