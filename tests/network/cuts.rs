//! Proof 13: the connection is cut after any byte of the change, and around each border of the other messages.

mod proofs {
    use std::collections::VecDeque;
    use std::net::Ipv4Addr;
    use std::sync::{Arc, Mutex, PoisonError};

    use anyhow::{Context, Result, ensure};
    use futures_util::future::try_join_all;

    use crate::support::proof::{Proof, count};
    use crate::support::proxy::{Counted, Direction, Exchange, Mode, Proxy};
    use crate::support::random::Sampler;
    use crate::support::scene::{QUIET, SETTLING, Scene, start_server};
    use crate::support::wire::{asks_for_tls, borders_to_client, borders_to_server};

    const CHANGE: &[u8] = b"ALTER ROLE";

    /// The name of a session that waits for the next change.
    const WAITS: &[u8] = b"keywheel/idle";

    /// Rotations that are cut beside each other, each through a proxy of its own.
    const LINES: usize = 3;

    /// Cuts of a test run: within the change, and at the other borders.
    const SAMPLE: (usize, usize) = (36, 18);

    struct Line {
        scene: Scene,
        proxy: Proxy,
        name: String,
    }

    impl Line {
        async fn rotate(&self) -> Result<()> {
            self.scene.daemon.rotate(&[&self.name]).await?;
            self.scene.daemon.settle(SETTLING).await
        }

        async fn cut(&self, mode: &Mode) -> Result<()> {
            // A session that waits for the next change would spare this one the login that was recorded.
            self.proxy.hang_up();
            let before = self.proxy.counts().cuts;
            self.proxy.set_once(mode.clone()).await?;
            self.rotate().await?;
            self.proxy.set(Mode::Pass).await?;
            ensure!(self.proxy.counts().cuts == before + 1, "nothing was cut");
            ensure!(self.scene.served_logs_in(&self.name).await?, "what is served does not log in");
            Ok(())
        }
    }

    async fn lines() -> Result<Vec<Line>> {
        let server = start_server().await?;
        let names: Vec<String> = (0..LINES).map(|i| format!("app{i}")).collect();
        let mut lines = Vec::new();
        for name in &names {
            let proxy = Proxy::start((Ipv4Addr::LOCALHOST, server.port()).into()).await?;
            let mut scene = Scene::before(Arc::clone(&server), proxy.address().port(), QUIET).await?;
            scene.known = names.iter().filter(|other| *other != name).cloned().collect();
            scene.adopt_single(name).await?;
            lines.push(Line { scene, proxy, name: name.clone() });
        }
        Ok(lines)
    }

    fn position(bytes: &[u8], text: &[u8]) -> Option<usize> {
        bytes.windows(text.len()).position(|window| window == text)
    }

    /// A cut after each byte of the change and of its answer.
    fn cuts_of_the_change(exchanges: &[Exchange]) -> Result<Vec<Mode>> {
        let found = exchanges.iter().find_map(|one| Some((one, position(&one.to_server, CHANGE)?)));
        let (exchange, begin) = found.context("no change was recorded")?;
        let ends = borders_to_server(&exchange.to_server);
        let end = ends.into_iter().find(|end| *end > begin).context("the change has an end")?;
        // The last messages of the server: the completion and the word that it is ready; twice, where the session
        // then gives up the rotation's name.
        let last = if position(&exchange.to_server, WAITS).is_some() { 4 } else { 2 };
        let borders = borders_to_client(&exchange.to_client, asks_for_tls(&exchange.to_server));
        let answered_from = borders.iter().rev().nth(last).copied().unwrap_or(0);
        let cut = |direction, bytes: usize| Mode::Cut {
            direction,
            bytes: bytes as u64,
            counted: Counted::SinceRequest(CHANGE.to_vec()),
        };
        let there = (0..=end - begin).map(|bytes| cut(Direction::ToServer, bytes));
        let back = (0..=exchange.to_client.len() - answered_from).map(|bytes| cut(Direction::ToClient, bytes));
        Ok(there.chain(back).collect())
    }

    /// A cut before, at and after each border of all messages, over the connections in their order.
    fn cuts_at_borders(exchanges: &[Exchange]) -> Vec<Mode> {
        let mut cuts = Vec::new();
        let mut passed = [0, 0];
        for exchange in exchanges {
            let there = borders_to_server(&exchange.to_server);
            let back = borders_to_client(&exchange.to_client, asks_for_tls(&exchange.to_server));
            for (direction, borders) in [(Direction::ToServer, there), (Direction::ToClient, back)] {
                let before = passed[direction as usize];
                for bytes in borders.iter().flat_map(|border| [border - 1, *border, border + 1]) {
                    cuts.push(Mode::Cut { direction, bytes: (before + bytes) as u64, counted: Counted::Overall });
                }
            }
            passed[0] += exchange.to_server.len();
            passed[1] += exchange.to_client.len();
        }
        // After the last byte nothing comes that could be cut.
        cuts.retain(|cut| match cut {
            Mode::Cut { direction, bytes, .. } => *bytes <= passed[*direction as usize] as u64,
            _ => false,
        });
        cuts
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cut_after_any_byte_locks_nobody_out_and_leaves_no_orphan() -> Result<()> {
        let proof = Proof::begin("13", "cuts of the wire");
        let lines = lines().await?;
        lines[0].proxy.record();
        lines[0].rotate().await?;
        let exchanges = lines[0].proxy.take_recorded();
        let (mut cuts, borders) = (cuts_of_the_change(&exchanges)?, cuts_at_borders(&exchanges));
        if count(0, 1) == 0 {
            let mut sampler = Sampler::new(proof.seed());
            cuts = sampler.some(&cuts, SAMPLE.0);
            cuts.extend(sampler.some(&borders, SAMPLE.1));
        } else {
            cuts.extend(borders);
        }
        let owed = cuts.len() as u64;
        let left = Mutex::new(VecDeque::from(cuts));
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let cutting = lines.into_iter().map(async |line: Line| {
            let mut done = 0;
            while let Some(cut) = next() {
                line.cut(&cut).await.with_context(|| format!("{cut:?}\n{}", line.scene.daemon.stderr()))?;
                done += 1;
            }
            line.scene.settle_and_prove().await?;
            anyhow::Ok(done)
        });
        let done: u64 = try_join_all(cutting).await?.into_iter().sum();
        proof.end(done, owed)
    }
}
