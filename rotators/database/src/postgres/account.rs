//! What the server's catalogue says about one role, seen by the admin.

use keywheel_contract::{Failure, Target};

use super::{
    admin::Admin,
    job::{Job, Until},
    quote::literal,
};

/// A role as the catalogue has it. Two booleans of the catalogue stay two booleans here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// Whether the role may log in.
    pub(crate) can_log_in: bool,
    /// Whether `VALID UNTIL` has passed by the server's clock.
    pub(crate) is_expired: bool,
    /// `VALID UNTIL` in microseconds since 1970; none when there is no end.
    pub(crate) valid_until: Option<i64>,
    /// Why the admin may not change its password; none when it may.
    pub(crate) obstacle: Option<Obstacle>,
}

/// Why an admin may not change a role's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// It is not a superuser, and only superusers change this role.
    Superuser,
    /// The admin lacks CREATEROLE.
    CreateRole,
    /// The admin lacks ADMIN OPTION on the role (from 16 on).
    AdminOption,
}

impl Account {
    /// Finds a role; none when there is no such role.
    pub(crate) async fn find(admin: &mut Admin, role: &str, sets_end: bool) -> Result<Option<Self>, Failure> {
        let sql = format!(
            "SELECT r.rolcanlogin, r.rolvaliduntil < now(), \
             CASE WHEN r.rolvaliduntil = 'infinity' THEN NULL \
             ELSE (extract(epoch FROM r.rolvaliduntil) * 1000000)::bigint END, \
             me.rolsuper, me.rolcreaterole, r.rolsuper, r.rolreplication, r.rolname = current_user, \
             pg_has_role(current_user, r.oid, 'MEMBER WITH ADMIN OPTION') \
             FROM pg_roles r, pg_roles me WHERE me.rolname = current_user AND r.rolname = {}",
            literal(role).as_str()
        );
        let rows = admin.ask(&sql).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let rights = Rights {
            is_new_model: admin.facts.version >= 160_000,
            admin_is_superuser: row.is_true(3),
            admin_creates_roles: row.is_true(4),
            role_is_superuser: row.is_true(5),
            role_replicates: row.is_true(6),
            is_own_password: row.is_true(7) && !sets_end,
            has_admin_option: row.is_true(8),
        };
        Ok(Some(Self {
            can_log_in: row.is_true(0),
            is_expired: row.is_true(1),
            valid_until: row.number(2),
            obstacle: rights.obstacle(),
        }))
    }
}

/// What decides who may change whose password (`AlterRole` in `user.c`).
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are the catalogue's own flags, read together in one place")]
struct Rights {
    is_new_model: bool,
    admin_is_superuser: bool,
    admin_creates_roles: bool,
    role_is_superuser: bool,
    role_replicates: bool,
    is_own_password: bool,
    has_admin_option: bool,
}

impl Rights {
    fn obstacle(self) -> Option<Obstacle> {
        if self.admin_is_superuser {
            return None;
        }
        if self.role_is_superuser || (self.role_replicates && !self.is_new_model) {
            return Some(Obstacle::Superuser);
        }
        if self.is_own_password {
            return None;
        }
        if !self.admin_creates_roles {
            return Some(Obstacle::CreateRole);
        }
        (self.is_new_model && !self.has_admin_option).then_some(Obstacle::AdminOption)
    }
}

/// Why the server refused a login as 28P01, which it answers alike for several reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WhyRefused {
    /// The password is wrong.
    Wrong,
    /// `VALID UNTIL` has passed.
    Expired,
    /// There is no such role, or it may not log in.
    NoAccount,
    /// The admin could not look.
    NotSeen(String),
}

/// Looks at the account of a refused role. Where no admin is let in either, a wrong password is the plain reading:
/// a self-managed account whose every value is refused must not pass for silence.
pub(crate) async fn why_refused(job: &Job, target: &Target, role: &str, until: Until) -> WhyRefused {
    let looked = async {
        let mut admin = Admin::open(job, target, "keywheel/look", until).await?;
        let account = Account::find(&mut admin, role, false).await;
        admin.close().await;
        account
    };
    match looked.await {
        Ok(None) => WhyRefused::NoAccount,
        Ok(Some(account)) if !account.can_log_in => WhyRefused::NoAccount,
        Ok(Some(account)) if account.is_expired => WhyRefused::Expired,
        Ok(Some(_)) => WhyRefused::Wrong,
        Err(failure) if matches!(failure.code, "postgres-admin-refused" | "postgres-admin-missing") => {
            WhyRefused::Wrong
        }
        Err(failure) => WhyRefused::NotSeen(failure.sentence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_follow_the_version() {
        let none = Rights::default();
        for (rights, expected) in [
            (none, Some(Obstacle::CreateRole)),
            (Rights { admin_is_superuser: true, role_is_superuser: true, ..none }, None),
            (Rights { admin_creates_roles: true, ..none }, None),
            (Rights { admin_creates_roles: true, role_is_superuser: true, ..none }, Some(Obstacle::Superuser)),
            (Rights { admin_creates_roles: true, role_replicates: true, ..none }, Some(Obstacle::Superuser)),
            (Rights { is_own_password: true, ..none }, None),
            (Rights { is_own_password: true, role_replicates: true, ..none }, Some(Obstacle::Superuser)),
            (Rights { is_new_model: true, admin_creates_roles: true, ..none }, Some(Obstacle::AdminOption)),
            (Rights { is_new_model: true, admin_creates_roles: true, has_admin_option: true, ..none }, None),
            (Rights { is_new_model: true, is_own_password: true, role_replicates: true, ..none }, None),
        ] {
            assert_eq!(rights.obstacle(), expected, "{rights:?}");
        }
    }
}
