//! Proof 18: the target refuses new passwords.

mod proofs {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use anyhow::{Context, Result, ensure};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
    use tokio::net::{TcpListener, TcpStream};

    use crate::support::proof::Proof;
    use crate::support::scene::{QUIET, SETTLING, Scene, start_server};
    use crate::support::wait::eventually;

    /// What a policy says: an error of class 22, then the word that the session is ready.
    fn refusal() -> Vec<u8> {
        let fields = b"SERROR\0VERROR\0C22023\0Mpassword does not meet the policy\0Rcheck_password\0\0";
        let length = u32::try_from(fields.len() + 4).expect("a short message").to_be_bytes();
        [b"E".as_slice(), &length, fields, b"Z\0\0\0\x05I"].concat()
    }

    async fn carry(client: TcpStream, server: SocketAddr, left: &AtomicU64, seen: &AtomicU64) -> std::io::Result<()> {
        let server = TcpStream::connect(server).await?;
        let ((mut from_client, to_client), (mut from_server, mut to_server)) =
            (client.into_split(), server.into_split());
        let to_client = tokio::sync::Mutex::new(to_client);
        let there = async {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                let count = from_client.read(&mut buffer).await?;
                let is_change = buffer[..count].windows(10).any(|window| window == b"ALTER ROLE");
                if count == 0 {
                    return to_server.shutdown().await;
                }
                let is_refused = is_change
                    && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
                seen.fetch_add(u64::from(is_change), Ordering::SeqCst);
                if is_refused {
                    to_client.lock().await.write_all(&refusal()).await?;
                } else {
                    to_server.write_all(&buffer[..count]).await?;
                }
            }
        };
        let back = async {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                let count = from_server.read(&mut buffer).await?;
                if count == 0 {
                    return to_client.lock().await.shutdown().await;
                }
                copy(&mut &buffer[..count], &mut *to_client.lock().await).await?;
            }
        };
        tokio::try_join!(there, back).map(drop)
    }

    /// A server's policy: it refuses so many changes, and counts all of them.
    #[derive(Default)]
    struct Policy {
        left: AtomicU64,
        seen: AtomicU64,
    }

    async fn refusing(server: SocketAddr) -> Result<(u16, Arc<Policy>)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (port, policy) = (listener.local_addr()?.port(), Arc::new(Policy::default()));
        let kept = Arc::clone(&policy);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let policy = Arc::clone(&kept);
                tokio::spawn(async move {
                    let _ = carry(client, server, &policy.left, &policy.seen).await;
                });
            }
        });
        Ok((port, policy))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_refused_value_is_replaced_after_a_probe_and_not_in_a_loop() -> Result<()> {
        let proof = Proof::begin("18", "refusals by the target");
        let server = start_server().await?;
        let (port, policy) = refusing((Ipv4Addr::LOCALHOST, server.port()).into()).await?;
        let scene = Scene::before(server, port, QUIET).await?;
        scene.adopt_single("app").await?;
        policy.left.store(1, Ordering::SeqCst);
        scene.daemon.rotate(&["app"]).await?;
        scene.daemon.settle(SETTLING).await?;
        let journal = scene.daemon.journal("app").await?;
        let place = |kind: &str, nth: usize| {
            journal.iter().enumerate().filter(|(_, found)| *found == kind).map(|(at, _)| at).nth(nth)
        };
        let second = place("sealed", 1).context("no second value")?;
        ensure!(place("probed", 0).is_some_and(|probed| probed < second), "a new value before a probe: {journal:?}");
        ensure!(place("sealed", 2).is_none() && place("published", 0).is_some(), "{journal:?}");
        scene.settle_and_prove().await?;

        policy.left.store(1_000, Ordering::SeqCst);
        policy.seen.store(0, Ordering::SeqCst);
        scene.daemon.rotate(&["app"]).await?;
        let alerts = async || scene.daemon.alerts().await.ok().filter(|alerts| !alerts.is_empty());
        let alerts = eventually(SETTLING, "an alert is open", alerts).await?;
        ensure!(alerts == ["rotation-failed"], "{alerts:?}");
        let attempts = policy.seen.load(Ordering::SeqCst);
        ensure!((2..=5).contains(&attempts), "{attempts} attempts");
        ensure!(scene.served_logs_in("app").await?, "the value before is not in force");
        policy.left.store(0, Ordering::SeqCst);
        proof.end(1 + attempts, 3)
    }
}
