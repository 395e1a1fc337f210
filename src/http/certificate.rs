//! Keeps what the listener shows at the current version of its secret: looks every second, and says loudly when there
//! is nothing to show.
//!
//! What is shown stays until something better is there: a version that cannot be used, a deleted secret, a store that
//! does not answer take nothing away.

use std::{net::SocketAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::sync::watch;

use super::tls::{Shown, certified};
use crate::{
    engine::{
        Engine,
        ops::access::listener::{ListenerView, Look, Presented, look},
    },
    model::{Name, VersionId},
};

/// How often the secret is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The certificate of a listener, and the secret that it comes from.
pub struct Keeper {
    engine: Arc<Engine>,
    address: SocketAddr,
    name: Name,
    shown: Arc<Shown>,
    /// The version that was looked at last, usable or not.
    seen: Option<VersionId>,
    /// Whether that one is shown.
    shows_seen: bool,
    /// How the one that is shown was told.
    told: Option<ListenerView>,
}

impl Keeper {
    /// The keeper of what is shown at an address.
    pub fn new(engine: Arc<Engine>, address: SocketAddr, name: Name, shown: Arc<Shown>) -> Self {
        Self { engine, address, name, shown, seen: None, shows_seen: false, told: None }
    }

    /// Looks until told to stop.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            // A defect must not end the looks: nobody would see that certificates are no longer renewed.
            if AssertUnwindSafe(self.look()).catch_unwind().await.is_err() {
                self.tell_trouble("a look at its secret ended by a defect".to_owned(), "report this".to_owned());
            }
            tokio::select! {
                () = self.engine.clock.sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Looks now, and shows what is current.
    pub async fn look(&mut self) {
        match look(&self.engine, &self.name, self.seen.as_ref()).await {
            // After a look that failed: what is shown is the current one again.
            Ok(Look::Same) => {
                if self.shows_seen
                    && let Some(view) = self.told.clone()
                {
                    self.tell(view);
                }
            }
            Ok(Look::Another(presented)) => self.present(&presented),
            Ok(Look::Nothing { finding, hint }) => {
                self.seen = None;
                self.tell_trouble(finding, hint);
            }
            Err(trouble) => self.tell_trouble(trouble.sentence, trouble.hint),
        }
    }

    fn present(&mut self, presented: &Presented) {
        self.seen = Some(presented.id.clone());
        let made = certified(&presented.material);
        self.shows_seen = made.is_ok();
        match made {
            Ok(key) => {
                self.shown.set(key);
                let mut view = self.view("serves");
                (view.version, view.expires_at) = (presented.number, presented.expires_at);
                self.told = Some(view.clone());
                self.tell(view);
            }
            Err(error) => {
                let number = presented.number.map_or_else(|| "?".to_owned(), |number| number.to_string());
                let finding = format!("version {number} of `{}` cannot be shown: {error}", self.name);
                self.tell_trouble(finding, error.hint().to_owned());
            }
        }
    }

    fn tell_trouble(&self, finding: String, hint: String) {
        let mut view = self.told.clone().unwrap_or_else(|| self.view("waits"));
        if self.shown.is_set() {
            "stale".clone_into(&mut view.state);
        }
        (view.finding, view.hint) = (finding, hint);
        self.tell(view);
    }

    fn tell(&self, view: ListenerView) {
        let (address, version) = (self.address, view.version);
        let (state, finding, hint) = (view.state.clone(), view.finding.clone(), view.hint.clone());
        if !self.engine.listening.set(view) {
            return;
        }
        match state.as_str() {
            "serves" => tracing::info!(%address, certificate = %self.name, version, "HTTPS is served"),
            "stale" => tracing::error!(%address, hint, "HTTPS shows an older certificate: {finding}"),
            _ => tracing::error!(%address, hint, "HTTPS IS NOT SERVED: {finding}"),
        }
    }

    fn view(&self, state: &str) -> ListenerView {
        ListenerView {
            address: self.address.to_string(),
            certificate: self.name.to_string(),
            state: state.to_owned(),
            version: None,
            expires_at: None,
            finding: String::new(),
            hint: String::new(),
        }
    }
}
