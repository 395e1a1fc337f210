//! What runs while the daemon serves, and how it ends.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle};

use super::Signals;
use crate::{engine::Engine, http::Readiness};

/// The engine's loop, until it is asked to stop and what it began has ended.
pub async fn run_engine(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    let mut run = std::pin::pin!(Arc::clone(&engine).run());
    tokio::select! {
        // It ends by itself only when the store can no longer be trusted.
        () = &mut run => return,
        // A sender that is gone asks as well.
        _ = stop.wait_for(|stop| *stop) => engine.stop(),
    }
    run.await;
}

/// The tasks of a daemon that serves.
#[derive(Debug)]
pub struct Running {
    /// The engine's loop.
    pub engine: JoinHandle<()>,
    /// The listeners.
    pub http: JoinHandle<()>,
    /// Asks all of them to stop.
    pub stop: watch::Sender<bool>,
    /// Whether requests should still come.
    pub readiness: Readiness,
    /// How long they may take to end.
    pub drain: Duration,
}

/// How a daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All work that ran has ended.
    Drained,
    /// Work was cut off: its outcome is learned at the next start.
    CutOff,
    /// A part ended that nobody asked to.
    Broken,
}

impl Running {
    /// Waits for a signal, then for what runs to end: up to `drain`, or until a second signal.
    pub async fn until_stopped(mut self, signals: &mut Signals) -> Ended {
        let is_broken = tokio::select! {
            name = signals.next() => {
                tracing::info!(signal = name, "stopping: what runs may end");
                false
            }
            _ = &mut self.engine => true,
            _ = &mut self.http => true,
        };
        self.readiness.set(false);
        self.stop.send_replace(true);
        super::stopping();
        if is_broken {
            tracing::error!("a part of the daemon ended by itself: stopping");
            return Ended::Broken;
        }
        let parts = async {
            let _ = (&mut self.engine).await;
            let _ = (&mut self.http).await;
        };
        tokio::select! {
            () = parts => Ended::Drained,
            name = signals.next() => {
                tracing::warn!(signal = name, "stopping at once: work is cut off");
                Ended::CutOff
            }
            () = patience(self.drain) => {
                tracing::warn!("work did not end in time and is cut off");
                Ended::CutOff
            }
        }
    }
}

async fn patience(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "the process's own end, in running time")]
    tokio::time::sleep(time).await;
}
