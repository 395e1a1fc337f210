//! The settings of an e-mail channel.

use lettre::{Address, message::Mailbox};
use rustls::pki_types::ServerName;
use serde::Deserialize;
use serde_json::Value;

use crate::notify::{
    Checked, NotifyError,
    render::Templates,
    settings::{read, reference},
    text::line,
    tls,
};

pub(super) const KIND: &str = "email";
/// The most recipients of one channel.
const MOST_RECIPIENTS: usize = 100;
/// The longest subject prefix.
const LONGEST_PREFIX: usize = 100;

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Encryption {
    /// Begun in the clear and encrypted before anything is said.
    #[default]
    Starttls,
    /// Encrypted from the first byte.
    Implicit,
    /// Not at all; the loopback alone.
    None,
}

/// What tells mail programs that no person wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Precedence {
    Bulk,
    List,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    #[serde(default)]
    pub(super) tls: Encryption,
    pub(super) ca_pem: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password_secret: Option<String>,
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) reply_to: Option<String>,
    pub(super) subject_prefix: Option<String>,
    pub(super) list_domain: Option<String>,
    pub(super) precedence: Option<Precedence>,
    template_subject: Option<String>,
    template_text: Option<String>,
    template_html: Option<String>,
}

impl Settings {
    pub(super) fn read(settings: &Value) -> Result<Self, NotifyError> {
        read(KIND, settings)
    }

    /// The templates of the operator.
    pub(super) fn templates(&self) -> Templates {
        Templates {
            subject: self.template_subject.clone(),
            text: self.template_text.clone(),
            html: self.template_html.clone(),
        }
    }

    /// The port, or the usual one.
    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Encryption::Starttls => 587,
            Encryption::Implicit => 465,
            Encryption::None => 25,
        })
    }

    /// The sender.
    pub(super) fn sender(&self) -> Result<Mailbox, NotifyError> {
        mailbox("from", &self.from)
    }

    /// The recipients.
    pub(super) fn recipients(&self) -> Result<Vec<Mailbox>, NotifyError> {
        self.to.iter().map(|text| mailbox("to", text)).collect()
    }

    /// Whom to answer.
    pub(super) fn reply_to(&self) -> Result<Option<Mailbox>, NotifyError> {
        self.reply_to.as_deref().map(|text| mailbox("reply_to", text)).transpose()
    }

    /// The domain of ids and lists.
    pub(super) fn list_domain(&self) -> Result<String, NotifyError> {
        Ok(match &self.list_domain {
            Some(domain) => domain.clone(),
            None => self.sender()?.email.domain().to_owned(),
        })
    }

    /// Checks what the types do not say.
    pub(super) fn check(&self) -> Result<Checked, NotifyError> {
        if ServerName::try_from(self.host.as_str()).is_err() {
            return Err(wrong(
                "host",
                "is not the name or address of a host",
                "write it like `mail.example.org`, the port apart",
            ));
        }
        if self.port == Some(0) {
            return Err(wrong("port", "is 0", "leave it out for the usual one"));
        }
        if self.to.is_empty() || self.to.len() > MOST_RECIPIENTS {
            return Err(wrong("to", "must name 1 to 100 recipients", "for more use a mailing list or another channel"));
        }
        self.recipients()?;
        self.reply_to()?;
        if !is_domain(&self.list_domain()?) {
            return Err(wrong("list_domain", "is not a domain", "write it like `example.org`"));
        }
        let prefix = self.subject_prefix.as_deref().unwrap_or_default();
        if prefix.len() > LONGEST_PREFIX || prefix.contains(char::is_control) {
            return Err(wrong("subject_prefix", "is not a short text on one line", "write it like `[keywheel]`"));
        }
        self.check_login()?;
        tls::check(KIND, self.ca_pem.as_deref())?;
        self.templates().check()?;
        let password = reference(KIND, "password_secret", self.password_secret.as_deref())?;
        Ok(Checked { references: password.into_iter().collect(), notes: Vec::new() })
    }

    fn check_login(&self) -> Result<(), NotifyError> {
        let Some(username) = &self.username else { return Ok(()) };
        if self.password_secret.is_none() {
            return Err(wrong(
                "username",
                "stands without `password_secret`",
                "name the secret that holds the password",
            ));
        }
        if username.contains(char::is_control) || username.is_empty() {
            return Err(wrong(
                "username",
                "is not a text on one line",
                "write the name by which the relay knows keywheel",
            ));
        }
        Ok(())
    }
}

pub(super) fn wrong(key: &'static str, sentence: &str, hint: &str) -> NotifyError {
    NotifyError::Value { kind: KIND, key, sentence: sentence.to_owned(), hint: hint.to_owned() }
}

/// An address with or without a name in front. Stricter than mail is: no quoted names of mailboxes, no comments, no
/// letters outside ASCII, so that nothing in it can be taken for something else on the way.
fn mailbox(key: &'static str, text: &str) -> Result<Mailbox, NotifyError> {
    let odd =
        || wrong(key, "holds what is not a mail address", "write `ops@example.org` or `Operations <ops@example.org>`");
    if text.contains(char::is_control) || text.len() > 400 {
        return Err(odd());
    }
    let (name, address) = match text.trim().strip_suffix('>') {
        Some(rest) => {
            let (name, address) = rest.rsplit_once('<').ok_or_else(odd)?;
            (name.trim().trim_matches('"').trim(), address)
        }
        None => ("", text.trim()),
    };
    let (user, domain) = address.rsplit_once('@').ok_or_else(odd)?;
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(letter);
    if user.is_empty() || !user.chars().all(is_plain) || !is_domain(domain) || name.contains(['<', '>', '"', '\\']) {
        return Err(odd());
    }
    let address = Address::new(user, domain).map_err(|_| odd())?;
    Ok(Mailbox::new((!name.is_empty()).then(|| line(name)), address))
}

/// A domain in ASCII.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_could_be_taken_for_something_else_are_refused() {
        let hostile = [
            "",
            "a",
            "@b",
            "a@",
            "a b@c.de",
            "a@b.de\r\nRCPT TO:<x@y.de>",
            "a@b.de\n",
            "a@b.de\0",
            "<a@b.de>\r\nX: y",
            "\"a b\"@c.de",
            "a@b.de>, <x@y.de",
            "a@b.de> SIZE=1",
            "a(b)@c.de",
            "ä@b.de",
            "a@bücher.de",
            "a@b..de",
            "a@-b.de",
            "a..b@c.de",
            ".a@c.de",
            "a@[127.0.0.1]",
            "Evil \"<x@y.de>\" <a@b.de>",
            "a,x@b.de",
            "a@b@c.de",
        ];
        for text in hostile {
            assert!(mailbox("to", text).is_err(), "{text:?}");
        }
        for text in
            ["ops@example.org", "Web Team <web-team+alerts@mail.example.org>", "\"Ops, Berlin\" <ops@localhost>"]
        {
            assert!(mailbox("to", text).is_ok(), "{text:?}");
        }
    }
}
