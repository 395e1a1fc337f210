//! Syslog and CEF: frames that an independent reader takes apart.

use std::time::Duration;

use anyhow::{Context, Result};
use keywheel::notify::{Credentials, Message};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::mail::certified;
use crate::support::receiver::acceptor;

use super::world::{LIMIT, channel, code, warning};

/// Takes one connection and reads it to its end.
async fn collector() -> Result<(u16, JoinHandle<Result<Vec<u8>>>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let read = tokio::spawn(async move {
        let mut bytes = Vec::new();
        listener.accept().await?.0.read_to_end(&mut bytes).await?;
        anyhow::Ok(bytes)
    });
    Ok((port, read))
}

async fn told(kind: &str, message: &Message) -> Result<String> {
    let (port, read) = collector().await?;
    let channel = channel(kind, &json!({ "host": "127.0.0.1", "port": port }), Credentials::none())?;
    assert_eq!(code(&channel.send(message, LIMIT).await), "delivered");
    Ok(String::from_utf8(read.await??)?)
}

/// Header fields, parameters and text of a frame.
type Parts = (Vec<String>, Vec<(String, String)>, String);

fn taken_apart(frame: &str) -> Result<Parts> {
    let (length, line) = frame.split_once(' ').context("a length")?;
    assert_eq!(length.parse::<usize>()?, line.len(), "octets are counted");
    let (head, mut rest) = line.split_once(" [").context("structured data")?;
    let header = head.split(' ').map(str::to_owned).collect();
    rest = rest.strip_prefix("keywheel").context("its name")?;
    let mut parameters = Vec::new();
    while let Some(pair) = rest.strip_prefix(' ') {
        let (name, quoted) = pair.split_once("=\"").context("a parameter")?;
        let (value, after) = unquoted(quoted).context("its end")?;
        parameters.push((name.to_owned(), value));
        rest = after;
    }
    Ok((header, parameters, rest.strip_prefix("] ").context("the text")?.to_owned()))
}

fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            ']' => return None,
            '\\' => value.push(letters.next()?.1),
            _ => value.push(letter),
        }
    }
    None
}

#[tokio::test]
async fn a_syslog_message_is_one_counted_frame_of_rfc_5424() -> Result<()> {
    let mut message = warning();
    message.owner = r#"a "quoted" \ name] x="y"#.to_owned();
    message.detail.push(("a\r\n<13>1 - - - - - -".to_owned(), "b\nc\0d".to_owned()));
    let frame = told("syslog", &message).await?;
    assert!(!frame.contains(char::is_control), "{frame:?}");
    let (header, parameters, text) = taken_apart(&frame)?;
    assert_eq!(header, ["<108>1", "2027-02-15T12:00:00.000Z", "wheel.test", "keywheel", "-", "expiry.warning"]);
    let parameter = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(parameter("owner"), Some(message.owner.as_str()));
    assert_eq!((parameter("subject"), parameter("id")), (Some("billing/db"), Some("ntc_01jd3c4m")));
    assert!(text.starts_with("billing/db expires in 14 days | "), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_huge_message_is_cut_and_text_beyond_ascii_is_marked() -> Result<()> {
    let mut message = warning();
    message.summary = "ä".repeat(50_000);
    message.detail = vec![("x".repeat(5_000), "€".repeat(5_000)); 30];
    let frame = told("syslog", &message).await?;
    assert!(frame.len() <= (8 << 10) + 8, "{}", frame.len());
    let (_, _, text) = taken_apart(&frame)?;
    assert!(text.starts_with('\u{feff}') && text.ends_with('…'), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_cef_event_keeps_its_separators_to_itself() -> Result<()> {
    let mut message = warning();
    message.summary = r"a|b\c=d billing/db".to_owned();
    message.owner = "x=1 suser=root".to_owned();
    let (_, _, text) = taken_apart(&told("cef", &message).await?)?;
    let start =
        format!(r"CEF:0|keywheel|keywheel|{}|expiry.warning|a\|b\\c=d billing/db|5|", env!("CARGO_PKG_VERSION"));
    let extension = text.strip_prefix(&start).with_context(|| text.clone())?;
    assert!(extension.contains(r" msg=a|b\\c\=d billing/db rotates it"), "{extension}");
    assert!(extension.contains(r" suser=x\=1 suser\=root cs1Label=subject cs1=billing/db "), "{extension}");
    Ok(())
}

#[tokio::test]
async fn logs_travel_encrypted_unless_it_is_said_otherwise() -> Result<()> {
    let certified = certified().await?;
    for kind in ["syslog", "cef"] {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let settings = |ca: &Value| json!({ "host": "127.0.0.1", "port": port, "tls": true, "ca_pem": ca });
        let trusting = channel(kind, &settings(&json!(certified.ca)), Credentials::none())?;
        let distrusting = channel(kind, &settings(&Value::Null), Credentials::none())?;
        let tls = acceptor(&certified)?;
        let read = tokio::spawn(async move {
            let mut bytes = Vec::new();
            tls.accept(listener.accept().await?.0).await?.read_to_end(&mut bytes).await?;
            let refused = tls.accept(listener.accept().await?.0).await.is_err();
            anyhow::Ok((bytes, refused))
        });
        assert_eq!(code(&trusting.send(&warning(), LIMIT).await), "delivered");
        assert_eq!(code(&distrusting.send(&warning(), LIMIT).await), "again tls-failed");
        let (bytes, refused) = read.await??;
        assert!(refused && taken_apart(std::str::from_utf8(&bytes)?).is_ok(), "{kind}");
    }
    let far = keywheel::notify::check("syslog", &json!({ "host": "logs.example", "tls": false }))?;
    assert!(far.notes.iter().any(|note| note.contains("in the clear")), "{far:?}");
    assert!(keywheel::notify::check("syslog", &json!({ "host": "logs.example" }))?.notes.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_collector_that_breaks_off_may_have_read_nothing() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let settings = json!({ "host": "127.0.0.1", "port": listener.local_addr()?.port() });
    let breaks = tokio::spawn(async move {
        let stream = listener.accept().await?.0;
        // Unread bytes make the kernel answer the close with a reset.
        let mut byte = [0];
        stream.readable().await?;
        let _ = stream.try_read(&mut byte)?;
        drop(stream);
        let mut quiet = listener.accept().await?.0;
        quiet.write_all(b"hello").await?;
        std::future::pending::<()>().await;
        anyhow::Ok(())
    });
    let channel = channel("syslog", &settings, Credentials::none())?;
    assert_eq!(code(&channel.send(&warning(), LIMIT).await), "unknown syslog-broken-off");
    // One that stays silent took it as far as anybody can tell.
    let outcome = channel.send(&warning(), Duration::from_millis(500)).await;
    assert_eq!(code(&outcome), "delivered");
    breaks.abort();
    Ok(())
}
