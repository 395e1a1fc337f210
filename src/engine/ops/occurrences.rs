//! Occurrences: what was planned or asked for, and how it ended.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    asked::Asked,
    views::{OccurrenceView, RotationLine},
};
use crate::{
    engine::{Engine, Trouble},
    model::{Actor, OccurrenceId},
    store::{occurrence, rotation},
};

/// How far an occurrence is, for who waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OccurrenceProgress {
    /// The secret's name.
    pub secret: String,
    /// The occurrence.
    pub occurrence: OccurrenceView,
    /// The rotation that works, or worked last, for it.
    pub rotation: Option<RotationLine>,
}

/// Lists the newest occurrences of a secret, newest first. Errors: `not-found`.
pub async fn list(
    engine: &Arc<Engine>,
    actor: &Actor,
    secret: &str,
    limit: i64,
) -> Result<Vec<OccurrenceView>, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let found = asked.load_secret(&mut tx, secret).await?;
    let listed = occurrence::list(&mut tx, asked.tenant(), &found.id, limit).await?;
    Ok(listed.iter().map(OccurrenceView::from).collect())
}

/// Shows how far an occurrence is. Errors: `not-found`.
pub async fn show(engine: &Arc<Engine>, actor: &Actor, id: &str) -> Result<OccurrenceProgress, Trouble> {
    let asked = Asked::new(engine, actor);
    let missing = || Trouble::not_found("occurrence", id);
    let parsed = OccurrenceId::parse(id).map_err(|_| missing())?;
    let mut tx = engine.store.read().await?;
    let found = occurrence::find(&mut tx, asked.tenant(), &parsed).await?.ok_or_else(missing)?;
    let secret = asked.name_of(&mut tx, &found.secret).await?;
    let entry = match &found.rotation {
        Some(rotation) => rotation::find(&mut tx, asked.tenant(), rotation).await?,
        // Between two tries it has none: the last one of the secret tells how it went.
        None => rotation::list(&mut tx, asked.tenant(), Some(&found.secret), None, 1).await?.into_iter().next(),
    };
    let rotation = entry.map(|entry| RotationLine::of(&entry, secret.clone()));
    Ok(OccurrenceProgress { secret, occurrence: OccurrenceView::from(&found), rotation })
}
