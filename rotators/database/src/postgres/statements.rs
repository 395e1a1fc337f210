//! The statements that change something, in one place, and the same with their values masked.

use zeroize::Zeroizing;

use super::quote::{identifier, literal};

/// Gives a role the stored form of a password and, if asked for, an end. Every other attribute stays.
pub(crate) fn alter_password(role: &str, stored: &str, valid_until: Option<&str>) -> Zeroizing<String> {
    let password = literal(stored);
    let tail = valid_until.map(|until| format!(" VALID UNTIL {}", literal(until).as_str())).unwrap_or_default();
    let role = identifier(role);
    // Room for everything at once: a buffer that grows leaves copies behind.
    let mut sql = Zeroizing::new(String::with_capacity(32 + role.len() + password.len() + tail.len()));
    for part in ["ALTER ROLE ", &role, " PASSWORD ", &password, &tail] {
        sql.push_str(part);
    }
    sql
}

/// The same statement as people may see it.
pub(crate) fn alter_password_masked(role: &str, valid_until: Option<&str>) -> String {
    alter_password(role, "********", valid_until).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_role_stays_one_identifier() {
        let sql = alter_password("x\" SUPERUSER; --", "v'", Some("infinity"));
        assert_eq!(sql.as_str(), "ALTER ROLE \"x\"\" SUPERUSER; --\" PASSWORD 'v''' VALID UNTIL 'infinity'");
    }
}
