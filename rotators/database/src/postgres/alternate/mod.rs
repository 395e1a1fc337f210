//! Two login roles that take turns: what keeps them from being each other's equal.
//!
//! Reads catalogues alone; the statements that would make the roles equal are printed and never run. Looked at:
//! ownership, attributes, memberships with their options, settings, grants on shared objects; and in every database
//! that the admin can enter: grants, default privileges, row-security policies and user mappings.

mod difference;
mod pair;
mod queries;

pub(crate) use pair::Pair;
