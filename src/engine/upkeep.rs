//! What is local to a process and harmless to miss or repeat: the ballast, forgotten answers, re-encryption, the
//! daily look for certificates, the watchdog. Nothing here rotates a secret.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use super::{
    Engine, Trouble,
    ops::{keys, pki::scan},
};
use crate::store::{certificate, idempotency, notices::notice};

/// Says that the process lives.
pub type Feed = Arc<dyn Fn() + Send + Sync>;

/// How long answers are kept for their idempotency keys.
const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// How long notices are listed after they were made; dead letters stay.
const TOLD_FOR: TimeDelta = TimeDelta::days(400);

/// How long certificates are listed after their end.
const LISTED_FOR: TimeDelta = TimeDelta::days(90);
/// The most of them that are forgotten at a time.
const MOST_AT_A_TIME: i64 = 10_000;

/// The recurring jobs of a process; they end when it is stopped or dropped with the runtime.
pub struct Upkeep(JobScheduler);

impl Upkeep {
    /// Starts the jobs. `feeding` is how often the watchdog is fed, and how.
    pub async fn start(engine: &Arc<Engine>, feeding: Option<(Duration, Feed)>) -> Result<Self, JobSchedulerError> {
        let first = Arc::clone(engine);
        // At once: without its ballast the engine starts no rotation.
        let _ = tokio::task::spawn_blocking(move || first.put_ballast_back()).await;
        let scheduler = JobScheduler::new().await?;
        scheduler.add(every(engine, "*/10 * * * * *", ballast)?).await?;
        scheduler.add(every(engine, "7/10 * * * * *", reencrypt)?).await?;
        scheduler.add(every(engine, "*/5 * * * * *", learn)?).await?;
        scheduler.add(every(engine, "0 17 * * * *", forget)?).await?;
        scheduler.add(every(engine, "30 * * * * *", sign)?).await?;
        scheduler.add(every(engine, "45 * * * * *", look)?).await?;
        if let Some((interval, feed)) = feeding {
            feed();
            let job = Job::new_repeated_async(interval, move |_, _| {
                let feed = Arc::clone(&feed);
                Box::pin(async move { feed() })
            })?;
            scheduler.add(job).await?;
        }
        scheduler.start().await?;
        Ok(Self(scheduler))
    }

    /// Stops the jobs.
    pub async fn stop(mut self) {
        if let Err(error) = self.0.shutdown().await {
            tracing::warn!(%error, "upkeep did not stop");
        }
    }
}

/// A job by a cron rule of six fields, in UTC. A run that finds the one before it still at work does nothing.
fn every<F>(engine: &Arc<Engine>, rule: &str, run: fn(Arc<Engine>) -> F) -> Result<Job, JobSchedulerError>
where
    F: Future<Output = Result<(), Trouble>> + Send + 'static,
{
    let (engine, busy) = (Arc::clone(engine), Arc::new(tokio::sync::Mutex::new(())));
    Job::new_async(rule, move |_, _| {
        let (engine, busy) = (Arc::clone(&engine), Arc::clone(&busy));
        Box::pin(async move {
            let Ok(_alone) = busy.try_lock() else { return };
            if engine.is_stopping() {
                return;
            }
            if let Err(trouble) = run(engine).await {
                tracing::warn!(code = %trouble.code, "upkeep: {trouble}");
            }
        })
    })
}

async fn ballast(engine: Arc<Engine>) -> Result<(), Trouble> {
    // Filling a file blocks; a panic in there is a defect that the log shows.
    let _ = tokio::task::spawn_blocking(move || engine.put_ballast_back()).await;
    Ok(())
}

async fn reencrypt(engine: Arc<Engine>) -> Result<(), Trouble> {
    while !engine.is_stopping() && keys::reencrypt_step(&engine).await? {}
    Ok(())
}

async fn learn(engine: Arc<Engine>) -> Result<(), Trouble> {
    keys::learn_roots(&engine).await
}

async fn sign(engine: Arc<Engine>) -> Result<(), Trouble> {
    engine.advance_rollovers().await?;
    engine.sign_lists_again().await.map(|_: usize| ())
}

async fn look(engine: Arc<Engine>) -> Result<(), Trouble> {
    scan::again(&engine).await
}

async fn forget(engine: Arc<Engine>) -> Result<(), Trouble> {
    let (answers, notices) = (engine.now() - KEPT_FOR, engine.now() - TOLD_FOR);
    let ended = engine.now() - LISTED_FOR;
    engine
        .write(move |tx| {
            Box::pin(async move {
                idempotency::delete_before(tx, answers).await?;
                certificate::prune(tx, ended, MOST_AT_A_TIME).await?;
                Ok::<_, Trouble>(notice::prune(tx, notices).await?)
            })
        })
        .await
        .map(|_: u64| ())
}
