//! Claims of 100 due rows among 1,000,000 on the agenda, over the same among 10,000: at most 1.2 times as long.
//!
//! Both are measured in turns in one run (A B A B …), on SQLite and, where `KEYWHEEL_BENCH_POSTGRES` names an empty
//! database, on PostgreSQL. Each turn claims, releases into the future, and pulls the next 100 forward; a second pair of
//! figures has 2,000 more rows due in a lane without room, which must be passed over.
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use anyhow::{Context, Result};
use keywheel::{
    clock::{Clock, SystemClock},
    keyring::Keyring,
    model::{HolderId, Minter, TenantId},
    store::{
        SqliteOptions, Store, StoreError,
        agenda::{self, Ask, Part},
    },
};
use keywheel_contract::kit::SystemRandom;

const SMALL: usize = 10_000;
const LARGE: usize = 1_000_000;
const DUE: usize = 100;
const TURNS: usize = 40;
const LIMIT: f64 = 1.2;

fn mint<T>(of: impl FnOnce(chrono::DateTime<chrono::Utc>, [u8; 10]) -> T) -> T {
    Minter { at: SystemClock.now(), random: &SystemRandom }.mint(of)
}

struct Bench {
    store: Store,
    holder: HolderId,
    rows: usize,
    turn: usize,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn sqlite(rows: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("keywheel.db");
        let store = Store::open_sqlite(&file, &SqliteOptions::default(), Arc::new(Keyring::new())).await?;
        Self::fill(store, rows, folder).await
    }

    async fn postgres(url: &str, rows: usize) -> Result<Self> {
        let mut admin = <sqlx::PgConnection as sqlx::Connection>::connect(url).await.context("connect")?;
        for sql in [format!("DROP DATABASE IF EXISTS agenda_{rows}"), format!("CREATE DATABASE agenda_{rows}")] {
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut admin).await?;
        }
        let (server, _) = url.rsplit_once('/').context("a url with a database")?;
        let store = Store::open_postgres(&format!("{server}/agenda_{rows}"), 4, Arc::new(Keyring::new())).await?;
        let bench = Self::fill(store, rows, tempfile::tempdir()?).await?;
        let pool = bench.store.postgres().context("it is PostgreSQL")?;
        sqlx::query("VACUUM ANALYZE agenda").execute(pool).await?;
        Ok(bench)
    }

    /// Rows that are due in the far future, spread over 1,000 lanes.
    async fn fill(store: Store, rows: usize, folder: tempfile::TempDir) -> Result<Self> {
        let tenant = mint(TenantId::mint);
        let far = SystemClock.now() + chrono::TimeDelta::days(30);
        for from in (0..rows).step_by(2_000) {
            let tenant = tenant.clone();
            let put: Result<(), StoreError> = store
                .write(move |tx| {
                    Box::pin(async move {
                        for n in from..(from + 2_000).min(rows) {
                            let due = far + chrono::TimeDelta::milliseconds(i64::try_from(n).unwrap_or(0));
                            let lane = format!("lane-{}", n % 1_000);
                            agenda::insert(tx, &format!("s-{n}"), &tenant, &lane, Some(due)).await?;
                        }
                        Ok(())
                    })
                })
                .await;
            put?;
        }
        store.checkpoint().await?;
        Ok(Self { store, holder: mint(HolderId::mint), rows, turn: 0, _folder: folder })
    }

    /// Makes rows due, from `from` on, in a lane of their own if one is named.
    async fn make_due(&self, from: usize, count: usize, lane: Option<&'static str>) -> Result<()> {
        let rows = self.rows;
        let made: Result<(), StoreError> = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let now = SystemClock.now();
                    for n in (from..from + count).map(|n| n % rows) {
                        let own = format!("lane-{}", n % 1_000);
                        agenda::set_due(tx, &format!("s-{n}"), lane.unwrap_or(&own), Some(now)).await?;
                    }
                    Ok(())
                })
            })
            .await;
        Ok(made?)
    }

    /// Milliseconds to look for the earliest row and to claim 100.
    async fn turn(&mut self) -> Result<f64> {
        self.make_due(self.turn * DUE, DUE, None).await?;
        self.turn += 1;
        let (holder, boot) = (self.holder.clone(), SystemClock.boot());
        let started = Instant::now();
        let mut tx = self.store.read().await?;
        agenda::find_earliest(&mut tx, Part::Working, &["full".to_owned()], boot).await?.context("something is due")?;
        drop(tx);
        let claimed = self.store.write(move |tx| {
            Box::pin(async move {
                let rooms = BTreeMap::from([("full".to_owned(), 0)]);
                let (length, now) = (std::time::Duration::from_mins(10), SystemClock.now());
                let (holder, limit) = (&holder, i64::try_from(DUE).unwrap_or(1));
                let ask =
                    Ask { holder, length, now, boot, rooms: &rooms, room_per_lane: 8, limit, part: Part::Working };
                agenda::claim_due(tx, &ask).await
            })
        });
        let claimed: Result<Vec<agenda::Claim>, StoreError> = claimed.await;
        let (claimed, taken) = (claimed?, started.elapsed());
        anyhow::ensure!(claimed.len() == DUE, "{} rows were claimed", claimed.len());
        let far = SystemClock.now() + chrono::TimeDelta::days(30);
        let released: Result<(), StoreError> = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    for claim in &claimed {
                        agenda::release(tx, claim, Some(far), &claim.lane).await?;
                    }
                    Ok(())
                })
            })
            .await;
        released?;
        Ok(taken.as_secs_f64() * 1_000.0)
    }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

async fn compare(what: &str, small: &mut Bench, large: &mut Bench) -> Result<()> {
    let (mut one, mut other, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let (a, b) = (small.turn().await?, large.turn().await?);
        one.push(a);
        other.push(b);
        ratios.push(b / a);
    }
    let (least, most) = ratios.iter().fold((f64::MAX, 0.0_f64), |(least, most), r| (least.min(*r), most.max(*r)));
    let ratio = median(ratios);
    let verdict = if ratio <= LIMIT { "reached" } else { "MISSED" };
    println!(
        "{what}: {:.2} ms among {LARGE}, {:.2} ms among {SMALL}; ratio {ratio:.2} ({least:.2} to {most:.2}), \
         limit {LIMIT}: {verdict}",
        median(other),
        median(one),
    );
    Ok(())
}

async fn both(engine: &str, mut small: Bench, mut large: Bench) -> Result<()> {
    small.turn().await?;
    large.turn().await?;
    compare(&format!("{engine}, claim of {DUE} due rows"), &mut small, &mut large).await?;
    for bench in [&mut small, &mut large] {
        bench.make_due(6_000, 2_000, Some("full")).await?;
    }
    compare(&format!("{engine}, the same past 2,000 due rows without room"), &mut small, &mut large).await
}

#[tokio::main]
async fn main() -> Result<()> {
    both("SQLite", Bench::sqlite(SMALL).await?, Bench::sqlite(LARGE).await?).await?;
    let Ok(url) = std::env::var("KEYWHEEL_BENCH_POSTGRES") else {
        println!("PostgreSQL: not measured, KEYWHEEL_BENCH_POSTGRES names no database");
        return Ok(());
    };
    both("PostgreSQL", Bench::postgres(&url, SMALL).await?, Bench::postgres(&url, LARGE).await?).await
}
