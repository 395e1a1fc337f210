//! The channel: composes, hands over, and remembers who has a mail already while others are still to get it.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lettre::Address;
use serde_json::Value;

use crate::notify::{Channel, Checked, Credentials, Limits, Message, NotifyError, Outcome, Sending};

use super::{
    compose::Composer,
    relay::{Handover, Relay, Verdicts, named},
    settings::{KIND, Settings},
};

/// Notices of which it is remembered who has them.
const REMEMBERED: usize = 256;

pub(in crate::notify) fn check(settings: &Value) -> Result<Checked, NotifyError> {
    Settings::read(settings)?.check()
}

pub(in crate::notify) fn open(
    settings: &Value,
    credentials: &Credentials,
    limits: &Limits,
) -> Result<Box<dyn Channel>, NotifyError> {
    let settings = Settings::read(settings)?;
    let relay = Relay::open(&settings, credentials, limits)?;
    Ok(Box::new(Email { composer: Composer::open(&settings)?, relay, served: Mutex::default() }))
}

struct Email {
    composer: Composer,
    relay: Relay,
    /// Of notices that were handed over for some recipients only: who has them. A restart forgets it, and these get
    /// the mail a second time under the same Message-ID.
    served: Mutex<VecDeque<(String, Vec<Address>)>>,
}

impl Email {
    async fn attempt(&self, message: &Message, deadline: Duration) -> Outcome {
        let composed = match self.composer.compose(message) {
            Ok(composed) => composed,
            Err(outcome) => return outcome,
        };
        let served = self.served(&message.id);
        let recipients: Vec<Address> =
            self.composer.recipients().filter(|address| !served.contains(address)).cloned().collect();
        let is_sending = AtomicBool::new(false);
        let handover = Handover {
            sender: self.composer.sender(),
            recipients: &recipients,
            mail: &composed.bytes,
            is_sending: &is_sending,
        };
        match tokio::time::timeout(deadline, self.relay.hand_over(&handover)).await {
            Ok(Ok((response, verdicts))) => {
                let answer = response.map(|response| {
                    format!("{} {}", response.code(), response.message().collect::<Vec<_>>().join(" "))
                });
                let told: Vec<String> = answer.into_iter().chain(composed.notes).collect();
                self.judged(&message.id, served, verdicts, told)
            }
            Ok(Err(outcome)) => outcome,
            Err(_) if is_sending.load(Ordering::SeqCst) => {
                Outcome::unknown("smtp-time-limit", format!("the relay did not answer the mail within {deadline:?}"))
            }
            Err(_) => Outcome::again(
                "smtp-time-limit",
                format!("the relay did not get to the mail within {deadline:?}"),
                "nothing was handed over; see the relay's log",
            ),
        }
    }

    fn served(&self, id: &str) -> Vec<Address> {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.iter().find(|(known, _)| known == id).map(|(_, who)| who.clone()).unwrap_or_default()
    }

    /// What the verdicts on recipients come to. If some have the mail and others are to be tried again, it is
    /// remembered who has it.
    fn judged(&self, id: &str, mut served: Vec<Address>, verdicts: Verdicts, mut told: Vec<String>) -> Outcome {
        served.extend(verdicts.accepted);
        if !verdicts.refused.is_empty() {
            told.push(format!("refused for {}", named(verdicts.refused.iter())));
        }
        if !verdicts.later.is_empty() {
            told.push(format!("not yet taken for {}", named(verdicts.later.iter())));
            self.remember(id, served);
            return Outcome::again(
                "smtp-recipients-later",
                told.join("; "),
                "who has it already does not get it again",
            );
        }
        if served.is_empty() {
            return Outcome::refused("smtp-recipients-refused", told.join("; "), "see the addresses in `to`");
        }
        self.forget(id);
        Outcome::Delivered { answer: told.join("; ") }
    }

    fn forget(&self, id: &str) {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| known != id);
    }

    fn remember(&self, id: &str, who: Vec<Address>) {
        self.forget(id);
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.push_back((id.to_owned(), who));
        if served.len() > REMEMBERED {
            served.pop_front();
        }
    }
}

impl Channel for Email {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn send<'a>(&'a self, message: &'a Message, deadline: Duration) -> Sending<'a> {
        Box::pin(self.attempt(message, deadline))
    }
}
