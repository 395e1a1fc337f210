//! The changes: apply, revert and retire, for one role and for two.

use keywheel_contract::{Applied, Cx, Failure, Finding, FindingKind, Material, Redactor, Standing, Target, Work};

use super::{
    admin::{Admin, Facts},
    alternate::Pair,
    classify::{Entry, entry_of},
    idle::Idle,
    job::{Credential, Job, Until},
    knock::knock,
    settings::{PasswordForm, Strategy},
    settle::session_name,
    statements,
    stored::{SCRAM, stored_form, unknown_password},
    wire::{Login, log_in},
};

/// What every change is given.
pub(crate) struct Change<'a> {
    pub(crate) cx: &'a Cx<'a>,
    pub(crate) idle: &'a Idle,
    pub(crate) job: &'a Job,
    pub(crate) target: &'a Target,
    pub(crate) work: &'a Work,
    pub(crate) until: Until,
}

impl Change<'_> {
    /// Gives the candidate's role the candidate's password.
    pub(crate) async fn apply(&self, candidate: &Material) -> Result<Applied, Failure> {
        let new = Credential::read("secret.candidate", candidate)?;
        self.guard(new.role, "secret.candidate")?;
        let until = self.job.secret.valid_until_text(self.work.next_due_at)?;
        let mut admin = self.open(&[candidate]).await?;
        let changed = match self.compare(&mut admin).await {
            Ok(()) => self.set(&mut admin, new, until.as_deref()).await,
            Err(failure) => Err(failure),
        };
        let proven = match changed {
            Ok(()) if self.job.secret.is_self_managed => self.prove_or_put_back(&mut admin, new).await,
            other => other,
        };
        self.leave(admin, proven.is_ok()).await;
        proven.map(|()| Applied { issued: None })
    }

    /// Puts back what was before: the current password of a single role, an unknown one of an alternate role.
    pub(crate) async fn revert(&self, candidate: &Material) -> Result<(), Failure> {
        let new = Credential::read("secret.candidate", candidate)?;
        self.guard(new.role, "secret.candidate")?;
        let current = self.work.current.as_ref().map(|m| Credential::read("secret.current", m)).transpose()?;
        match (&self.job.secret.strategy, current) {
            (Strategy::Alternate { .. }, current) => match current {
                Some(current) if current.role == new.role => Err(live_role(new.role)),
                _ => self.scramble(new.role).await,
            },
            (Strategy::Single { .. }, Some(current)) if current.role == new.role => {
                let mut admin = self.open(&[candidate]).await?;
                let restored = self.put_back(&mut admin, current).await;
                self.leave(admin, restored.is_ok()).await;
                restored?;
                self.expect_accepted(current).await
            }
            // The role was another one: the credential that is in use was not touched.
            (Strategy::Single { .. }, Some(_)) => self.scramble(new.role).await,
            (Strategy::Single { .. }, None) => self.nothing_to_go_back_to(new).await,
        }
    }

    /// Makes the old credential refused. The role that is in use is only asked, never changed.
    pub(crate) async fn retire(&self, old: &Material, live: &Material) -> Result<(), Failure> {
        let old = Credential::read("secret.old", old)?;
        let live = Credential::read("secret.live", live)?;
        if old.role != live.role {
            let owner = match &self.job.secret.strategy {
                Strategy::Alternate { owner, .. } => Some(owner.as_str()),
                Strategy::Single { .. } => None,
            };
            let is_admin = self.target.admins.iter().any(|admin| admin.text("username") == Some(old.role));
            if is_admin || owner == Some(old.role) {
                return Err(live_role(old.role));
            }
            return self.scramble(old.role).await;
        }
        // A role holds one password. Where there is one server, the login by which the live one was verified has shown
        // that it is not the old one; further servers may follow late.
        if old.password == live.password || self.job.target.endpoints.len() == 1 {
            return Ok(());
        }
        self.expect_refused(old).await
    }

    /// Before roles change turns they must have equal rights, in every database that the admin can look into.
    async fn compare(&self, admin: &mut Admin) -> Result<(), Failure> {
        let Some(pair) = Pair::of(self.job, self.work) else { return Ok(()) };
        let problems = pair.problems(admin, self.job, self.target, self.until).await?;
        match problems.into_iter().find(|problem| problem.kind == FindingKind::Blocks) {
            None => Ok(()),
            Some(Finding { sentence, hint, .. }) => {
                Err(Failure::misconfigured("secret.roles", "postgres-roles-differ", sentence, hint))
            }
        }
    }

    /// Opens the admin session whose name the rotation's settling looks for.
    async fn open(&self, more: &[&Material]) -> Result<Admin, Failure> {
        let name = session_name(&self.work.rotation);
        let mut admin = Admin::open_kept(self.idle, self.job, self.target, &name, self.until).await?;
        let known = self.target.admins.iter().chain(&self.work.current).chain(more.iter().copied());
        admin.redact_with(Redactor::of(known, &["username"]));
        if admin.facts.is_in_recovery {
            admin.close().await;
            return Err(Failure::transient(
                "postgres-read-only",
                "the server is a standby and takes no changes",
                "point the target's `host` at the primary",
            ));
        }
        Ok(admin)
    }

    /// Lets the session wait for the next change, or ends it where something went wrong.
    async fn leave(&self, admin: Admin, went_well: bool) {
        match self.idle.whose(self.job, self.target).filter(|_| went_well) {
            Some(whose) => admin.keep(self.idle, whose).await,
            None => admin.close().await,
        }
    }

    async fn set(&self, admin: &mut Admin, credential: Credential<'_>, until: Option<&str>) -> Result<(), Failure> {
        let stored = stored_form(self.cx.random, self.job.secret.form, &admin.facts, credential).await?;
        admin.change(&statements::alter_password(credential.role, &stored, until)).await
    }

    /// Gives a role a password that nobody knows.
    async fn scramble(&self, role: &str) -> Result<(), Failure> {
        let password = unknown_password(self.cx.random, self.job)?;
        let mut admin = self.open(&[]).await?;
        let changed = self.set(&mut admin, Credential { role, password: password.expose() }, None).await;
        self.leave(admin, changed.is_ok()).await;
        changed
    }

    /// For an account that changes itself: a second session must get in with the new password while the first is
    /// still open, else the first puts the old one back.
    async fn prove_or_put_back(&self, admin: &mut Admin, new: Credential<'_>) -> Result<(), Failure> {
        // Accepted; or silent, which the verification that follows will judge.
        if self.log_in_once(new).await? != Entry::WrongOrExpired {
            return Ok(());
        }
        let Some(current) = &self.work.current else { return Ok(()) };
        let current = Credential::read("secret.current", current)?;
        if current.role != new.role {
            return Ok(());
        }
        self.put_back(admin, current).await.map_err(|failure| {
            let sentence = format!("the new password is refused, and the old one was not put back: {failure}");
            Failure::unknown("postgres-not-put-back", sentence, failure.hint)
        })?;
        Err(Failure::refused(
            "postgres-new-password-refused",
            "the server refused a login with the new password; the old one was put back",
            "check `VALID UNTIL` of the role and its line in pg_hba.conf, which must allow the `password_form`",
        ))
    }

    /// Sets a role's earlier password again. Where a line of pg_hba.conf asks for SCRAM, an md5 form is refused, and a
    /// verifier, which every line allows, is set instead.
    async fn put_back(&self, admin: &mut Admin, current: Credential<'_>) -> Result<(), Failure> {
        self.set(admin, current, None).await?;
        if self.job.secret.form != PasswordForm::Md5 || self.log_in_once(current).await? != Entry::WrongOrExpired {
            return Ok(());
        }
        let facts = Facts { encryption: SCRAM.to_owned(), ..admin.facts.clone() };
        let stored = stored_form(self.cx.random, PasswordForm::Verifier, &facts, current).await?;
        admin.change(&statements::alter_password(current.role, &stored, None)).await
    }

    /// One login where changes are made.
    async fn log_in_once(&self, credential: Credential<'_>) -> Result<Entry, Failure> {
        let address = self.job.target.address(&self.job.target.endpoints[0])?;
        let Credential { role, password } = credential;
        let who = Login { role, password, database: self.job.login_database(), application: "keywheel/verify" };
        let attempt = log_in(&address, who, self.job.target.connect_timeout.min(self.until.left())).await;
        let entry = entry_of(&attempt);
        if let Ok(session) = attempt.result {
            session.close().await;
        }
        Ok(entry)
    }

    /// After a revert the current password must be accepted; that NOLOGIN or a privilege stops the login later does
    /// not matter.
    async fn expect_accepted(&self, current: Credential<'_>) -> Result<(), Failure> {
        for knock in knock(self.job, current, "keywheel/revert", self.until).await? {
            let (entry, name, standing) = (knock.entry.clone(), knock.endpoint.name(), knock.endpoint.standing);
            knock.leave().await;
            match (entry, standing) {
                (Entry::Accepted | Entry::Barred { is_proven: true, .. }, _) | (_, Standing::Following) => {}
                (Entry::Barred { because, .. } | Entry::Silent { because }, _) => {
                    return Err(unproven(&format!("`{name}` does not tell: {because}")));
                }
                (Entry::NotAsked, _) => return Err(unproven(&format!("`{name}` asks for no password"))),
                (Entry::WrongOrExpired, _) => return Err(unproven(&format!("`{name}` refuses it"))),
            }
        }
        Ok(())
    }

    async fn expect_refused(&self, old: Credential<'_>) -> Result<(), Failure> {
        for knock in knock(self.job, old, "keywheel/retire", self.until).await? {
            let (entry, name, standing) = (knock.entry.clone(), knock.endpoint.name(), knock.endpoint.standing);
            knock.leave().await;
            match (entry, standing) {
                (Entry::WrongOrExpired | Entry::Barred { is_proven: false, .. }, _) => {}
                (Entry::Accepted | Entry::Barred { .. } | Entry::NotAsked, Standing::Deciding) => {
                    return Err(Failure::refused(
                        "postgres-old-still-accepted",
                        format!("`{name}` still accepts the old password"),
                        "somebody set it back: rotate again",
                    ));
                }
                (Entry::Silent { because }, Standing::Deciding) => {
                    return Err(unproven(&format!("`{name}` does not tell: {because}")));
                }
                (_, Standing::Following) => return Err(unproven(&format!("`{name}` has not followed yet"))),
            }
        }
        Ok(())
    }

    /// A single role whose earlier password is not known: harmless while the candidate is not accepted.
    async fn nothing_to_go_back_to(&self, new: Credential<'_>) -> Result<(), Failure> {
        match self.expect_refused(new).await {
            Err(failure) if failure.code == "postgres-old-still-accepted" => Err(Failure::misconfigured(
                "secret.current",
                "postgres-no-way-back",
                "the candidate is in use at the server, and what was before it is not known",
                "keep the candidate: `keywheel rotation resolve ROTATION --keep candidate`",
            )),
            other => other,
        }
    }

    /// No other role than the secret's own is ever given a version's password.
    fn guard(&self, role: &str, key: &str) -> Result<(), Failure> {
        if self.job.secret.roles().iter().any(|own| own == role) {
            return Ok(());
        }
        let own = self.job.secret.roles().join("`, `");
        Err(Failure::misconfigured(
            key,
            "postgres-foreign-role",
            format!("the value is for `{}`, and the secret's role is `{own}`", role.escape_debug()),
            "prepare a new candidate",
        ))
    }
}

fn live_role(role: &str) -> Failure {
    Failure::misconfigured(
        "secret.roles",
        "postgres-role-in-use",
        format!("the role `{}` is in use and was left as it is", role.escape_debug()),
        "name two login roles that are neither the owner nor the target's admin",
    )
}

fn unproven(sentence: &str) -> Failure {
    Failure::transient("postgres-not-proven", sentence, "it is tried again")
}
