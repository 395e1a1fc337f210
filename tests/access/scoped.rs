//! A token reads what its patterns mean; of all else it does not even learn whether it exists.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::world::Surface;

const NAMES: [&str; 8] =
    ["billing", "billing/a/b", "billing/db", "billing/web", "billing-old/db", "billing0", "shop/db", "web"];

async fn surface() -> Result<Surface> {
    let surface = Surface::new().await;
    for name in NAMES {
        surface.put(name).await?;
    }
    Ok(surface)
}

fn value(name: &str) -> String {
    format!("/api/v1/secrets/{}/value", name.replace('/', "%2F"))
}

fn names(page: &Value) -> Vec<&str> {
    page["secrets"].as_array().into_iter().flatten().filter_map(|line| line["name"].as_str()).collect()
}

#[tokio::test]
async fn a_value_is_answered_where_a_pattern_means_its_name_and_nowhere_else() -> Result<()> {
    let surface = surface().await?;
    for (read, means) in [
        (&["billing/*"][..], &["billing/a/b", "billing/db", "billing/web"][..]),
        (&["billing/db"], &["billing/db"]),
        (&["billing/a/*", "web"], &["billing/a/b", "web"]),
        (&["*"], &NAMES),
    ] {
        let token = surface.token(read, "1d").await?;
        for name in NAMES {
            let answer = surface.far("GET", &value(name), Some(&token.text)).await?;
            let about = surface.far("GET", value(name).trim_end_matches("/value"), Some(&token.text)).await?;
            if means.contains(&name) {
                ensure!(answer.status == 200 && answer.body["value"]["value"] == format!("of {name}"), "{answer:?}");
                ensure!(about.status == 200 && about.body["name"] == *name, "{about:?}");
            } else {
                ensure!((answer.status, answer.code()) == (403, "denied"), "{read:?} {name}: {answer:?}");
                ensure!(about == answer, "{about:?}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_is_unknown_and_what_is_forbidden_answer_the_same() -> Result<()> {
    let surface = surface().await?;
    let token = surface.token(&["billing/*"], "1d").await?;
    let forbidden = surface.far("GET", &value("shop/db"), Some(&token.text)).await?;
    let unknown = surface.far("GET", &value("shop/none"), Some(&token.text)).await?;
    ensure!(forbidden == unknown && forbidden.status == 403, "{forbidden:?} {unknown:?}");
    let inside = surface.far("GET", &value("billing/none"), Some(&token.text)).await?;
    ensure!((inside.status, inside.code()) == (404, "not-found"), "{inside:?}");
    for path in ["/api/v1/nothing", "/nothing", "/metrics"] {
        let answer = surface.far("GET", path, Some(&token.text)).await?;
        ensure!(answer.status == 403, "{path}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_list_holds_what_may_be_read_and_its_cursors_name_nothing_else() -> Result<()> {
    let surface = surface().await?;
    let token = surface.token(&["web", "billing/*"], "1d").await?;
    let list = async |query: &str| {
        surface.far("GET", &format!("/api/v1/secrets?{query}"), Some(&token.text)).await.map(|answer| answer.body)
    };
    ensure!(names(&list("").await?) == ["billing/a/b", "billing/db", "billing/web", "web"]);
    ensure!(names(&list("prefix=billing/d").await?) == ["billing/db"]);
    ensure!(names(&list("prefix=b").await?) == ["billing/a/b", "billing/db", "billing/web"]);
    ensure!(names(&list("prefix=shop").await?).is_empty());
    ensure!(names(&list("after=billing/db").await?) == ["billing/web", "web"]);
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = list(&format!("limit=1&after={}", after.replace('/', "%2F"))).await?;
        seen.extend(names(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        ensure!(seen.last().is_some_and(|last| last == next), "the cursor is `{next}`");
        next.clone_into(&mut after);
    }
    ensure!(seen == ["billing/a/b", "billing/db", "billing/web", "web"], "{seen:?}");
    Ok(())
}

#[tokio::test]
async fn a_read_is_recorded_under_the_tokens_id() -> Result<()> {
    let surface = surface().await?;
    let token = surface.token(&["billing/*"], "1d").await?;
    let about = surface.own("GET", "/api/v1/secrets/billing%2Fdb", None).await?;
    let secret = about.body["id"].as_str().unwrap_or_default().parse_id()?;
    surface.far("GET", &value("billing/db"), Some(&token.text)).await?;
    let engine = &surface.world.engine;
    let since = chrono::DateTime::UNIX_EPOCH;
    let mut tx = engine.store.read().await?;
    let readers =
        keywheel::store::read_audit::list_readers(&mut tx, engine.keyring(), &engine.tenant, &secret, since).await?;
    ensure!(readers.len() == 1 && readers[0].0 == format!("token:{}", token.id), "{readers:?}");
    Ok(())
}

/// Reads an id of a secret.
trait ParseId {
    fn parse_id(&self) -> Result<keywheel::model::SecretId>;
}

impl ParseId for str {
    fn parse_id(&self) -> Result<keywheel::model::SecretId> {
        Ok(keywheel::model::SecretId::parse(self)?)
    }
}
