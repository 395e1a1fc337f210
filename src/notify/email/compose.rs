//! From a message to the bytes of a mail.

use std::time::SystemTime;

use lettre::message::{
    Mailbox, Mailboxes, Message as Mail, MessageBuilder, MultiPart, SinglePart,
    header::{HeaderName, HeaderValue, To},
};

use crate::notify::{
    Message, NotifyError, Outcome,
    render::{Rendered, Templates},
    text::{cut, digest, line},
};

use super::settings::{Precedence, Settings};

/// The longest subject, in bytes.
const LONGEST_SUBJECT: usize = 250;

/// A mail as it is handed over, and what was odd when it was made.
pub(super) struct Composed {
    pub(super) bytes: Vec<u8>,
    pub(super) notes: Vec<String>,
}

/// What is the same in all mails of a channel.
pub(super) struct Composer {
    sender: Mailbox,
    recipients: Vec<Mailbox>,
    reply_to: Option<Mailbox>,
    prefix: String,
    domain: String,
    precedence: Option<Precedence>,
    templates: Templates,
}

impl Composer {
    pub(super) fn open(settings: &Settings) -> Result<Self, NotifyError> {
        Ok(Self {
            sender: settings.sender()?,
            recipients: settings.recipients()?,
            reply_to: settings.reply_to()?,
            prefix: settings.subject_prefix.as_deref().map(line).unwrap_or_default(),
            domain: settings.list_domain()?,
            precedence: settings.precedence,
            templates: settings.templates(),
        })
    }

    /// The sender's address.
    pub(super) fn sender(&self) -> &lettre::Address {
        &self.sender.email
    }

    /// The recipients' addresses.
    pub(super) fn recipients(&self) -> impl Iterator<Item = &lettre::Address> {
        self.recipients.iter().map(|mailbox| &mailbox.email)
    }

    /// An id of a mail or a thread for these recipients; the same for the same, over all attempts and restarts.
    fn id(&self, of: &str) -> String {
        let mut recipients: Vec<String> = self.recipients().map(ToString::to_string).collect();
        recipients.sort_unstable();
        let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
        format!("<{of}.{}@{}>", digest(&recipients), self.domain)
    }

    /// Composes a mail.
    pub(super) fn compose(&self, message: &Message) -> Result<Composed, Outcome> {
        let Rendered { subject, text, html, notes } = self.templates.render(message);
        let subject = cut(line(&format!("{} {}", self.prefix, line(&subject))).trim(), LONGEST_SUBJECT);
        let to: Mailboxes = self.recipients.iter().cloned().collect();
        let mut builder = Mail::builder()
            .from(self.sender.clone())
            .mailbox(To::from(to))
            .subject(subject)
            .date(SystemTime::from(message.at))
            .message_id(Some(self.id(&message.id)));
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        if !message.thread.is_empty() {
            let root = self.id(&format!("thread-{}", digest(&[&message.thread])));
            builder = builder.in_reply_to(root.clone()).references(root);
        }
        let parts = MultiPart::alternative()
            .singlepart(SinglePart::plain(lines_of(&text)))
            .singlepart(SinglePart::html(lines_of(&html)));
        let mail = self.marked(builder, message).multipart(parts).map_err(|error| {
            let sentence = format!("the mail cannot be composed: {error}");
            Outcome::refused("mail-not-composed", sentence, "report this; it is a defect of keywheel")
        })?;
        Ok(Composed { bytes: mail.formatted(), notes })
    }

    /// What tells machines that a machine wrote it (RFC 3834, RFC 2919).
    fn marked(&self, builder: MessageBuilder, message: &Message) -> MessageBuilder {
        let class = message.class.word();
        let list = format!("keywheel {class} <{class}.keywheel.{}>", self.domain);
        let builder =
            builder.raw_header(raw("Auto-Submitted", "auto-generated".to_owned())).raw_header(raw("List-Id", list));
        match self.precedence {
            None => builder,
            Some(Precedence::Bulk) => builder.raw_header(raw("Precedence", "bulk".to_owned())),
            Some(Precedence::List) => builder.raw_header(raw("Precedence", "list".to_owned())),
        }
    }
}

/// A header whose value is plain ASCII of our own making.
fn raw(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

/// The text with one kind of line end, and without what could end a line otherwise.
fn lines_of(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\0', '\u{b}', '\u{c}'], " ");
    let lines: Vec<&str> = text.lines().collect();
    let mut joined = lines.join("\n");
    joined.push('\n');
    joined
}
