//! The pair itself: what its two roles must have in common.

use keywheel_contract::{Failure, Finding, FindingKind, Target, Work};

use super::{
    super::{
        admin::Admin,
        job::{Job, Until},
        quote::{identifier, literal},
        settings::Strategy,
    },
    difference::{Trait, differences},
    queries,
};

/// Two roles, by their turn, and the role that both are members of.
pub(crate) struct Pair<'a> {
    /// The role in use, which the other must be equal to.
    serving: &'a str,
    /// The role whose turn is next.
    next: &'a str,
    owner: &'a str,
}

impl<'a> Pair<'a> {
    /// The pair of a secret, where its strategy is `alternate`.
    pub(crate) fn of(job: &'a Job, work: &Work) -> Option<Self> {
        let Strategy::Alternate { roles: [first, second], owner } = &job.secret.strategy else { return None };
        let next = job.secret.next_role(work.current.as_ref().and_then(|current| current.text("username")));
        let serving = if next == first { second } else { first };
        Some(Self { serving, next, owner })
    }

    /// Everything that keeps the two from taking turns.
    pub(crate) async fn problems(
        &self,
        admin: &mut Admin,
        job: &Job,
        target: &Target,
        until: Until,
    ) -> Result<Vec<Finding>, Failure> {
        let mut problems = self.missing(admin).await?;
        if !problems.is_empty() {
            return Ok(problems);
        }
        for role in [self.serving, self.next] {
            problems.extend(self.owned(admin, role).await?);
            problems.extend(self.membership(admin, role).await?);
            problems.extend(self.new_objects(admin, role).await?);
        }
        let is_new_model = admin.facts.version >= 160_000;
        let has_parameters = admin.facts.version >= 150_000;
        problems.extend(self.compare(admin, &queries::shared(is_new_model, has_parameters), None).await?);
        let databases = admin.ask("SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname").await?;
        for database in databases.iter().filter_map(|row| row.text(0)) {
            match Admin::open_in(database, job, target, "keywheel/compare", until).await {
                Ok(mut there) => {
                    let found = self.compare(&mut there, queries::LOCAL, Some(database)).await;
                    there.close().await;
                    problems.extend(found?);
                }
                Err(failure) if matches!(failure.code, "postgres-admin-barred" | "postgres-database-refused") => {
                    problems.push(not_compared(database));
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(problems)
    }

    async fn missing(&self, admin: &mut Admin) -> Result<Vec<Finding>, Failure> {
        let mut problems = Vec::new();
        for role in [self.serving, self.next, self.owner] {
            let sql = format!("SELECT 1 FROM pg_roles WHERE rolname = {}", literal(role).as_str());
            if admin.ask(&sql).await?.is_empty() {
                let sentence = format!("there is no role `{}`", role.escape_debug());
                problems.push(blocks("role-missing", sentence, "create it, or name one that exists".to_owned()));
            }
        }
        Ok(problems)
    }

    async fn owned(&self, admin: &mut Admin, role: &str) -> Result<Option<Finding>, Failure> {
        let rows = admin.ask(&queries::for_role(queries::OWNED, role)).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let places: Vec<&str> = rows.iter().filter_map(|row| row.text(0)).collect();
        let sentence = format!("the login role `{}` owns objects in: {}", role.escape_debug(), places.join(", "));
        let hint = format!(
            "run in each of these databases: REASSIGN OWNED BY {} TO {}; and ALTER ROLE {} SET role = {} so that new \
             objects belong to the owner",
            identifier(role),
            identifier(self.owner),
            identifier(role),
            literal(self.owner).as_str().trim_start(),
        );
        Ok(Some(blocks("role-owns-objects", sentence, hint)))
    }

    async fn membership(&self, admin: &mut Admin, role: &str) -> Result<Option<Finding>, Failure> {
        let sql = format!(
            "SELECT 1 FROM pg_auth_members m JOIN pg_roles o ON o.oid = m.roleid JOIN pg_roles r ON r.oid = m.member \
             WHERE o.rolname = {} AND r.rolname = {}",
            literal(self.owner).as_str(),
            literal(role).as_str()
        );
        if !admin.ask(&sql).await?.is_empty() {
            return Ok(None);
        }
        let (shown, owner) = (role.escape_debug(), self.owner.escape_debug());
        let hint = format!("run: GRANT {} TO {}", identifier(self.owner), identifier(role));
        let sentence = format!("the login role `{shown}` is not a member of the owner `{owner}`");
        Ok(Some(blocks("not-member-of-owner", sentence, hint)))
    }

    /// Without a setting of the role's own, what the application creates belongs to the login role of the day.
    async fn new_objects(&self, admin: &mut Admin, role: &str) -> Result<Option<Finding>, Failure> {
        if !admin.ask(&queries::for_role(queries::BECOMES_OWNER, role)).await?.is_empty() {
            return Ok(None);
        }
        let owner = literal(self.owner);
        Ok(Some(Finding {
            code: "new-objects-belong-to-login-role".to_owned(),
            kind: FindingKind::Note,
            sentence: format!("what `{}` creates belongs to it and not to the owner", role.escape_debug()),
            hint: format!(
                "if the application creates objects: ALTER ROLE {} SET role = {}",
                identifier(role),
                owner.trim_start()
            ),
        }))
    }

    /// Compares what a query tells of both roles.
    async fn compare(&self, admin: &mut Admin, query: &str, place: Option<&str>) -> Result<Option<Finding>, Failure> {
        let serving = traits(admin, query, self.serving).await?;
        let next = traits(admin, query, self.next).await?;
        let statements = differences(&serving, &next, &identifier(self.next));
        if statements.is_empty() {
            return Ok(None);
        }
        let place =
            place.map_or_else(|| "the cluster".to_owned(), |name| format!("database `{}`", name.escape_debug()));
        let sentence = format!(
            "`{}` is not equal to `{}` in {place}: {} differences",
            self.next.escape_debug(),
            self.serving.escape_debug(),
            statements.len()
        );
        let hint = format!("look at these, and run in {place} what is right:\n{}", statements.join("\n"));
        Ok(Some(blocks("roles-differ", sentence, hint)))
    }
}

async fn traits(admin: &mut Admin, query: &str, role: &str) -> Result<Vec<Trait>, Failure> {
    let rows = admin.ask(&queries::for_role(query, role)).await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let [key, add, remove] = [0, 1, 2].map(|column| row.text(column).unwrap_or_default().to_owned());
            (!key.is_empty()).then_some(Trait { key, add, remove })
        })
        .collect())
}

fn blocks(code: &str, sentence: String, hint: String) -> Finding {
    Finding { code: code.to_owned(), kind: FindingKind::Blocks, sentence, hint }
}

fn not_compared(database: &str) -> Finding {
    let shown = database.escape_debug();
    Finding {
        code: "database-not-compared".to_owned(),
        kind: FindingKind::NeedsAcknowledgement,
        sentence: format!("the admin may not enter the database `{shown}`: grants there were not compared"),
        hint: format!("GRANT CONNECT ON DATABASE {} to the admin, or acknowledge", identifier(database)),
    }
}
