//! A bit that flips in a row is found, the row is named and never served, and other rows are as good as before.

/// The rows that are damaged, and what a reader makes of them.
mod proofs {
    use anyhow::{Context, Result, bail, ensure};
    use keywheel::store::{StoreError, event, read_audit, schedule, secret, target, tenant, verify, version};

    use crate::{
        store::{
            rollback::{Filled, fill},
            world::{Rows, World, hex},
        },
        support::proof::{Proof, count},
    };
    use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};

    /// A hand that reaches behind the store.
    enum Hand {
        Sqlite(SqliteConnection),
        Postgres(PgConnection),
    }

    impl Hand {
        async fn on(world: &World) -> Result<Self> {
            match &world.place {
                Rows::File(file) => {
                    let options = SqliteConnectOptions::new().filename(file).foreign_keys(false);
                    Ok(Self::Sqlite(options.connect().await?))
                }
                Rows::Url(url) => {
                    let mut conn = <PgConnection as sqlx::Connection>::connect(url).await?;
                    sqlx::query("SET session_replication_role = replica").execute(&mut conn).await?;
                    Ok(Self::Postgres(conn))
                }
            }
        }

        async fn read(&mut self, sql: &str) -> Result<Option<String>> {
            let sql = AssertSqlSafe(sql.to_owned());
            Ok(match self {
                Self::Sqlite(conn) => sqlx::query_scalar(sql).fetch_one(conn).await?,
                Self::Postgres(conn) => sqlx::query_scalar(sql).fetch_one(conn).await?,
            })
        }

        async fn change(&mut self, sql: &str) -> Result<()> {
            let text = AssertSqlSafe(sql.to_owned());
            let rows = match self {
                Self::Sqlite(conn) => sqlx::query(text).execute(conn).await?.rows_affected(),
                Self::Postgres(conn) => sqlx::query(text).execute(conn).await?.rows_affected(),
            };
            ensure!(rows == 1, "{rows} rows changed by {sql}");
            Ok(())
        }

        /// How a column's bytes are read as hexadecimal digits, and written.
        async fn hex_of(&mut self, table: &str, column: &Column, key: &str) -> Result<Option<String>> {
            let name = column.name;
            let digits = match (&self, column.kind) {
                (Self::Sqlite(_), _) => format!("lower(hex({name}))"),
                (Self::Postgres(_), Kind::Blob) => format!("encode({name}, 'hex')"),
                (Self::Postgres(_), _) => format!("encode(convert_to({name}, 'UTF8'), 'hex')"),
            };
            let or_null = format!("CASE WHEN {name} IS NULL THEN NULL ELSE {digits} END");
            let key_column = key_column(table);
            self.read(&format!("SELECT {or_null} FROM {table} WHERE {key_column} = {}", quote(key))).await
        }

        fn literal(&self, kind: Kind, hex: &str) -> String {
            match (self, kind) {
                (_, Kind::Int) => hex.to_owned(),
                (Self::Sqlite(_), Kind::Blob) => format!("x'{hex}'"),
                (Self::Sqlite(_), Kind::Text) => format!("CAST(x'{hex}' AS TEXT)"),
                (Self::Postgres(_), Kind::Blob) => format!("decode('{hex}', 'hex')"),
                (Self::Postgres(_), Kind::Text) => format!("convert_from(decode('{hex}', 'hex'), 'UTF8')"),
            }
        }
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Kind {
        Text,
        Int,
        Blob,
    }

    #[derive(Debug, Clone)]
    struct Column {
        name: &'static str,
        kind: Kind,
    }

    const TABLES: [(&str, &str, &str, &str); 7] = [
        (
            "secret",
            "id tenant_id name kind owner description tags target_id settings acknowledged rotation_id created_by",
            "overlap_us recovery_us expires_at next_number probe_at deleted_at created_at revision",
            "mac",
        ),
        (
            "version",
            "id tenant_id secret_id stage identity key_id fingerprint rotation_id created_by",
            "number created_at published_at retire_at retired_at deleted_at deactivated_at destroyed_at revision",
            "token mac",
        ),
        (
            "schedule",
            "secret_id tenant_id rule pause_reason zone_data",
            "paused_at counted_from next_due_at revision",
            "mac",
        ),
        (
            "target",
            "id tenant_id name rotator settings admin acknowledged breaker created_by",
            "parallel created_at revision",
            "mac",
        ),
        ("event", "subject id tenant_id rotation_id kind facts written actor reason", "seq at", "mac"),
        ("read_audit", "id tenant_id secret_id version_id reader via", "at", "mac"),
        ("tenant_root", "id tenant_id master_id", "", "token"),
    ];

    fn columns(texts: &'static str, ints: &'static str, blobs: &'static str) -> Vec<Column> {
        let of = |names: &'static str, kind| names.split_whitespace().map(move |name| Column { name, kind });
        of(texts, Kind::Text).chain(of(ints, Kind::Int)).chain(of(blobs, Kind::Blob)).collect()
    }

    fn key_column(table: &str) -> &'static str {
        if table == "schedule" { "secret_id" } else { "id" }
    }

    fn quote(text: &str) -> String {
        format!("'{}'", text.replace('\'', "''"))
    }

    struct Dice(u64);

    impl Dice {
        fn below(&mut self, n: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).expect("31 bits") % n.max(1)
        }
    }

    /// Digits with one bit flipped; for texts one that leaves characters, so that PostgreSQL takes it.
    fn flip(digits: &str, kind: Kind, is_sqlite: bool, dice: &mut Dice) -> Option<String> {
        let mut bytes: Vec<u8> =
            (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).expect("hex")).collect();
        for _ in 0..100 {
            if bytes.is_empty() {
                break;
            }
            let (at, bit) = (dice.below(bytes.len()), dice.below(8));
            bytes[at] ^= 1 << bit;
            let is_text = std::str::from_utf8(&bytes).is_ok_and(|text| !text.contains('\0'));
            if kind == Kind::Blob || is_sqlite || is_text {
                return Some(hex(&bytes));
            }
            bytes[at] ^= 1 << bit;
        }
        None
    }

    struct Damage {
        table: &'static str,
        key: String,
        column: &'static str,
        repair: String,
    }

    /// Flips one bit somewhere; what was null or empty becomes something.
    async fn damage(hand: &mut Hand, filled: &Filled, dice: &mut Dice) -> Result<Damage> {
        let (table, texts, ints, blobs) = TABLES[dice.below(TABLES.len())];
        let keys = filled.keys(table);
        let key = keys[dice.below(keys.len())].clone();
        let columns = columns(texts, ints, blobs);
        let column = columns[dice.below(columns.len())].clone();
        let is_sqlite = matches!(hand, Hand::Sqlite(_));
        let (old, new, key_after) = if column.kind == Kind::Int {
            let sql = format!(
                "SELECT CAST({} AS TEXT) FROM {table} WHERE {} = {}",
                column.name,
                key_column(table),
                quote(&key)
            );
            let old: Option<i64> = hand.read(&sql).await?.map(|text| text.parse()).transpose()?;
            let new = old.map_or(0, |old| old ^ (1 << dice.below(63)));
            (old.map_or("NULL".to_owned(), |old| old.to_string()), new.to_string(), key.clone())
        } else {
            let old = hand.hex_of(table, &column, &key).await?;
            let new = old.as_deref().and_then(|old| flip(old, column.kind, is_sqlite, dice)).unwrap_or("41".to_owned());
            let is_key = column.name == key_column(table);
            let key_after = if is_key { format!("hex:{new}") } else { key.clone() };
            let old = old.map_or("NULL".to_owned(), |old| hand.literal(column.kind, &old));
            (old, hand.literal(column.kind, &new), key_after)
        };
        let name = column.name;
        let by = |key: &str, hand: &Hand| match key.strip_prefix("hex:") {
            Some(hex) => format!("{} = {}", key_column(table), hand.literal(Kind::Text, hex)),
            None => format!("{} = {}", key_column(table), quote(key)),
        };
        hand.change(&format!("UPDATE {table} SET {name} = {new} WHERE {}", by(&key, hand))).await?;
        let repair = format!("UPDATE {table} SET {name} = {old} WHERE {}", by(&key_after, hand));
        Ok(Damage { table, key, column: name, repair })
    }

    /// What reading the damaged row by its own key gave.
    enum Seen {
        Refused,
        Absent,
    }

    async fn read_damaged(world: &World, filled: &Filled, damage: &Damage) -> Result<Seen> {
        let mut tx = world.read().await;
        let (keyring, tenant, row) = (&world.keyring, &world.tenant, filled.of(damage.table, &damage.key));
        let refused = match damage.table {
            "secret" => secret::find(&mut tx, keyring, tenant, &row.secret.id).await.map(|found| found.is_some()),
            "version" => {
                version::find(&mut tx, keyring, tenant, &row.version_of(&damage.key)).await.map(|f| f.is_some())
            }
            "schedule" => schedule::find(&mut tx, keyring, tenant, &row.secret.id).await.map(|found| found.is_some()),
            "target" => target::find(&mut tx, keyring, tenant, &row.target.id).await.map(|found| found.is_some()),
            "event" => {
                let subject = row.secret.id.as_str();
                let events = event::list_of_subject(&mut tx, keyring, tenant, subject, 99).await;
                events.map(|events| events.iter().any(|event| event.id.as_str() == damage.key))
            }
            "read_audit" => {
                let since = chrono::DateTime::UNIX_EPOCH;
                let readers = read_audit::list_readers(&mut tx, keyring, tenant, &row.secret.id, since).await;
                readers.map(|readers| !readers.is_empty())
            }
            _ => {
                let roots = tenant::list_roots(&mut tx).await?;
                ensure!(roots.iter().all(|root| root.unwrap(&world.masters).is_err()), "the root opens");
                return Ok(Seen::Refused);
            }
        };
        match refused {
            Ok(true) => bail!("{} of {} {} is served", damage.column, damage.table, damage.key),
            Ok(false) => Ok(Seen::Absent),
            Err(StoreError::Tampered { .. } | StoreError::Unreadable { .. } | StoreError::Damaged { .. }) => {
                Ok(Seen::Refused)
            }
            Err(other) => Err(other).context("another kind of refusal"),
        }
    }

    async fn flips(world: World, proof: Proof, owed: u64) -> Result<()> {
        let filled = fill(&world, 6).await;
        ensure!(verify::verify_all(&world.store).await?.is_empty(), "something is found before any flip");
        let (mut hand, mut dice) = (Hand::on(&world).await?, Dice(proof.seed()));
        let (mut refused, mut absent) = (0_u64, 0_u64);
        for _ in 0..owed {
            let damage = loop {
                match damage(&mut hand, &filled, &mut dice).await {
                    // Another row has this number or id: the database itself refuses.
                    Err(taken) if format!("{taken:#}").to_lowercase().contains("unique constraint") => {}
                    other => break other?,
                }
            };
            let what = format!("{} of {} {}", damage.column, damage.table, damage.key);
            match read_damaged(&world, &filled, &damage).await.with_context(|| what.clone()) {
                Ok(Seen::Refused) => refused += 1,
                // The row is not where it was; verifying must tell.
                Ok(Seen::Absent) => absent += 1,
                Err(error) if damage.table == "tenant_root" && damage.column != "token" => {
                    ensure!(error.to_string().contains(&what), "{error}");
                    refused += 1;
                }
                Err(error) => return Err(error),
            }
            if damage.table != "tenant_root" {
                let found = verify::verify_all(&world.store).await.with_context(|| what.clone())?;
                ensure!(found.iter().any(|found| found.table == damage.table), "{what} is not found: {found:?}");
                ensure!(found.iter().all(|found| found.table == damage.table), "{what} damages others: {found:?}");
                ensure!(found.len() <= 2 || damage.table == "event", "{what} damages others: {found:?}");
                filled.check_others(&world, &damage.key).await.with_context(|| what.clone())?;
            }
            hand.change(&damage.repair).await?;
        }
        ensure!(verify::verify_all(&world.store).await?.is_empty(), "the repairs left something");
        ensure!(absent < refused, "{absent} were only absent, {refused} refused");
        proof.end(refused + absent, owed)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_flipped_bit_on_sqlite_is_found_named_and_never_served() -> Result<()> {
        flips(World::sqlite().await, Proof::begin("37", "flipped bits on SQLite"), count(400, 5_000)).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_flipped_bit_on_postgres_is_found_named_and_never_served() -> Result<()> {
        flips(World::postgres().await, Proof::begin("37", "flipped bits on PostgreSQL"), count(200, 5_000)).await
    }
}
