//! What an attempt's outcome makes of a send and its channel. Pure.

use chrono::{DateTime, Utc};

use super::retry;
use crate::{
    notify::Outcome,
    rotation::Because,
    store::notices::send::{Health, Send},
};

/// Failures in a row after which a channel is told to be failing.
pub(crate) const FAILING_FROM: i64 = 3;

/// Failures in a row after which a channel's breaker opens, and the longest pause that it makes, in seconds.
pub(super) const BREAKS_FROM: i64 = 5;
const LONGEST_PAUSE: i64 = 15 * 60;

/// The most characters of an answer that are kept.
const LONGEST_ANSWER: usize = 500;

/// What follows from an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct After {
    pub(super) send: Send,
    pub(super) health: Health,
    /// The channel is to be disabled: its receiver is gone for good.
    pub(super) is_gone: bool,
}

/// How long a working channel may go on delivering until that is noted again.
const NOTED_EVERY: chrono::TimeDelta = chrono::TimeDelta::seconds(10);

impl After {
    /// Whether the health is worth a write: that a working channel still works is noted now and then.
    pub(super) fn is_news_of_health(&self, before: &Health) -> bool {
        let noted_at = before
            .delivered_at
            .filter(|_| Health { delivered_at: self.health.delivered_at, ..before.clone() } == self.health);
        match (noted_at, self.health.delivered_at) {
            (Some(before), Some(now)) => now - before >= NOTED_EVERY,
            _ => *before != self.health,
        }
    }
}

/// Says what follows.
pub(super) fn after(send: &Send, health: &Health, outcome: &Outcome, now: DateTime<Utc>, drawn: u32) -> After {
    let mut send = Send { attempts: send.attempts + 1, ..send.clone() };
    let mut health = health.clone();
    match outcome {
        Outcome::Delivered { answer } => {
            end(&mut send, "sent", now);
            send.code.clear();
            send.answer = shortened(answer);
            health = Health { delivered_at: Some(now), ..Health::default() };
            return After { send, health, is_gone: false };
        }
        Outcome::Refused { because } | Outcome::Gone { because } => {
            note(&mut send, because);
            end(&mut send, "dead", now);
        }
        Outcome::Again { because, .. } | Outcome::Unknown { because } => {
            note(&mut send, because);
            let wish = match outcome {
                Outcome::Again { not_before, .. } => *not_before,
                _ => None,
            };
            let left = send.deadline_at.map(|deadline| (deadline - now).to_std().unwrap_or_default());
            match retry::after(send.attempts, left, wish, drawn) {
                Some(wait) => send.next_at = Some(now + wait),
                None => end(&mut send, "dead", now),
            }
        }
    }
    health.failures += 1;
    health.code.clone_from(&send.code);
    health.answer.clone_from(&send.answer);
    // A refusal is about one message; the channel itself answers.
    if health.failures >= BREAKS_FROM && !matches!(outcome, Outcome::Refused { .. }) {
        let doubled = 1_i64 << (health.failures - BREAKS_FROM).min(10);
        let pause = (30 * doubled).min(LONGEST_PAUSE);
        health.paused_until = Some(now + chrono::TimeDelta::seconds(pause));
    }
    After { send, health, is_gone: matches!(outcome, Outcome::Gone { .. }) }
}

fn end(send: &mut Send, state: &str, now: DateTime<Utc>) {
    state.clone_into(&mut send.state);
    send.ended_at = Some(now);
    send.next_at = None;
}

fn note(send: &mut Send, because: &Because) {
    send.code.clone_from(&because.code);
    send.answer = shortened(&because.sentence);
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_ANSWER).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        clock::from_micros,
        model::{DocumentId, NoticeId, SendId},
    };

    fn fresh() -> Send {
        let at = from_micros(1_000_000_000);
        Send {
            id: SendId::mint(at, [1; 10]),
            notice: NoticeId::mint(at, [1; 10]),
            channel: DocumentId::mint(at, [1; 10]),
            thread: String::new(),
            state: "waiting".to_owned(),
            attempts: 0,
            next_at: Some(at),
            deadline_at: None,
            code: String::new(),
            answer: String::new(),
            created_at: at,
            ended_at: None,
        }
    }

    fn again() -> Outcome {
        Outcome::Again { because: Because::new("c", "s", "h"), not_before: None }
    }

    #[test]
    fn a_send_is_given_up_after_its_tries_and_keeps_why() {
        let (now, mut send, mut health) = (from_micros(2_000_000_000), fresh(), Health::default());
        let mut tries = 0;
        while send.ended_at.is_none() {
            let done = after(&send, &health, &again(), now, 0);
            (send, health) = (done.send, done.health);
            tries += 1;
        }
        assert_eq!((tries, send.state.as_str(), send.code.as_str()), (10, "dead", "c"));
        assert!(health.paused_until.is_some() && health.failures == 10);
    }

    #[test]
    fn a_delivery_heals_the_channel() {
        let now = from_micros(2_000_000_000);
        let ill = Health { failures: 7, paused_until: Some(now), ..Health::default() };
        let done = after(&fresh(), &ill, &Outcome::Delivered { answer: "ok".to_owned() }, now, 0);
        assert_eq!((done.send.state.as_str(), done.health.failures, done.health.paused_until), ("sent", 0, None));
    }

    #[test]
    fn a_working_channel_is_noted_now_and_then_and_a_change_at_once() {
        let now = from_micros(2_000_000_000);
        let done = |before: &Health| after(&fresh(), before, &Outcome::Delivered { answer: String::new() }, now, 0);
        let since =
            |seconds| Health { delivered_at: Some(now - chrono::TimeDelta::seconds(seconds)), ..Health::default() };
        assert!(done(&Health::default()).is_news_of_health(&Health::default()));
        assert!(!done(&since(9)).is_news_of_health(&since(9)));
        assert!(done(&since(10)).is_news_of_health(&since(10)));
        let ill = Health { failures: 1, ..since(1) };
        assert!(done(&ill).is_news_of_health(&ill));
        assert!(after(&fresh(), &since(1), &again(), now, 0).is_news_of_health(&since(1)));
    }

    #[test]
    fn a_refusal_is_final_and_leaves_the_breaker_alone() {
        let now = from_micros(2_000_000_000);
        let because = Because::new("c", "s", "h");
        let ill = Health { failures: 9, ..Health::default() };
        let done = after(&fresh(), &ill, &Outcome::Refused { because: because.clone() }, now, 0);
        assert_eq!((done.send.state.as_str(), done.health.paused_until, done.is_gone), ("dead", None, false));
        assert!(after(&fresh(), &ill, &Outcome::Gone { because }, now, 0).is_gone);
    }

    #[test]
    fn a_lost_answer_is_tried_again() {
        let now = from_micros(2_000_000_000);
        let because = Because::new("c", "s", "h");
        let done = after(&fresh(), &Health::default(), &Outcome::Unknown { because }, now, 0);
        assert_eq!(done.send.next_at, Some(now + Duration::from_secs(5)));
    }
}
