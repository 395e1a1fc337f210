//! Bearer tokens: making, listing and revoking them, and letting their holders in.
//!
//! The text of a token leaves the process in the answer to its making and nowhere else. Whether a token lives is read
//! from the store with each request, and a second time in the transaction that records a read: once a revocation is
//! committed, by whatever process, no later read is recorded, and so none is answered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::super::{
    asked::{Asked, Told, invalid},
    secret_fields::check_text,
    wire::{Moment, Password, moment},
};
use crate::{
    access::{Grant, LONGEST_LIFE, Life, Standing, USUAL_LIFE, bearer},
    clock::{from_micros, micros},
    engine::{Engine, Kind, Trouble},
    model::{Actor, TokenId},
    schedule::HumanDuration,
    store::{
        Tx,
        token::{self, Token},
    },
};

/// Characters of a token's name at most.
const LONGEST_NAME: usize = 256;

/// A token as somebody wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// Patterns of the names that it may read: `billing/db`, `billing/*`, `*`.
    pub read: Vec<String>,
    /// How long it lives, such as `30d`; `90d` if it is not given, at most `400d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// What people call it.
    #[serde(default)]
    pub name: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A token without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// Its id.
    pub id: String,
    /// What people call it; may be empty.
    pub name: String,
    /// Patterns of the names that it may read.
    pub read: Vec<String>,
    /// `live`, `expired` or `revoked`.
    pub state: String,
    /// When it was made.
    pub created_at: Moment,
    /// Who made it.
    pub created_by: String,
    /// When it ends.
    pub expires_at: Moment,
    /// When it was revoked.
    pub revoked_at: Option<Moment>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Moment>,
}

/// A new token, with its text: shown here and never again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TokenMade {
    /// The token.
    pub token: Password,
    /// What is known of it.
    #[serde(flatten)]
    pub about: TokenView,
}

/// Makes a token.
///
/// Errors: `pattern-missing`, `pattern-invalid`, `patterns-too-many`; a `ttl` that is no duration, `ttl-too-long`.
pub async fn create(engine: &Arc<Engine>, actor: &Actor, request: CreateToken) -> Result<TokenMade, Trouble> {
    check_text("reason", &request.reason)?;
    check_name(&request.name)?;
    let grant = Grant::parse(&request.read).map_err(|error| invalid(error.code(), error.to_string(), error.hint()))?;
    let lasting = read_ttl(request.ttl.as_deref())?;
    let mut random = Zeroizing::new([0; bearer::RANDOM_BYTES]);
    engine.random.fill(&mut *random);
    let text = bearer::make(&random);
    let asked = Asked::new(engine, actor);
    let made = Token {
        id: engine.mint(TokenId::mint),
        tenant: asked.tenant().clone(),
        name: request.name,
        hash: engine.keyring().token_hash(asked.tenant(), text.expose().as_bytes())?,
        grant,
        created_at: asked.now,
        created_by: actor.clone(),
        life: Life { expires_at: asked.now + lasting, revoked_at: None },
        revision: 1,
    };
    let reason = request.reason;
    let about = asked.write(move |asked, tx| Box::pin(async move { asked.insert_token(tx, &made, &reason).await }));
    Ok(TokenMade { token: Password(text), about: about.await? })
}

fn check_name(name: &str) -> Result<(), Trouble> {
    if name.len() <= LONGEST_NAME && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let sentence = format!("the name of a token is up to {LONGEST_NAME} bytes that can be printed");
    Err(invalid("token-name-invalid", sentence, "write for example `billing service, production`"))
}

fn read_ttl(text: Option<&str>) -> Result<chrono::TimeDelta, Trouble> {
    let Some(text) = text else {
        return Ok(chrono::TimeDelta::from_std(USUAL_LIFE).expect("90 days fit"));
    };
    let ttl: HumanDuration = text.parse().map_err(|error: crate::schedule::DurationError| {
        invalid(error.code(), format!("`ttl`: {error}"), error.hint())
    })?;
    if ttl.as_duration() <= LONGEST_LIFE {
        return Ok(ttl.as_delta());
    }
    let days = LONGEST_LIFE.as_secs() / 86_400;
    let sentence = format!("a token lives `{days}d` at most, found `{ttl}`");
    Err(invalid("ttl-too-long", sentence, format!("write `{days}d` or less, and make a new one in time")))
}

/// Lists tokens after an id, in the order of their making.
pub async fn list(engine: &Arc<Engine>, actor: &Actor, after: &str, limit: i64) -> Result<Vec<TokenView>, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let mut views = Vec::new();
    for found in token::list(&mut tx, asked.keyring(), asked.tenant(), after, limit).await? {
        views.push(asked.view_token(&mut tx, &found).await?);
    }
    Ok(views)
}

/// Shows a token. Errors: `not-found`.
pub async fn show(engine: &Arc<Engine>, actor: &Actor, id: &str) -> Result<TokenView, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let found = asked.load_token(&mut tx, id).await?;
    asked.view_token(&mut tx, &found).await
}

/// Revokes a token for good, from the next request on. One that was revoked before stays as it is.
///
/// Errors: `not-found`.
pub async fn revoke(engine: &Arc<Engine>, actor: &Actor, id: &str, reason: String) -> Result<TokenView, Trouble> {
    check_text("reason", &reason)?;
    let id = id.to_owned();
    let asked = Asked::new(engine, actor);
    asked.write(move |asked, tx| Box::pin(async move { asked.revoke_token(tx, &id, &reason).await })).await
}

impl Asked {
    async fn insert_token(&self, tx: &mut Tx, made: &Token, reason: &str) -> Result<TokenView, Trouble> {
        let written = token::insert(tx, self.keyring(), made).await?;
        let view = self.view_token(tx, made).await?;
        let facts = json!({ "v": 1, "name": made.name, "read": view.read, "expires_at": view.expires_at });
        let subject = made.id.as_str();
        let told = Told { subject, kind: "token.created", facts, reason, written: vec![written], rotation: None };
        self.append(tx, told).await?;
        Ok(view)
    }

    async fn revoke_token(&self, tx: &mut Tx, id: &str, reason: &str) -> Result<TokenView, Trouble> {
        let mut found = self.load_token(tx, id).await?;
        if found.life.revoked_at.is_none() {
            found.life.revoked_at = Some(self.now);
            let written = token::update(tx, self.keyring(), &mut found).await?;
            let (subject, facts) = (found.id.as_str(), json!({ "v": 1, "name": found.name }));
            let told = Told { subject, kind: "token.revoked", facts, reason, written: vec![written], rotation: None };
            self.append(tx, told).await?;
        }
        self.view_token(tx, &found).await
    }

    async fn load_token(&self, tx: &mut Tx, id: &str) -> Result<Token, Trouble> {
        let parsed = TokenId::parse(id).map_err(|_| {
            // What was given may be a token itself, and is not repeated.
            invalid("id-invalid", "that is not the id of a token", "`keywheel token list` shows ids: `tok_…`")
        })?;
        let found = token::find(tx, self.keyring(), self.tenant(), &parsed).await?;
        found.ok_or_else(|| Trouble::not_found("token", id))
    }

    async fn view_token(&self, tx: &mut Tx, found: &Token) -> Result<TokenView, Trouble> {
        let used_at = token::find_use(tx, self.tenant(), &found.id).await?;
        Ok(TokenView {
            id: found.id.to_string(),
            name: found.name.clone(),
            read: found.grant.patterns().iter().map(ToString::to_string).collect(),
            state: found.life.standing(self.now).as_str().to_owned(),
            created_at: found.created_at.into(),
            created_by: found.created_by.to_string(),
            expires_at: found.life.expires_at.into(),
            revoked_at: moment(found.life.revoked_at),
            last_used_at: moment(used_at),
        })
    }
}

/// The live token whose text this is, and notes that it was used.
///
/// Errors: `token-refused` for a text that is no token's, `token-expired`, `token-revoked`.
pub async fn admit(engine: &Arc<Engine>, text: &[u8]) -> Result<Token, Trouble> {
    if !bearer::is_well_formed(text) {
        return Err(unknown());
    }
    let now = from_micros(micros(engine.now()));
    let found = find_by_text(engine, text).await?.ok_or_else(unknown)?;
    refuse_ended(&found, found.life.standing(now))?;
    if engine.uses.is_due(&found.id, now) {
        let (noting, tenant, id) = (Arc::clone(engine), engine.tenant.clone(), found.id.clone());
        tokio::spawn(async move {
            let noted = noting.write(move |tx| Box::pin(async move { token::note_use(tx, &tenant, &id, now).await }));
            if let Err(error) = noted.await {
                tracing::warn!(%error, "the use of a token could not be noted");
            }
        });
    }
    Ok(found)
}

async fn find_by_text(engine: &Engine, text: &[u8]) -> Result<Option<Token>, Trouble> {
    let mut tx = engine.store.read().await?;
    for hash in engine.keyring().token_hashes(&engine.tenant, text) {
        let found = token::find_by_hash(&mut tx, engine.keyring(), &engine.tenant, &hash).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Refuses a token that has ended since it was let in. For the transaction that records what it does.
pub(in crate::engine::ops) async fn refuse_if_ended(tx: &mut Tx, asked: &Asked, id: &TokenId) -> Result<(), Trouble> {
    let found = token::find(tx, asked.keyring(), asked.tenant(), id).await?.ok_or_else(unknown)?;
    refuse_ended(&found, found.life.standing(from_micros(micros(asked.engine.now()))))
}

/// The answer to a text that is no token's.
pub fn unknown() -> Trouble {
    let hint = "set `KEYWHEEL_TOKEN`, or send `Authorization: Bearer`, with a token of `keywheel token create`";
    Trouble::new(Kind::Unauthenticated, "token-refused", "the token is not valid", hint)
}

fn refuse_ended(token: &Token, standing: Standing) -> Result<(), Trouble> {
    let (code, sentence) = match standing {
        Standing::Live => return Ok(()),
        Standing::Expired => {
            ("token-expired", format!("the token `{}` expired at {}", token.id, Moment(token.life.expires_at)))
        }
        Standing::Revoked => ("token-revoked", format!("the token `{}` was revoked", token.id)),
    };
    Err(Trouble::new(Kind::Unauthenticated, code, sentence, "make a new one with `keywheel token create`"))
}
