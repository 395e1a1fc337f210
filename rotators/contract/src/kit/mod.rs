//! The conformance kit and doubles.
