//! What one role has and another has not, as statements.

use std::collections::BTreeSet;

use super::queries::MARK;

/// One thing that a role has, such as a grant. The role is written as [`MARK`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trait {
    /// What it is compared by.
    pub(super) key: String,
    /// The statement that gives it to a role.
    pub(super) add: String,
    /// The statement that takes it away; empty where `add` of another trait does.
    pub(super) remove: String,
}

/// The statements that would give the role with the given identifier what `wanted` has and take what it has beyond.
pub(super) fn differences(wanted: &[Trait], found: &[Trait], role: &str) -> Vec<String> {
    let keys = |traits: &[Trait]| traits.iter().map(|t| t.key.clone()).collect::<BTreeSet<_>>();
    let (wanted_keys, found_keys) = (keys(wanted), keys(found));
    let add = wanted.iter().filter(|t| !found_keys.contains(&t.key)).map(|t| &t.add);
    let remove = found.iter().filter(|t| !wanted_keys.contains(&t.key)).map(|t| &t.remove);
    let statements: BTreeSet<String> =
        add.chain(remove).filter(|sql| !sql.is_empty()).map(|sql| format!("{};", sql.replace(MARK, role))).collect();
    statements.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(key: &str, remove: &str) -> Trait {
        Trait { key: key.to_owned(), add: format!("GRANT {key} TO {MARK}"), remove: remove.replace('@', MARK) }
    }

    #[test]
    fn equal_roles_have_no_difference_whatever_the_order() {
        let (a, b) = (has("x", ""), has("y", ""));
        assert!(differences(&[a.clone(), b.clone()], &[b, a], "r").is_empty());
    }

    #[test]
    fn what_is_missing_is_given_and_what_is_beyond_is_taken() {
        let statements = differences(&[has("x", "")], &[has("y", "REVOKE y FROM @")], "\"b\"");
        assert_eq!(statements, ["GRANT x TO \"b\";", "REVOKE y FROM \"b\";"]);
    }

    #[test]
    fn an_attribute_is_set_and_not_taken() {
        let statements = differences(&[has("CONNECTION LIMIT 5", "")], &[has("CONNECTION LIMIT 9", "")], "b");
        assert_eq!(statements, ["GRANT CONNECTION LIMIT 5 TO b;"]);
    }
}
