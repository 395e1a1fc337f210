//! Proof 49: killed between a change and its notice, everything that happened is told and nothing else.

mod proofs {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use anyhow::{Context, Result, ensure};
    use chrono::{SubsecRound, TimeDelta, Utc};
    use serde_json::{Value, json};

    use crate::support::daemon::api::segment;
    use crate::support::hooks::{Got, Receiver};
    use crate::support::postgres::ADMIN_PASSWORD;
    use crate::support::proof::{Proof, count};
    use crate::support::random::Sampler;
    use crate::support::scene::{QUIET, SETTLING, Scene};
    use crate::support::wait::{eventually, never};
    use crate::told::judge::Outbox;

    const ROLES: u64 = 4;
    /// The role whose target's admin is wrong now and then.
    const ILL: &str = "ill";

    /// The dates that were ever given, in microseconds, by name.
    type Dates = BTreeMap<String, BTreeSet<i64>>;

    struct World {
        scene: Scene,
        receiver: Receiver,
        sampler: Sampler,
        dates: Dates,
    }

    impl World {
        async fn start(seed: u64) -> Result<Self> {
            let receiver = Receiver::start().await?;
            let config = format!("[notify]\nallow = [\"127.0.0.0/8\"]\n{QUIET}");
            let scene = Scene::start(&config).await?;
            let channel = json!({ "kind": "webhook", "settings": { "url": receiver.url() } });
            scene.daemon.ask("PUT", "/channels/hook", Some(&channel)).await?;
            let route = json!({ "channels": ["hook"], "digest_from": 1_000_000 });
            scene.daemon.ask("PUT", "/routes/all", Some(&route)).await?;
            for role in 0..ROLES {
                scene.adopt_single(&format!("app{role}")).await?;
            }
            scene.add_target("other", scene.server.port()).await?;
            scene.server.sql(&format!("CREATE ROLE {ILL} LOGIN PASSWORD '{}'", crate::support::scene::FIRST));
            scene.adopt("other", ILL, json!({ "strategy": "single", "role": ILL }), ILL).await?;
            Ok(Self { scene, receiver, sampler: Sampler::new(seed), dates: Dates::new() })
        }

        /// Tracks something, or gives it another date. The date counts as given whether or not it is answered.
        async fn track(&mut self, name: &str, at: TimeDelta) {
            let at = (Utc::now() + at).trunc_subsecs(3);
            self.dates.entry(name.to_owned()).or_default().insert(at.timestamp_micros());
            let body = json!({ "about": { "expires_at": at.to_rfc3339() } });
            let _ = self.scene.daemon.ask("PUT", &format!("/tracked/{}", segment(name)), Some(&body)).await;
        }

        /// Whether the admin of the ill role's target has the right password.
        async fn heal(&self, is_well: bool) -> Result<Value> {
            let password = if is_well { ADMIN_PASSWORD } else { "wrong" };
            self.scene.daemon.put_secret("other/admin", json!({ "username": "postgres", "password": password })).await
        }

        /// Asks for change after change, until it is dropped. What a kill cut off is asked for by nobody again.
        async fn storm(&mut self, round: u64) {
            for n in 0.. {
                match self.sampler.below(8) {
                    0..=3 => {
                        let ahead =
                            TimeDelta::milliseconds(300 + 10 * i64::try_from(self.sampler.below(600)).unwrap_or(0));
                        self.track(&format!("item/{round}-{n}"), ahead).await;
                    }
                    4 => {
                        let known: Vec<String> = self.dates.keys().cloned().collect();
                        for name in self.sampler.some(&known, 1) {
                            self.track(&name, TimeDelta::days(400)).await;
                        }
                    }
                    5 | 6 => {
                        let role = format!("app{}", self.sampler.below(ROLES));
                        let _ = self.scene.daemon.rotate(&[&role]).await;
                    }
                    _ => {
                        let _ = self.heal(false).await;
                        let _ = self.scene.daemon.rotate(&[ILL]).await;
                    }
                }
            }
        }

        /// A storm, and a kill within it; answers whether something was yet to be told then.
        async fn round(&mut self, round: u64) -> Result<bool> {
            let pause = Duration::from_millis(50 + self.sampler.below(900));
            if round.is_multiple_of(2) {
                never(pause, "an end", async || (!self.scene.daemon.is_running()).then_some(())).await?;
                self.receiver.hold(true);
            }
            tokio::select! {
                () = self.storm(round) => {}
                waited = never(pause, "nothing", async || None::<()>) => waited?,
            }
            self.scene.daemon.kill9().await?;
            let under_way = Outbox::open(&self.scene.daemon.store()).await?.under_way().await?;
            self.receiver.hold(false);
            self.scene.daemon.restart().await?;
            Ok(under_way > 0)
        }

        /// Mends what is ill and waits until all is told.
        async fn calm(&self) -> Result<()> {
            self.heal(true).await?;
            let roles: Vec<String> = (0..ROLES).map(|role| format!("app{role}")).chain([ILL.to_owned()]).collect();
            self.scene.daemon.rotate(&roles.iter().map(String::as_str).collect::<Vec<_>>()).await?;
            self.scene.daemon.settle(SETTLING * 2).await?;
            let mut outbox = Outbox::open(&self.scene.daemon.store()).await?;
            let last =
                self.dates.values().flatten().filter(|at| **at < Utc::now().timestamp_micros() + 60_000_000).max();
            let last = last.copied().unwrap_or_default();
            eventually(SETTLING * 2, "everything is told", async || {
                let is_over = Utc::now().timestamp_micros() > last + 1_000_000;
                (is_over && outbox.under_way().await.ok()? == 0).then_some(())
            })
            .await
        }
    }

    /// The judge finds a message that is missing, one that nobody sent, and a date that nobody gave.
    async fn prove_that_it_sees(outbox: &mut Outbox, got: &[Got], dates: &Dates) -> Result<()> {
        let first = got.first().context("nothing came")?;
        let lacking: Vec<Got> = got.iter().filter(|got| got.id != first.id).cloned().collect();
        ensure!(outbox.judge(&lacking, dates).await.is_err(), "a lost message is not seen");
        let made_up = Got { id: "ntc_made_up".to_owned(), ..first.clone() };
        ensure!(outbox.judge(&[got, &[made_up]].concat(), dates).await.is_err(), "a made-up message is not seen");
        ensure!(outbox.judge(got, &Dates::new()).await.is_err(), "a made-up date is not seen");
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_before_the_notice_loses_nothing_and_makes_nothing_up() -> Result<()> {
        let proof = Proof::begin("49", "kills between a change and its notice");
        let mut world = World::start(proof.seed()).await?;
        let (owed, mut kills, mut caught) = (count(20, 500), 0, 0);
        while kills < owed {
            caught += u64::from(world.round(kills).await?);
            kills += 1;
        }
        world.calm().await?;
        ensure!(world.scene.daemon.terminate().await?.success());
        let got = world.receiver.got();
        let mut outbox = Outbox::open(&world.scene.daemon.store()).await?;
        let judged = outbox.judge(&got, &world.dates).await?;
        prove_that_it_sees(&mut outbox, &got, &world.dates).await?;
        #[expect(clippy::print_stderr, reason = "a proof prints its figure")]
        {
            eprintln!("{caught} of {kills} kills left something untold; {judged:?}");
        }
        ensure!(caught * 3 >= kills, "{caught} of {kills} kills hit anything");
        ensure!(judged.events >= kills * 2 && judged.repeats > 0, "{judged:?}");
        proof.end(kills, owed)
    }
}
