//! Proof 46: the relay is away for a day, simulated.

mod proofs {
    use std::collections::{BTreeMap, BTreeSet};
    use std::net::Ipv4Addr;

    use anyhow::{Context, Result, ensure};
    use chrono::TimeDelta;
    use keywheel::{
        engine::{ops::channels, ops::notices::ListNotices, rules::RouteRules},
        store::notices::send,
    };
    use keywheel_contract::kit::{Fault, FaultRule, Operation, Strategy};
    use serde_json::json;

    use crate::engine::notices::{Told, actor};
    use crate::support::mail::{Mail, Smtp};
    use crate::support::proof::{Proof, count};
    use crate::support::proxy::{Mode, Proxy};

    /// Warnings that come due while the relay is away, one each twelve minutes.
    const WARNINGS: i64 = 120;
    /// Secrets that go through their whole ladder meanwhile.
    const SHORT: i64 = 5;
    const DAYS_BEFORE: i64 = 40;

    struct World {
        told: Told,
        smtp: Smtp,
        proxy: Proxy,
    }

    impl World {
        /// Everything goes by mail alone, through a proxy.
        async fn start() -> Result<Self> {
            let told = Told::new().await;
            let smtp = Smtp::start(&["none"]).await?;
            let proxy = Proxy::start((Ipv4Addr::LOCALHOST, smtp.port).into()).await?;
            let request = json!({ "kind": "email", "settings": {
                "host": "127.0.0.1", "port": proxy.address().port(), "tls": "none",
                "from": "keywheel@example.org", "to": ["web@example.org"],
            } });
            let engine = &told.still.world.engine;
            channels::put(engine, &actor(), "mail", serde_json::from_value(request)?).await?;
            told.route("all", RouteRules { channels: vec!["mail".to_owned()], ..RouteRules::default() }).await;
            Ok(Self { told, smtp, proxy })
        }

        async fn pass(&self, by: TimeDelta) {
            let until = self.told.still.world.engine.now() + by;
            self.told.still.pass(until).await;
            self.told.still.quiet().await;
        }

        async fn open_sends(&self) -> Result<i64> {
            let engine = &self.told.still.world.engine;
            let mut tx = engine.store.read().await?;
            Ok(send::read_backlog(&mut tx, &engine.tenant).await?.open)
        }

        /// A day without a relay: first nobody listens, then it greets nobody. Answers the most sends that waited.
        async fn day_without_mail(&mut self) -> Result<i64> {
            self.proxy.set(Mode::Refuse).await?;
            self.proxy.hang_up();
            self.smtp.drop_connections().await?;
            let mut most = 0;
            for hour in 0..24 {
                if hour == 12 {
                    self.smtp.mode("greet-554").await?;
                    self.proxy.set(Mode::Pass).await?;
                }
                self.pass(TimeDelta::hours(1)).await;
                most = most.max(self.open_sends().await?);
            }
            Ok(most)
        }

        /// The relay is back, and at first loses its answer to what it took.
        async fn come_back(&mut self) -> Result<()> {
            self.smtp.mode("cut-dot").await?;
            let Self { told, smtp, .. } = self;
            told.still.push(async || smtp.mails().await.is_ok_and(|mails| !mails.is_empty())).await;
            self.smtp.mode("ok").await?;
            self.pass(TimeDelta::days(3)).await;
            Ok(())
        }
    }

    /// The notice that a mail is about, from its Message-ID.
    fn id(mail: &Mail) -> String {
        mail.header("message-id").trim_start_matches('<').split('.').next().unwrap_or_default().to_owned()
    }

    /// The mails of each thread are in order, and one that came again has the same Message-ID and text.
    fn prove_order(mails: &[Mail]) -> Result<u64> {
        let mut last: BTreeMap<&str, String> = BTreeMap::new();
        let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
        let mut repeats = 0;
        for mail in mails {
            let text = mail.part("text/plain");
            if let Some(earlier) = texts.insert(mail.header("message-id"), text) {
                ensure!(earlier == text, "another mail under one Message-ID: {earlier} {text}");
                repeats += 1;
            }
            let before = last.insert(mail.header("references"), id(mail));
            ensure!(before.as_ref().is_none_or(|before| *before <= id(mail)), "{before:?} came before {}", id(mail));
        }
        Ok(repeats)
    }

    async fn register(world: &World) {
        let name = |n| format!("cert/{n:03}");
        for n in 0..WARNINGS {
            let expires_at = world.told.still.world.engine.now()
                + TimeDelta::days(DAYS_BEFORE + 30)
                + TimeDelta::minutes(12 * n + 1);
            world.told.track_until(&name(n), expires_at).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_day_without_a_relay_loses_nothing_and_ends_without_a_storm() -> Result<()> {
        let proof = Proof::begin("46", "warnings over a day without a relay");
        let mut world = World::start().await?;
        register(&world).await;
        world.pass(TimeDelta::days(DAYS_BEFORE)).await;
        ensure!(world.smtp.mails().await?.is_empty());
        let now = world.told.still.world.engine.now();
        for n in 0..SHORT {
            world.told.track_until(&format!("short/{n}"), now + TimeDelta::hours(20)).await;
        }
        let db = world.told.still.world.adopt("db", Strategy::Single).await;
        world.told.still.world.fake.inject(FaultRule::next(Operation::Apply, Fault::Refuse).forever());
        world.told.still.world.request(&db).await;
        let most = world.day_without_mail().await?;
        ensure!(world.smtp.mails().await?.is_empty(), "the relay was away");
        let before = world.smtp.count("connections").await?;
        world.come_back().await?;
        let mails = world.smtp.mails().await?;
        let repeats = prove_order(&mails)?;
        let all: String = mails.iter().map(|mail| mail.part("text/plain")).collect();
        let named = (0..WARNINGS).filter(|n| all.contains(&format!("cert/{n:03}"))).count();
        ensure!(named == usize::try_from(WARNINGS)?, "{named} of {WARNINGS} are told");
        let is_over = |n| [format!("`short/{n}` expired at"), format!("short/{n}: expired")];
        ensure!((0..SHORT).all(|n| is_over(n).iter().any(|text| all.contains(text))), "an expiry is not told");
        let kinds = ["was rolled back", "keywheel does not try again by itself"];
        ensure!(kinds.iter().all(|kind| all.contains(kind)), "a failure is not told");
        let failed = ListNotices { failed: true, ..ListNotices::default() };
        let dead = keywheel::engine::ops::notices::list(&world.told.still.world.engine, &actor(), &failed).await?;
        ensure!(dead.is_empty() && world.open_sends().await? == 0, "{dead:?}");
        let digests = mails.iter().filter(|mail| mail.header("list-id").contains("digest")).count();
        let ids: BTreeSet<String> = mails.iter().map(id).collect();
        #[expect(clippy::print_stderr, reason = "a proof prints its figure")]
        {
            eprintln!(
                "{} mails, {digests} digests, {repeats} repeats, at most {most} waited, {before} connections before",
                mails.len()
            );
        }
        ensure!(repeats > 0, "no answer was lost");
        ensure!((1..=3).contains(&digests) && ids.len() <= 50, "{digests} digests among {} mails", ids.len());
        // One for each matter at most, and the failures of one rotation.
        ensure!(most <= WARNINGS + SHORT + 20, "{most} sends waited");
        let counts = world.proxy.counts();
        ensure!(counts.refusals > 0 && before > 0, "the relay was never away: {counts:?}");
        u64::try_from(WARNINGS).context("a count").and_then(|warnings| proof.end(warnings, count(120, 120)))
    }
}
