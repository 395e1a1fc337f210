//! `GET /events`: what happened, oldest first; with `follow`, waits for something new.

use std::time::Duration;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::ops::events,
    http::{ApiState, Asker, Page, PageQuery, Problem, Query, problem::Answer},
    store::Event,
};

/// How long a follower is kept waiting.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often the store is asked for something new.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long an event is held back from followers: one that was born before it may be committed after it.
const SETTLING: Duration = Duration::from_millis(500);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which events are asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// The `next` of the page before, or the id of an event; nothing for the beginning.
    pub after: Option<String>,
    /// Events at most, 1 to 1000; 100 if not given.
    pub limit: Option<i64>,
    /// Waits up to 30 seconds for an event after the cursor.
    pub follow: bool,
    /// The newest events instead, newest first; not together with `after` or `follow`.
    pub newest: bool,
    /// Only events about this secret, target or id, newest first; not together with `after` or `follow`.
    pub subject: Option<String>,
}

/// An event.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventLine {
    /// Its id; ids sort by birth.
    pub id: String,
    /// What it is about: an id.
    pub subject: String,
    /// Its number among the events of its subject.
    pub seq: i64,
    /// The rotation whose journal it belongs to.
    pub rotation: Option<String>,
    /// What happened, such as `secret.created`.
    pub kind: String,
    /// The facts; never a secret value.
    #[schema(value_type = Object)]
    pub facts: serde_json::Value,
    /// Who acted.
    pub actor: String,
    /// Why, in the actor's words.
    pub reason: String,
    /// When.
    #[schema(value_type = String, format = "date-time")]
    pub at: DateTime<Utc>,
}

impl From<Event> for EventLine {
    fn from(event: Event) -> Self {
        Self {
            id: event.id.into(),
            subject: event.subject,
            seq: event.seq,
            rotation: event.rotation.map(String::from),
            kind: event.kind,
            facts: event.facts,
            actor: event.actor.as_str().to_owned(),
            reason: event.reason,
            at: event.at,
        }
    }
}

/// Lists events.
#[utoipa::path(
    get,
    path = "/events",
    tag = "events",
    params(EventsQuery),
    responses((status = 200, body = Page<EventLine>), (status = "default", body = Problem)),
)]
async fn list(
    State(api): State<ApiState>,
    _asker: Asker,
    Query(query): Query<EventsQuery>,
) -> Answer<Json<Page<EventLine>>> {
    let page = PageQuery { after: query.after.clone(), limit: query.limit };
    let limit = page.limit()?;
    let is_backwards = query.subject.is_some() || query.newest;
    if is_backwards && (query.follow || query.after.is_some()) {
        let detail = "`subject` and `newest` go without `after` and `follow`";
        return Err(Problem::invalid("query-refused", detail, "follow all events and choose among them"));
    }
    if let Some(subject) = &query.subject {
        return Ok(Json(whole(events::of_subject(&api.engine, subject, limit).await?)));
    }
    if query.newest {
        return Ok(Json(whole(events::newest(&api.engine, limit).await?)));
    }
    let found = if query.follow {
        followed(&api, page.after(), limit).await?
    } else {
        events::after(&api.engine, page.after(), limit).await?
    };
    // A follower needs a cursor even where the page is not full.
    let next = found.last().map(|event| event.id.to_string()).or(query.after);
    let next = if query.follow { next } else { next.filter(|_| i64::try_from(found.len()).is_ok_and(|n| n >= limit)) };
    Ok(Json(Page { items: found.into_iter().map(EventLine::from).collect(), next }))
}

fn whole(found: Vec<Event>) -> Page<EventLine> {
    Page { items: found.into_iter().map(EventLine::from).collect(), next: None }
}

/// Waits until there is an event after the cursor, the time is over, or the daemon stops.
async fn followed(api: &ApiState, after: &str, limit: i64) -> Answer<Vec<Event>> {
    let until = api.engine.clock.boot() + LONGEST_WAIT;
    loop {
        let mut found = events::after(&api.engine, after, limit).await?;
        let settled = api.engine.now() - SETTLING;
        found.truncate(found.iter().position(|event| event.at > settled).unwrap_or(found.len()));
        let is_over = api.engine.clock.boot() >= until || !api.readiness.is_ready();
        if !found.is_empty() || is_over {
            return Ok(found);
        }
        api.engine.clock.sleep(LOOK_EVERY).await;
    }
}
