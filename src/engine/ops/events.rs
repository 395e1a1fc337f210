//! Reading events.

use crate::{
    engine::{Engine, Kind, Trouble},
    model::{EventId, Name},
    store::{Event, event, secret, target},
};

/// Events after a cursor (an event's id; empty for the beginning), oldest first.
pub async fn after(engine: &Engine, after: &str, limit: i64) -> Result<Vec<Event>, Trouble> {
    if !after.is_empty() && EventId::parse(after).is_err() {
        let hint = "take the `next` of the page before";
        return Err(Trouble::new(Kind::Invalid, "cursor-refused", "the cursor is not the id of an event", hint));
    }
    let mut tx = engine.store.read().await?;
    Ok(event::list_after(&mut tx, engine.keyring(), &engine.tenant, after, limit).await?)
}

/// The newest events, newest first.
pub async fn newest(engine: &Engine, limit: i64) -> Result<Vec<Event>, Trouble> {
    let mut tx = engine.store.read().await?;
    Ok(event::list_newest(&mut tx, engine.keyring(), &engine.tenant, limit).await?)
}

/// The newest events about a subject, newest first. A subject is an id, or the name of a secret or target.
pub async fn of_subject(engine: &Engine, subject: &str, limit: i64) -> Result<Vec<Event>, Trouble> {
    let mut tx = engine.store.read().await?;
    let (keyring, tenant) = (engine.keyring(), &engine.tenant);
    let mut found = event::list_of_subject(&mut tx, keyring, tenant, subject, limit).await?;
    let Ok(name) = Name::parse(subject) else { return Ok(found) };
    if found.is_empty()
        && let Some(secret) = secret::find_by_name(&mut tx, keyring, tenant, &name).await?
    {
        found = event::list_of_subject(&mut tx, keyring, tenant, secret.id.as_str(), limit).await?;
    }
    if found.is_empty()
        && let Some(target) = target::find_by_name(&mut tx, keyring, tenant, &name).await?
    {
        found = event::list_of_subject(&mut tx, keyring, tenant, target.id.as_str(), limit).await?;
    }
    Ok(found)
}
