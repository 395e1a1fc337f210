//! Every route of the API, asked by nobody, by the holder of a token that reads everything, and by that of one that
//! reads nothing that exists.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use keywheel::http::openapi;
use serde_json::Value;

use super::world::Surface;

/// What a token may ask for, as method and route.
const READS: [&str; 3] = ["get /api/v1/secrets", "get /api/v1/secrets/{secret}", "get /api/v1/secrets/{secret}/value"];

/// What is answered without a token on the listener that other machines reach. A new line is reviewed.
const OPEN: &str = include_str!("../golden/open_endpoints.txt");

const METHODS: [&str; 6] = ["get", "put", "post", "delete", "patch", "head"];

/// Every route of the API's own description, with every method, and those that stand beside it.
fn routes() -> Result<BTreeSet<String>> {
    let described: Value = serde_json::to_value(openapi())?;
    let mut routes = BTreeSet::new();
    let paths = described["paths"].as_object().context("paths")?.keys().map(String::as_str);
    for path in paths.chain(["/healthz", "/metrics", "/api/v1/openapi.json", "/api/v1/none", "/"]) {
        routes.extend(METHODS.iter().map(|method| format!("{method} {path}")));
    }
    Ok(routes)
}

/// A path for a route: parameters are `a`, which is a secret.
fn filled(route: &str) -> String {
    let segments = route.split('/').map(|segment| if segment.starts_with('{') { "a" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn only_the_owner_makes_lists_and_revokes_tokens() -> Result<()> {
    let surface = Surface::new().await;
    let token = surface.token(&["*"], "1d").await?;
    for (method, path) in [
        ("POST", "/api/v1/tokens".to_owned()),
        ("GET", "/api/v1/tokens".to_owned()),
        ("GET", format!("/api/v1/tokens/{}", token.id)),
        ("DELETE", format!("/api/v1/tokens/{}", token.id)),
    ] {
        let answer = surface.far(method, &path, Some(&token.text)).await?;
        ensure!((answer.status, answer.code()) == (403, "denied"), "{method} {path}: {answer:?}");
    }
    let listed = surface.own("GET", "/api/v1/tokens", None).await?;
    ensure!(listed.body["items"].as_array().is_some_and(|tokens| tokens.len() == 1), "{listed:?}");
    Ok(())
}

mod proofs {
    use super::*;
    use crate::support::proof::Proof;

    #[tokio::test]
    async fn a_token_opens_three_reads_and_nothing_else_of_the_whole_surface() -> Result<()> {
        let proof = Proof::begin("S47", "routes and methods, by two tokens and by nobody");
        let surface = Surface::new().await;
        surface.put("a").await?;
        let (all, other) = (surface.token(&["*"], "1d").await?, surface.token(&["b/*"], "1d").await?);
        let mut wrong = Vec::new();
        let (mut asked, mut open, mut read) = (0, Vec::new(), Vec::new());
        for route in routes()? {
            let (method, path) = route.split_once(' ').context("a route")?;
            let path = filled(path);
            let method = method.to_uppercase();
            let by_nobody = surface.far(&method, &path, None).await?;
            if by_nobody.status != 401 {
                open.push(format!("{route} {}", by_nobody.status));
                continue;
            }
            asked += 1;
            let by_all = surface.far(&method, &path, Some(&all.text)).await?;
            let by_other = surface.far(&method, &path, Some(&other.text)).await?;
            if by_all.status != 403 {
                read.push(route.clone());
            }
            let expected = if READS.contains(&route.as_str()) { 200 } else { 403 };
            let is_list = route == READS[0];
            if by_all.status != expected || by_other.status != if is_list { 200 } else { 403 } {
                wrong.push(format!("{route}: {} {}", by_all.status, by_other.status));
            }
            if is_list && by_other.body["secrets"].as_array().is_none_or(|lines| !lines.is_empty()) {
                wrong.push(format!("{route}: {:?}", by_other.body));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        ensure!(read == READS, "{read:?}");
        let reviewed: Vec<&str> = OPEN.lines().filter(|line| !line.starts_with('#')).collect();
        ensure!(open == reviewed, "open are {open:#?}");
        proof.end(asked, 300)
    }
}
