//! Slack, Teams and PagerDuty: what they get, and that it stays within their limits.

use anyhow::Result;
use keywheel::notify::{Message, Severity, State};
use serde_json::{Value, json};

use crate::support::receiver::{Receiver, Say};

use super::world::{LIMIT, channel, code, credentials, digest, warning};

/// What a channel of the kind sends.
async fn sent(kind: &str, message: &Message) -> Result<(Value, usize)> {
    let receiver = Receiver::start().await?;
    let url = receiver.url("/services/T0/B0/secret-path");
    let (settings, keys) = match kind {
        "pagerduty" => {
            (json!({ "url": url, "routing_key_secret": "pd/key" }), credentials(&[("routing_key", "R0UT1NG")]))
        }
        _ => (json!({ "url_secret": "chat/url" }), credentials(&[("url", &url)])),
    };
    assert_eq!(code(&channel(kind, &settings, keys)?.send(message, LIMIT).await), "delivered");
    let received = receiver.received().remove(0);
    Ok((received.json()?, received.body.len()))
}

/// A message whose every text is far too long, with characters of two to four bytes.
fn huge() -> Message {
    let long = "ä€𝄞<&*".repeat(20_000);
    let mut message = digest(3_000);
    message.summary.clone_from(&long);
    (message.will_do, message.asked, message.owner) = (long.clone(), long.clone(), long.clone());
    message.detail = (0..200).map(|at| (format!("{at} {long}"), long.clone())).collect();
    message.items.iter_mut().for_each(|item| item.sentence.clone_from(&long));
    message
}

/// Every text in a JSON value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(map) => map.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn slack_gets_blocks_within_its_limits() -> Result<()> {
    for message in [warning(), digest(3), digest(500), huge()] {
        let (body, size) = sent("slack", &message).await?;
        let blocks = body["blocks"].as_array().expect("blocks");
        assert!(blocks.len() <= 50, "{} blocks", blocks.len());
        let all: usize = texts(&body).iter().map(|text| text.chars().count()).sum();
        assert!(all <= 40_000, "{all} characters, {size} bytes");
        for block in blocks {
            let most = if block["type"] == "header" { 150 } else { 3_000 };
            for text in texts(block) {
                assert!(text.encode_utf16().count() <= most, "{}: {} units", block["type"], text.len());
            }
            assert!(block["fields"].as_array().is_none_or(|fields| fields.len() <= 10));
        }
        assert_eq!(blocks.last().expect("a footer")["type"], "context");
    }
    let (body, _) = sent("slack", &digest(3_000)).await?;
    assert!(texts(&body).iter().any(|text| text.ends_with(" more")), "{body}");
    Ok(())
}

#[tokio::test]
async fn nothing_in_a_text_becomes_a_mention_or_a_link_in_slack() -> Result<()> {
    let mut message = warning();
    message.summary = "<!channel> <https://evil.example|click> & more".to_owned();
    let (body, _) = sent("slack", &message).await?;
    for block in body["blocks"].as_array().expect("blocks").iter().filter(|block| block["type"] == "section") {
        assert!(!block.to_string().contains("<!") && !block.to_string().contains("<https"), "{block}");
        let text = &block["text"];
        assert!(text.is_null() || text["verbatim"] == true, "{block}");
    }
    assert!(body["text"].as_str().is_some_and(|text| text.contains("&lt;!channel&gt;")), "{body}");
    Ok(())
}

#[tokio::test]
async fn teams_gets_a_card_within_its_limit() -> Result<()> {
    for message in [warning(), digest(500), huge()] {
        let (body, size) = sent("teams", &message).await?;
        assert!(size <= 28_000, "{size} bytes");
        let attachment = &body["attachments"][0];
        assert_eq!(body["type"], "message");
        assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
        assert_eq!(
            (&attachment["content"]["type"], &attachment["content"]["version"]),
            (&json!("AdaptiveCard"), &json!("1.4"))
        );
        let blocks = attachment["content"]["body"].as_array().expect("blocks");
        assert!(blocks.iter().all(|block| block["type"] == "RichTextBlock"), "{body}");
    }
    let (body, _) = sent("teams", &warning()).await?;
    let all = texts(&body).join(" ");
    for expected in ["billing/db expires in 14 days", "2027-03-01 12:00 UTC", "rotates it on", "/ui/secrets/sec_7"] {
        assert!(all.contains(expected), "{expected}: {all}");
    }
    Ok(())
}

#[tokio::test]
async fn an_old_connector_of_teams_that_fails_with_200_is_not_believed() -> Result<()> {
    let receiver = Receiver::start().await?;
    receiver.script([Say::with(200, "", "Webhook message delivery failed with error: HTTP error 429")]);
    let channel = channel("teams", &json!({ "url_secret": "a" }), credentials(&[("url", &receiver.url("/hook"))]))?;
    assert_eq!(code(&channel.send(&warning(), LIMIT).await), "again teams-not-delivered");
    Ok(())
}

#[tokio::test]
async fn pagerduty_gets_one_key_from_the_first_warning_to_the_end() -> Result<()> {
    let mut last = warning();
    (last.id, last.severity) = ("ntc_9".to_owned(), Severity::Critical);
    let mut resolved = warning();
    (resolved.id, resolved.state) = ("ntc_10".to_owned(), State::Resolved);
    let mut keys = Vec::new();
    let expected = [("trigger", "warning"), ("trigger", "critical"), ("resolve", "warning")];
    for (message, (action, severity)) in [warning(), last, resolved].iter().zip(expected) {
        let (body, _) = sent("pagerduty", message).await?;
        assert_eq!((&body["event_action"], &body["payload"]["severity"]), (&json!(action), &json!(severity)));
        assert_eq!((&body["routing_key"], &body["payload"]["source"]), (&json!("R0UT1NG"), &json!("billing/db")));
        keys.push(body["dedup_key"].clone());
    }
    assert!(keys.iter().all(|key| *key == keys[0]) && keys[0] == "sec_7/ver_3", "{keys:?}");
    let (body, size) = sent("pagerduty", &huge()).await?;
    assert!(size <= 512_000 && body["payload"]["summary"].as_str().is_some_and(|text| text.len() <= 1_024), "{size}");
    Ok(())
}
