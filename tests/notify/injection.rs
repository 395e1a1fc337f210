//! Hostile texts in every field of a message: none of them becomes a header, a command, a line or markup.

use anyhow::Result;
use base64::Engine as _;
use keywheel::notify::{Channel, Credentials, Message};
use serde_json::json;

use crate::support::mail::{Mail, Smtp};

use super::world::{LIMIT, channel, code, digest, mail_settings};

const HOSTILE: &[&str] = &[
    "a\r\nBcc: evil@example.net",
    "a\nBcc: evil@example.net",
    "a\rBcc: evil@example.net",
    "a\r\n\r\n<b>body</b>",
    "a\r\n.\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<evil@example.net>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n",
    "a\n.\nMAIL FROM:<evil@example.net>\n",
    "a\r.\rQUIT\r",
    ".",
    "..",
    ".\r\n.",
    "\r\n.\r\n",
    "a\0b",
    "a\u{85}Bcc: evil@example.net",
    "a\u{2028}Bcc: evil@example.net",
    "a\u{b}\u{c}b",
    "\u{1b}]0;title\u{7}\u{1b}[2J",
    "\u{202e}txt.exe",
    "=?utf-8?B?DQpCY2M6IGV2aWxAZXhhbXBsZS5uZXQ=?=",
    "=?utf-8?Q?=0D=0ABcc:_evil@example.net?=",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</title></head><body onload=alert(1)>",
    "<!--",
    "]]>",
    "{{ 7 * 7 }}{% include 'x' %}",
    "&lt;script&gt;",
    "<a href=\"https://evil.example\">x</a>",
    "--boundary--\r\nContent-Type: text/html\r\n\r\n<script>",
    "ä€𝄞\u{feff}",
];

type Put = fn(&mut Message, &str);

/// Every field that holds a text.
const FIELDS: &[(&str, Put)] = &[
    ("id", |m, t| t.clone_into(&mut m.id)),
    ("event_id", |m, t| t.clone_into(&mut m.event_id)),
    ("kind", |m, t| t.clone_into(&mut m.kind)),
    ("thread", |m, t| t.clone_into(&mut m.thread)),
    ("tenant", |m, t| t.clone_into(&mut m.tenant)),
    ("subject", |m, t| t.clone_into(&mut m.subject)),
    ("owner", |m, t| t.clone_into(&mut m.owner)),
    ("tags key", |m, t| m.tags = [(t.to_owned(), "v".to_owned())].into()),
    ("tags value", |m, t| m.tags = [("k".to_owned(), t.to_owned())].into()),
    ("summary", |m, t| t.clone_into(&mut m.summary)),
    ("detail label", |m, t| m.detail = vec![(t.to_owned(), "v".to_owned())]),
    ("detail value", |m, t| m.detail = vec![("l".to_owned(), t.to_owned())]),
    ("will_do", |m, t| t.clone_into(&mut m.will_do)),
    ("asked", |m, t| t.clone_into(&mut m.asked)),
    ("link", |m, t| m.link = Some(t.to_owned())),
    ("link's end", |m, t| m.link = Some(format!("https://keywheel.example/{t}"))),
    ("item name", |m, t| t.clone_into(&mut m.items[0].name)),
    ("item sentence", |m, t| t.clone_into(&mut m.items[0].sentence)),
];

/// The headers that a mail may have, each one time.
const HEADERS: &[&str] = &[
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "List-Id",
    "MIME-Version",
    "Content-Type",
];

fn judge(field: &str, hostile: &str, mail: &Mail) {
    let at = format!("{field} = {hostile:?}");
    assert!(mail.all_defects().is_empty(), "{at}: {:?}", mail.all_defects());
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("keywheel@example.org", &["web-team@example.org".to_owned()][..])
    );
    let mut names: Vec<&str> = mail.headers.iter().map(|(name, ..)| name.as_str()).collect();
    names.sort_unstable();
    let mut expected = HEADERS.to_vec();
    expected.sort_unstable();
    assert_eq!(names, expected, "{at}");
    assert_eq!(
        mail.parts.iter().map(|part| part.kind.as_str()).collect::<Vec<_>>(),
        ["text/plain", "text/html"],
        "{at}"
    );
    let raw = base64::engine::general_purpose::STANDARD.decode(&mail.raw).expect("base64");
    for (index, byte) in raw.iter().enumerate() {
        let is_line_end =
            (*byte == b'\n' && raw[index - 1] == b'\r') || (*byte == b'\r' && raw.get(index + 1) == Some(&b'\n'));
        assert!(*byte != 0 && byte.is_ascii() && (is_line_end || !matches!(byte, b'\r' | b'\n')), "{at}: byte {byte}");
    }
    let is_command = |letter: char| (letter.is_control() && !matches!(letter, '\r' | '\n')) || letter == '\u{202e}';
    for part in &mail.parts {
        assert!(!part.text.contains(is_command), "{at}: {:?}", part.text);
    }
    let html = mail.part("text/html").to_lowercase();
    for markup in
        ["<script", "<img", "<svg", "<a href=\"https://evil", "<!--", " onload=alert(1)>", "href=\"javascript:"]
    {
        assert!(!html.contains(markup), "{at}: {markup}");
    }
    assert_eq!(html.matches("<body").count(), 1, "{at}");
    assert_eq!(html.matches("</html>").count(), 1, "{at}");
    assert!(!html.contains("49") || !hostile.contains("7 * 7") || html.contains("7 * 7"), "{at}");
}

#[tokio::test]
async fn no_text_of_a_message_becomes_a_header_a_command_or_markup() -> Result<()> {
    let mut smtp = Smtp::start(&["none"]).await?;
    let channel = channel("email", &mail_settings(&smtp), Credentials::none())?;
    let mut sent = Vec::new();
    for (field, put) in FIELDS {
        for hostile in HOSTILE {
            let mut message = digest(1);
            message.subject = "billing/db".to_owned();
            put(&mut message, hostile);
            assert_eq!(code(&channel.send(&message, LIMIT).await), "delivered", "{field} = {hostile:?}");
            sent.push((*field, *hostile));
        }
    }
    let mails = smtp.mails().await?;
    assert_eq!(mails.len(), sent.len());
    for ((field, hostile), mail) in sent.iter().zip(&mails) {
        judge(field, hostile, mail);
    }
    Ok(())
}

#[tokio::test]
async fn hostile_settings_are_refused_when_they_are_given() -> Result<()> {
    let smtp = Smtp::start(&["none"]).await?;
    for hostile in HOSTILE.iter().filter(|text| text.contains(|letter: char| letter.is_control())) {
        for key in ["host", "from", "reply_to", "subject_prefix", "list_domain", "username"] {
            let mut settings = mail_settings(&smtp);
            settings[key] = json!(hostile);
            assert!(keywheel::notify::check("email", &settings).is_err(), "{key} = {hostile:?}");
        }
        let mut settings = mail_settings(&smtp);
        settings["to"] = json!([format!("a@example.org{hostile}")]);
        assert!(keywheel::notify::check("email", &settings).is_err(), "to = {hostile:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_template_of_an_operator_cannot_break_out_of_a_mail_either() -> Result<()> {
    let mut smtp = Smtp::start(&["none"]).await?;
    let mut settings = mail_settings(&smtp);
    settings["template_subject"] = json!("a\r\nBcc: evil@example.net\n{{ summary }}");
    settings["template_text"] = json!("a\r\n.\r\nMAIL FROM:<evil@example.net>\rb\u{0}c\n");
    let channel: std::sync::Arc<dyn Channel> = channel("email", &settings, Credentials::none())?;
    assert_eq!(code(&channel.send(&digest(1), LIMIT).await), "delivered");
    let mails = smtp.mails().await?;
    assert_eq!(mails.len(), 1);
    judge("template", "", &mails[0]);
    Ok(())
}
