//! Master key, tenant roots, record keys.
