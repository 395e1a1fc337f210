//! Several daemons that meet faults beside each other, before one server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use futures_util::future::try_join_all;

use super::points::Walk;
use crate::support::scene::{FIRST, QUIET, STALE, Scene, start_server};
use crate::support::shared::{SharedStore, quick};

/// Daemons that walk beside each other.
pub(crate) const WALKERS: usize = 3;

/// How old and new follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    Single,
    Alternate,
}

/// Where walkers keep what they know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Postgres,
}

/// Walkers before one server, each with a daemon and an account of its own.
pub(crate) async fn walkers(strategy: Strategy, store: Store, how_many: usize) -> Result<Vec<Walk>> {
    let server = start_server().await?;
    // A server of its own: two roles are compared in every database beside them.
    let kept = if store == Store::Postgres { Some(start_server().await?) } else { None };
    let names: Vec<String> = (0..how_many).map(|i| format!("app{i}")).collect();
    let mut walkers = Vec::new();
    for name in &names {
        let (server, port) = (Arc::clone(&server), server.port());
        let mut scene = match store {
            Store::Sqlite => Scene::before(server, port, QUIET).await?,
            Store::Postgres => {
                let kept = kept.as_ref().unwrap_or(&server);
                let store = SharedStore::make(kept, &format!("kept_{name}"), kept.port(), &quick());
                Scene::on_postgres(server, store, port).await?
            }
        };
        let others = names.iter().filter(|other| *other != name);
        scene.known = others.flat_map(|other| ["", "_a", "_b"].map(|end| format!("{other}{end}"))).collect();
        let before = match strategy {
            Strategy::Single => {
                scene.adopt_single(name).await?;
                vec![(name.clone(), FIRST)]
            }
            Strategy::Alternate => {
                scene.adopt_alternate(name).await?;
                vec![(format!("{name}_a"), FIRST), (format!("{name}_b"), STALE)]
            }
        };
        walkers.push(Walk::begin(scene, name, before).await?);
    }
    Ok(walkers)
}

/// Shares tasks among the walkers; answers how many were done.
pub(crate) async fn share<W, T>(
    walkers: Vec<W>,
    tasks: Vec<T>,
    work: impl AsyncFn(&mut W, T) -> Result<()>,
) -> Result<u64> {
    let left = Mutex::new(VecDeque::from(tasks));
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let walking = walkers.into_iter().map(async |mut walk: W| {
        let mut done = 0;
        while let Some(task) = next() {
            work(&mut walk, task).await?;
            done += 1;
        }
        anyhow::Ok(done)
    });
    Ok(try_join_all(walking).await?.into_iter().sum())
}
