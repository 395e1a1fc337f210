//! The rows of tokens: what is kept, on both databases, and what is found when a hand reaches behind the store.

use chrono::TimeDelta;
use keywheel::{
    access::{Grant, Life},
    keyring::Keyring,
    model::{Actor, EventId, TokenId},
    store::{
        NewEvent, StoreError, event,
        token::{self, Token},
        verify,
    },
};
use serde_json::json;

use crate::store::world::{World, mint, now, on_both_engines};

on_both_engines!(
    a_token_survives_its_row,
    a_row_that_was_altered_or_put_back_opens_nothing,
    a_use_is_kept_and_not_set_back
);

fn made(world: &World, text: &str) -> Token {
    Token {
        id: mint(TokenId::mint),
        tenant: world.tenant.clone(),
        name: "billing".to_owned(),
        hash: world.keyring.token_hash(&world.tenant, text.as_bytes()).expect("a root"),
        grant: Grant::parse(&["billing/*", "web"]).expect("a grant"),
        created_at: now(),
        created_by: Actor::local(7),
        life: Life { expires_at: now() + TimeDelta::days(1), revoked_at: None },
        revision: 1,
    }
}

fn told(token: &Token, written: keywheel::store::Written) -> NewEvent {
    NewEvent {
        id: mint(EventId::mint),
        tenant: token.tenant.clone(),
        subject: token.id.as_str().to_owned(),
        rotation: None,
        kind: "token.created".to_owned(),
        facts: json!({}),
        written: vec![written],
        actor: Actor::daemon(),
        reason: String::new(),
        at: now(),
    }
}

async fn insert(world: &World, token: &Token) {
    let (keyring, token) = (world.keyring.clone(), token.clone());
    let inserted = world.write(move |tx| {
        Box::pin(async move {
            let written = token::insert(tx, &keyring, &token).await?;
            event::append(tx, &keyring, told(&token, written)).await.map(|_| ())
        })
    });
    inserted.await.expect("inserted");
}

async fn revoke(world: &World, token: &Token) -> Result<(), StoreError> {
    let (keyring, mut token) = (world.keyring.clone(), token.clone());
    token.life.revoked_at = Some(now());
    world
        .write(move |tx| {
            Box::pin(async move {
                let written = token::update(tx, &keyring, &mut token).await?;
                event::append(tx, &keyring, told(&token, written)).await.map(|_| ())
            })
        })
        .await
}

async fn find(world: &World, keyring: &Keyring, text: &str) -> Result<Option<Token>, StoreError> {
    let hash = keyring.token_hash(&world.tenant, text.as_bytes()).expect("a root");
    token::find_by_hash(&mut world.read().await, keyring, &world.tenant, &hash).await
}

async fn a_token_survives_its_row(world: World) {
    let token = made(&world, "text");
    insert(&world, &token).await;
    assert_eq!(find(&world, &world.keyring, "text").await.expect("read"), Some(token.clone()));
    for other in ["tex", "textt", "", "Text"] {
        assert_eq!(find(&world, &world.keyring, other).await.expect("read"), None, "{other}");
    }
    let mut tx = world.read().await;
    let (keyring, tenant) = (&world.keyring, &world.tenant);
    let listed = token::list(&mut tx, keyring, tenant, "", 10).await.expect("read");
    assert_eq!(listed, std::slice::from_ref(&token));
    assert!(token::list(&mut tx, keyring, tenant, token.id.as_str(), 10).await.expect("read").is_empty());
    drop(tx);
    assert!(revoke(&world, &token).await.is_ok());
    assert!(matches!(revoke(&world, &token).await, Err(StoreError::Stale { .. })), "a revision is written one time");
    let found = find(&world, &world.keyring, "text").await.expect("read").expect("there");
    assert!(found.life.revoked_at.is_some() && found.revision == 2);
    assert!(verify::verify_all(&world.store).await.expect("read").is_empty());
}

async fn a_row_that_was_altered_or_put_back_opens_nothing(world: World) {
    let token = made(&world, "text");
    insert(&world, &token).await;
    let mac = if world.is_sqlite() { "hex(mac)" } else { "upper(encode(mac, 'hex'))" };
    let before = world.texts(&format!("SELECT {mac} FROM token")).await.remove(0);
    for (change, back) in [
        ("patterns = '[\"*\"]'", "patterns = '[\"billing/*\",\"web\"]'"),
        ("expires_at = expires_at + 1", "expires_at = expires_at - 1"),
    ] {
        world.sql(&format!("UPDATE token SET {change}")).await;
        assert!(matches!(find(&world, &world.keyring, "text").await, Err(StoreError::Tampered { .. })), "{change}");
        assert_eq!(verify::verify_all(&world.store).await.expect("read").len(), 1);
        world.sql(&format!("UPDATE token SET {back}")).await;
        assert!(find(&world, &world.keyring, "text").await.is_ok(), "{back}");
    }
    revoke(&world, &token).await.expect("revoked");
    let literal = if world.is_sqlite() { format!("x'{before}'") } else { format!("decode('{before}', 'hex')") };
    world.sql(&format!("UPDATE token SET revoked_at = NULL, revision = 1, mac = {literal}")).await;
    assert!(matches!(find(&world, &world.keyring, "text").await, Err(StoreError::Tampered { .. })));
    assert!(!verify::verify_all(&world.store).await.expect("read").is_empty());
}

async fn a_use_is_kept_and_not_set_back(world: World) {
    let token = made(&world, "text");
    insert(&world, &token).await;
    let first = now();
    for (seconds, kept) in [(0, 0), (120, 120), (60, 120)] {
        let (tenant, id, at) = (world.tenant.clone(), token.id.clone(), first + TimeDelta::seconds(seconds));
        let noted = world.write(move |tx| Box::pin(async move { token::note_use(tx, &tenant, &id, at).await }));
        noted.await.expect("noted");
        let found = token::find_use(&mut world.read().await, &world.tenant, &token.id).await.expect("read");
        assert_eq!(found, Some(first + TimeDelta::seconds(kept)));
    }
}
