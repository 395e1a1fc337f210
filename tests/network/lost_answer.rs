//! Proof 14: the target committed the change, and its answer never came.

mod proofs {
    use anyhow::{Context, Result, ensure};

    use crate::support::proof::{Proof, count};
    use crate::support::proxy::{Mode, Proxy};
    use crate::support::scene::{QUIET, SETTLING, Scene};

    async fn lose_an_answer(scene: &Scene, proxy: &Proxy, name: &str) -> Result<()> {
        proxy.set_once(Mode::DropResponse { after: b"ALTER ROLE".to_vec(), let_through: 0 }).await?;
        scene.daemon.rotate(&[name]).await?;
        scene.daemon.settle(SETTLING).await?;
        ensure!(proxy.is_passing(), "no answer was lost");
        ensure!(scene.served_logs_in(name).await?, "what is served for `{name}` does not log in");
        let journal = scene.daemon.journal(name).await?;
        let sealed = journal.iter().filter(|kind| *kind == "sealed").count();
        ensure!(
            sealed == 1 && journal.iter().any(|kind| kind == "published"),
            "a live value was given up: {journal:?}"
        );
        ensure!(journal.iter().any(|kind| kind == "probed"), "nothing was probed: {journal:?}");
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_answer_lost_after_the_commit_costs_no_live_value() -> Result<()> {
        let proof = Proof::begin("14", "lost answers, with a self-managed account");
        let (scene, proxy) = Scene::behind_proxy(QUIET).await?;
        scene.adopt_single("app").await?;
        scene.adopt_self_managed("own", proxy.address().port()).await?;
        let (mut lost, owed) = (0, count(25, 500));
        while lost < owed {
            let name = if lost % 2 == 0 { "app" } else { "own" };
            lose_an_answer(&scene, &proxy, name).await.with_context(|| format!("answer {lost} of `{name}`"))?;
            lost += 1;
        }
        ensure!(proxy.counts().dropped == lost);
        scene.settle_and_prove().await?;
        proof.end(lost, owed)
    }
}
