//! A notice that nobody acknowledged in time is told to further channels.

use std::sync::Arc;

use super::{
    matter::Matter,
    rules::{Facts, RouteRules, kind, read},
};
use crate::{
    engine::{Engine, runner::RunError},
    model::NoticeId,
    notify::{Message, State},
    store::{
        Tx,
        agenda::{self, Claim},
        document,
        notices::notice::{self, Notice},
    },
};

/// Work on a notice's agenda row.
pub(in crate::engine) async fn look_at_notice(
    engine: &Arc<Engine>,
    claim: &Claim,
    id: &NoticeId,
) -> Result<(), RunError> {
    let (engine_in, claim, id) = (Arc::clone(engine), claim.clone(), id.clone());
    engine
        .write(move |tx| {
            Box::pin(async move {
                agenda::hold(tx, &claim.subject, claim.fence).await?;
                let found = notice::find(tx, &claim.tenant, &id).await?;
                if let Some(notice) = found.filter(|notice| notice.acked_at.is_none() && notice.escalate_at.is_some()) {
                    engine_in.escalate(tx, &claim, &notice).await?;
                    notice::end_escalation(tx, &claim.tenant, &id).await?;
                }
                Ok::<_, RunError>(agenda::delete(tx, &claim.subject).await?)
            })
        })
        .await?;
    engine.wake();
    Ok(())
}

impl Engine {
    async fn escalate(&self, tx: &mut Tx, claim: &Claim, notice: &Notice) -> Result<(), RunError> {
        if !notice::is_thread_open(tx, &claim.tenant, &notice.thread).await? {
            return Ok(());
        }
        let Ok(message) = serde_json::from_value::<Message>(notice.message.clone()) else { return Ok(()) };
        if message.state != State::Open {
            return Ok(());
        }
        let matter = Matter { message, deadline_at: notice.deadline_at, is_urgent: true, is_answer: false };
        let facts: Facts<'_> = matter.facts();
        let routes = document::list(tx, self.keyring(), &claim.tenant, kind::ROUTE, "", 1_000).await?;
        for document in &routes {
            let route: RouteRules = read(document)?;
            if !route.matching.matches(&facts) || route.escalate_after.is_none() {
                continue;
            }
            for name in &route.escalate_to {
                let channel = document::find(tx, self.keyring(), &claim.tenant, kind::CHANNEL, name).await?;
                if let Some(channel) = channel {
                    self.insert_send(tx, &claim.tenant, notice, &channel.id, self.now()).await?;
                }
            }
        }
        Ok(())
    }
}
