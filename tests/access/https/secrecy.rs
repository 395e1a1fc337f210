//! A token that comes over the network stands in no log, file or answer, wherever a stranger puts it.

use anyhow::{Result, ensure};
use serde_json::json;

use super::world::Served;
use crate::{
    support::http::{Request, ask},
    told::scan::{files, prove_absent},
};

const PATH: &str = "/api/v1/secrets/billing%2Fdb/value";

#[tokio::test]
async fn a_token_in_any_header_path_or_body_is_told_nowhere() -> Result<()> {
    let served = Served::with("[log]\nlevel = \"trace\"\n").await?;
    served.show(1).await?;
    served.daemon.put_secret("billing/db", json!({ "password": "s3cret" })).await?;
    let (live, revoked) = (served.token(&["billing/*"]).await?, served.token(&["billing/*"]).await?);
    let listed = served.daemon.ask("GET", "/tokens", None).await?;
    let id = listed["items"][1]["id"].as_str().unwrap_or_default().to_owned();
    served.daemon.cli_ok(&["token", "revoke", &id], None).await?;
    let mut said = Vec::new();
    let mut statuses = Vec::new();
    for token in [&live, &revoked] {
        let bearer = format!("Bearer {token}");
        for (method, path, headers) in [
            ("GET", PATH.to_owned(), &[("authorization", bearer.as_str())][..]),
            ("GET", PATH.to_owned(), &[("x-vault-token", token)]),
            ("GET", PATH.to_owned(), &[("cookie", token), ("referer", token), ("user-agent", token), ("x-y", token)]),
            ("GET", PATH.to_owned(), &[("host", token), ("x-forwarded-for", token), ("idempotency-key", token)]),
            ("GET", format!("/api/v1/secrets/{token}/value"), &[("authorization", &bearer)]),
            ("GET", format!("/{token}?token={token}"), &[("authorization", &bearer)]),
            ("POST", format!("/api/v1/secrets/billing%2Fdb/destroy?reason={token}"), &[("authorization", &bearer)]),
            ("PUT", PATH.to_owned(), &[("authorization", bearer.as_str()), ("content-type", "application/json")]),
            (token, PATH.to_owned(), &[("authorization", &bearer)]),
        ] {
            let body = (method == "PUT").then_some(token.as_bytes());
            let request = Request { method, path: &path, headers, body };
            let answer = ask(served.connect().await?, &request).await?;
            statuses.push(answer.status);
            let bytes = [format!("{:?}", answer.headers).into_bytes(), answer.body].concat();
            said.push((format!("answer {}", statuses.len()), bytes));
        }
    }
    let served_once = statuses.iter().filter(|code| **code == 200).count() == 1;
    ensure!(statuses[0] == 200 && statuses[9] == 401 && served_once, "{statuses:?}");
    said.extend(files(served.daemon.folder())?);
    let log = said.iter().find(|(place, _)| place.ends_with("stderr")).map(|(_, text)| text.len());
    ensure!(log.is_some_and(|length| length > 10_000), "the log is at work: {log:?}");
    let looked = prove_absent(&[live, revoked], &said)?;
    ensure!(looked > 40, "{looked}");
    Ok(())
}
