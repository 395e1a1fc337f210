//! Tokens that are none: cut, changed, ended; and requests for tokens that cannot be.

use anyhow::{Result, ensure};
use chrono::TimeDelta;
use keywheel::access::bearer;
use serde_json::json;

use super::world::{Surface, distant};

const PATH: &str = "/api/v1/secrets/a/value";

/// The checksum is no secret: a text with a right one is refused because nobody has it.
#[tokio::test]
async fn a_text_with_a_right_checksum_is_no_token_by_that() -> Result<()> {
    let surface = Surface::new().await;
    surface.put("a").await?;
    surface.token(&["*"], "1d").await?;
    for byte in 0..=255 {
        let text = bearer::make(&[byte; bearer::RANDOM_BYTES]);
        ensure!(bearer::is_well_formed(text.expose().as_bytes()));
        let answer = surface.far("GET", PATH, Some(text.expose())).await?;
        ensure!((answer.status, answer.code()) == (401, "token-refused"), "{answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_token_ends_at_its_time_and_not_a_second_later() -> Result<()> {
    let surface = Surface::new().await;
    surface.put("a").await?;
    for ttl in ["1s", "90d", "400d"] {
        let token = surface.token(&["a"], ttl).await?;
        for (offset, status) in [(-1_000_000, 200), (-1, 200), (0, 401), (1, 401), (1_000_000, 401), (-1_000_000, 200)]
        {
            surface.set(token.expires_at + TimeDelta::microseconds(offset));
            let answer = surface.far("GET", PATH, Some(&token.text)).await?;
            ensure!(answer.status == status, "{ttl} {offset}: {answer:?}");
            ensure!(status == 200 || answer.code() == "token-expired", "{answer:?}");
        }
        surface.set(token.expires_at + TimeDelta::seconds(1));
    }
    Ok(())
}

#[tokio::test]
async fn a_token_comes_as_a_bearer_and_in_no_other_way() -> Result<()> {
    let surface = Surface::new().await;
    surface.put("a").await?;
    let token = surface.token(&["a"], "1d").await?.text;
    let bearer = format!("Bearer {token}");
    for (headers, status) in [
        (&[("authorization", bearer.as_str())][..], 200),
        (&[("x-vault-token", &token)], 401),
        (&[("authorization", &token)], 401),
        (&[("cookie", &token)], 401),
        (&[("authorization", bearer.as_str()), ("authorization", bearer.as_str())], 401),
    ] {
        let answer = surface.ask(distant(), "GET", PATH, headers, None).await?;
        ensure!(answer.status == status, "{answer:?}");
    }
    let answer = surface.far("GET", &format!("{PATH}?token={token}"), None).await?;
    ensure!(answer.status == 401, "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn a_token_that_cannot_be_is_refused_with_a_hint() -> Result<()> {
    let surface = Surface::new().await;
    let many: Vec<String> = (0..65).map(|n| format!("a{n}")).collect();
    for (body, code) in [
        (json!({ "read": [] }), "pattern-missing"),
        (json!({ "read": many }), "patterns-too-many"),
        (json!({ "read": ["a*"] }), "pattern-invalid"),
        (json!({ "read": ["*/a"] }), "pattern-invalid"),
        (json!({ "read": ["a", "b/../c"] }), "pattern-invalid"),
        (json!({ "read": ["a{b}"] }), "pattern-invalid"),
        (json!({ "read": [""] }), "pattern-invalid"),
        (json!({ "read": ["a"], "ttl": "401d" }), "ttl-too-long"),
        (json!({ "read": ["a"], "ttl": "9600h1s" }), "ttl-too-long"),
        (json!({ "read": ["a"], "ttl": "0s" }), "duration-too-short"),
        (json!({ "read": ["a"], "ttl": "forever" }), "duration-form"),
        (json!({ "read": ["a"], "name": "a\u{1b}b" }), "token-name-invalid"),
        (json!({ "read": ["a"], "write": ["a"] }), "body-refused"),
    ] {
        let answer = surface.own("POST", "/api/v1/tokens", Some(body.clone())).await?;
        ensure!((answer.status, answer.code()) == (400, code), "{body}: {answer:?}");
        ensure!(answer.body["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{answer:?}");
    }
    let usual = surface.own("POST", "/api/v1/tokens", Some(json!({ "read": ["a"] }))).await?;
    let at =
        |field: &str| usual.body[field].as_str().and_then(|text| text.parse::<chrono::DateTime<chrono::Utc>>().ok());
    let lasting = at("expires_at").zip(at("created_at")).map(|(end, start)| end - start);
    ensure!(lasting == Some(TimeDelta::days(90)), "{usual:?}");
    Ok(())
}

mod proofs {
    use super::*;
    use crate::support::proof::Proof;

    #[tokio::test]
    async fn each_prefix_and_each_changed_character_of_a_token_is_refused() -> Result<()> {
        let proof = Proof::begin("S13", "texts that are nearly a token");
        let surface = Surface::new().await;
        surface.put("a").await?;
        let token = surface.token(&["*"], "1d").await?.text;
        ensure!(surface.far("GET", PATH, Some(&token)).await?.status == 200);
        let mut asked = 0;
        let mut refused = async |text: &str| {
            asked += 1;
            let answer = surface.far("GET", PATH, Some(text)).await?;
            ensure!((answer.status, answer.code()) == (401, "token-refused"), "`{text}`: {answer:?}");
            Ok(())
        };
        for end in 0..token.len() {
            refused(&token[..end]).await?;
        }
        for at in 0..token.len() {
            for other in ["0", "1", "a", "A", "z", "-", "_", "%"].iter().filter(|other| token[at..=at] != ***other) {
                refused(&format!("{}{other}{}", &token[..at], &token[at + 1..])).await?;
            }
        }
        for more in ["0", "A", "-", "kw_"] {
            refused(&format!("{token}{more}")).await?;
            refused(&format!("{more}{token}")).await?;
        }
        refused(&token.to_uppercase()).await?;
        proof.end(asked, 400)
    }
}
