//! Hooks that do as a test says.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::listener::Listener;
use crate::host::{HookError, Hooks};

/// What the next run of a hook does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// It fails at once.
    Fail,
    /// It reloads, and fails.
    ReloadAndFail,
    /// It does not end.
    Hang,
}

#[derive(Default)]
pub(super) struct TestHooks {
    services: Mutex<Vec<Listener>>,
    acts: Mutex<VecDeque<(&'static str, Act)>>,
    ran: Mutex<Vec<String>>,
    hung: Mutex<u64>,
    failed: Mutex<usize>,
}

fn open<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TestHooks {
    pub(super) fn add(&self, service: &Listener) {
        open(&self.services).push(service.clone());
    }

    /// The next run of this hook does not do as it should.
    pub(super) fn next(&self, name: &'static str, act: Act) {
        open(&self.acts).push_back((name, act));
    }

    /// How often a hook was run.
    pub(super) fn runs(&self, name: &str) -> usize {
        open(&self.ran).iter().filter(|ran| *ran == name).count()
    }

    /// How many runs did not end by themselves.
    pub(super) fn hung(&self) -> u64 {
        *open(&self.hung)
    }

    /// How many runs failed as a test wanted.
    pub(super) fn failed(&self) -> usize {
        *open(&self.failed)
    }

    fn reload(&self) {
        open(&self.services).iter().for_each(Listener::reload);
    }

    fn fail(&self, name: &str) -> HookError {
        *open(&self.failed) += 1;
        HookError::Failed { name: name.to_owned(), status: "exit status 1".to_owned(), said: String::new() }
    }

    fn act_for(&self, name: &str) -> Option<Act> {
        let mut acts = open(&self.acts);
        let at = acts.iter().position(|(for_name, _)| *for_name == name)?;
        acts.remove(at).map(|(_, act)| act)
    }
}

#[async_trait]
impl Hooks for TestHooks {
    fn knows(&self, name: &str) -> bool {
        matches!(name, "check" | "reload")
    }

    fn limit(&self, _name: &str) -> Duration {
        Duration::from_secs(1)
    }

    async fn run(&self, name: &str) -> Result<(), HookError> {
        open(&self.ran).push(name.to_owned());
        match self.act_for(name) {
            Some(Act::Fail) => return Err(self.fail(name)),
            Some(Act::ReloadAndFail) => {
                self.reload();
                return Err(self.fail(name));
            }
            Some(Act::Hang) => {
                *open(&self.hung) += 1;
                std::future::pending::<()>().await;
            }
            None => {}
        }
        if name == "reload" {
            self.reload();
        }
        Ok(())
    }
}
