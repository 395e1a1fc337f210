//! From names of users and groups to numbers, by the local files (passwd(5), group(5)).

use rustix::fs::{Gid, Uid};

use super::{HostError, InstallRules};

/// Whose files become; none where they stay the daemon's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) user: Option<Uid>,
    pub(super) group: Option<Gid>,
}

impl Owner {
    pub(super) fn of(rules: &InstallRules) -> Result<Self, HostError> {
        let user = rules.owner.as_deref().map(|name| look_up("user", name, "/etc/passwd")).transpose()?;
        let group = rules.group.as_deref().map(|name| look_up("group", name, "/etc/group")).transpose()?;
        Ok(Self { user: user.map(Uid::from_raw), group: group.map(Gid::from_raw) })
    }
}

/// All ones means *unchanged* to chown(2) and is nobody's number.
fn look_up(what: &'static str, name: &str, file: &'static str) -> Result<u32, HostError> {
    let unknown = || HostError::UnknownOwner { what, name: name.chars().take(80).collect() };
    if let Ok(number) = name.parse::<u32>() {
        return if number == u32::MAX { Err(unknown()) } else { Ok(number) };
    }
    let lines = std::fs::read_to_string(file).map_err(|cause| HostError::io("read", file, cause))?;
    let found = lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    found.ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found_and_strangers_are_not() {
        assert_eq!(look_up("user", "root", "/etc/passwd").expect("known"), 0);
        assert_eq!(look_up("group", "12", "/etc/group").expect("a number"), 12);
        for name in ["nobody-of-this-name", "4294967295", ""] {
            assert!(matches!(look_up("user", name, "/etc/passwd"), Err(HostError::UnknownOwner { .. })), "{name}");
        }
    }
}
