//! Nothing is broken yet: one whole rotation, seen by psql and not by keywheel's word.

use anyhow::Result;

use crate::support::scene::{FIRST, QUIET, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_from_init_to_publish_leaves_nothing_for_the_oracle_to_find() -> Result<()> {
    let mut scene = Scene::start(QUIET).await?;
    scene.adopt_single("app").await?;
    scene.adopt_alternate("web").await?;
    scene.daemon.rotate(&["app", "web"]).await?;
    let verdict = scene.settle_and_prove().await?;
    assert!(verdict.count("logins") >= 4 && verdict.count("rotations") == 2, "{verdict:?}");
    let value = scene.daemon.value_of("app", "").await?;
    let password = value["password"].as_str().unwrap_or_default();
    assert!(scene.server.accepts("app", password) && !scene.server.accepts("app", FIRST));
    assert_eq!(scene.daemon.terminate().await?.code(), Some(0));
    crate::support::oracle::judge_stopped(&scene.daemon).await?;
    Ok(())
}
