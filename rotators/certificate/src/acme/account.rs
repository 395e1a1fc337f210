//! Accounts at authorities: registered one time, kept as text that the caller seals, opened for each order.
//!
//! What a crash leaves: an account that was registered and not kept stays at the authority without a certificate and
//! without harm; registering again makes another.

use std::fmt;
use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use instant_acme::{AccountCredentials, ExternalAccountKey, LetsEncrypt, NewAccount, ZeroSsl};
use keywheel_contract::{Material, SecretText};
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use super::client::Client;
use super::error::{AcmeError, Class, Whose};
use super::nonce::insist;

/// Where an authority is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// The https address of the directory.
    pub url: String,
    /// The certificates to judge the ACME server by; the system's if there are none.
    pub ca_pem: Option<String>,
    /// The DNS server to find it by; the system's if there is none.
    pub resolver: Option<SocketAddr>,
}

impl Directory {
    /// The directory at an address, or of an authority that is known by name: `letsencrypt`, `letsencrypt-staging`,
    /// `zerossl`.
    pub fn named(name_or_url: &str) -> Self {
        let url = match name_or_url {
            "letsencrypt" => LetsEncrypt::Production.url(),
            "letsencrypt-staging" => LetsEncrypt::Staging.url(),
            "zerossl" => ZeroSsl::Production.url(),
            other => other,
        };
        Self { url: url.to_owned(), ca_pem: None, resolver: None }
    }

    fn client(&self) -> Result<Client, AcmeError> {
        Client::new(&self.url, self.ca_pem.as_deref(), self.resolver)
    }
}

/// What binds a new account to one that the authority knows otherwise (RFC 8555, section 7.3.4).
#[derive(Debug, Clone)]
pub struct Binding {
    /// The authority's id of the key.
    pub key_id: String,
    /// The HMAC key in base64url, as authorities hand it out.
    pub mac_key: SecretText,
}

/// What an account is registered with.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Where.
    pub directory: Directory,
    /// Whom the authority may write to, such as `certs@example.org`, or any other address with its scheme.
    pub contact: Vec<String>,
    /// Whether a person agreed to the authority's terms of service.
    pub terms_agreed: bool,
    /// The external account, where the authority wants one.
    pub binding: Option<Binding>,
}

/// One account as it is kept in the `accounts` of a secret, in order of preference.
#[derive(Clone, Deserialize)]
pub struct StoredAccount {
    /// Its name, for messages.
    pub name: String,
    /// The address of its directory.
    pub directory: String,
    /// Whom the authority may write to.
    #[serde(default)]
    pub contact: Vec<String>,
    /// The certificates to judge the ACME server by.
    #[serde(default)]
    pub ca_pem: Option<String>,
    /// instant-acme's credentials, as text.
    credentials: String,
}

impl fmt::Debug for StoredAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredAccount")
            .field("name", &self.name)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl Drop for StoredAccount {
    fn drop(&mut self) {
        self.credentials.zeroize();
    }
}

impl StoredAccount {
    /// The accounts in the value of a secret of the kind `acme`, in order of preference.
    pub fn list(material: &Material) -> Result<Vec<Self>, AcmeError> {
        let field = material.expose().get("accounts");
        let accounts: Vec<Self> = match field {
            // The cause would quote what it read.
            Some(value) => Vec::deserialize(value).map_err(|_| unusable("the list `accounts` does not fit"))?,
            None => return Err(unusable("there is no list `accounts`")),
        };
        if accounts.is_empty() { Err(unusable("the list `accounts` is empty")) } else { Ok(accounts) }
    }
}

/// An account that orders can be placed with.
#[derive(Clone)]
pub struct Account {
    name: String,
    directory: String,
    inner: instant_acme::Account,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("name", &self.name).field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Account {
    /// Registers a new account with a new key; the text is what to keep, sealed.
    pub async fn register(registration: &Registration) -> Result<(Self, SecretText), AcmeError> {
        if !registration.terms_agreed {
            return Err(AcmeError::misconfigured(
                "terms_agreed",
                "acme-terms-not-agreed",
                "an account needs your agreement to the authority's terms of service",
                "read the terms that the directory names, then say that you agree",
            ));
        }
        let contact: Vec<String> = registration.contact.iter().map(|contact| address(contact)).collect();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let binding = registration.binding.as_ref().map(external).transpose()?;
        let (client, url) = (registration.directory.client()?, &registration.directory.url);
        let made = insist!({
            let builder = instant_acme::Account::builder_with_http(Box::new(client.clone()));
            builder.create(&wanted, url.clone(), binding.as_ref()).await
        });
        let (inner, credentials) = made.map_err(|error| AcmeError::of("new-account", &error))?;
        let text = serde_json::to_string(&credentials).map_err(|_| unusable("the credentials cannot be written"))?;
        Ok((Self { name: url.clone(), directory: url.clone(), inner }, SecretText::new(text)))
    }

    /// Opens an account that was kept. Asks the authority for its directory.
    pub async fn open(stored: &StoredAccount, resolver: Option<SocketAddr>) -> Result<Self, AcmeError> {
        let directory = Directory { url: stored.directory.clone(), ca_pem: stored.ca_pem.clone(), resolver };
        let client = directory.client()?;
        let credentials: AccountCredentials =
            serde_json::from_str(&stored.credentials).map_err(|_| unusable("its credentials do not fit"))?;
        let builder = instant_acme::Account::builder_with_http(Box::new(client));
        let opened = builder.from_credentials(credentials).await;
        let inner = opened.map_err(|error| AcmeError::of("directory", &error))?;
        Ok(Self { name: stored.name.clone(), directory: stored.directory.clone(), inner })
    }

    /// Its name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address of its directory.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    pub(super) fn inner(&self) -> &instant_acme::Account {
        &self.inner
    }
}

/// An address as authorities want it: a URL.
fn address(contact: &str) -> String {
    if contact.contains(':') { contact.to_owned() } else { format!("mailto:{contact}") }
}

fn external(binding: &Binding) -> Result<ExternalAccountKey, AcmeError> {
    let text = binding.mac_key.expose().trim().trim_end_matches('=');
    let key = BASE64_URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new).map_err(|_| {
        AcmeError::misconfigured(
            "binding.mac_key",
            "acme-binding-invalid",
            "the HMAC key of the external account is not base64url",
            "copy it as the authority shows it",
        )
    })?;
    Ok(ExternalAccountKey::new(binding.key_id.clone(), &key))
}

fn unusable(because: &str) -> AcmeError {
    AcmeError::new(
        Class::Misconfigured { key: "accounts".to_owned() },
        Whose::Authorities,
        "acme-account-unusable",
        format!("an ACME account cannot be used: {because}"),
        "register the account again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_in_order_and_printed_without_their_key() {
        let json = br#"{"accounts":[
            {"name":"one","directory":"https://a.example/d","credentials":"canary"},
            {"name":"two","directory":"https://b.example/d","contact":["mailto:x@example.org"],"credentials":"canary"}]}"#;
        let accounts = StoredAccount::list(&Material::from_json(json).expect("JSON")).expect("two accounts");
        assert_eq!(accounts.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
        assert!(!format!("{accounts:?}").contains("canary"));
    }

    #[test]
    fn a_plain_address_is_one_for_mail() {
        assert_eq!(address("certs@example.org"), "mailto:certs@example.org");
        assert_eq!(address("mailto:certs@example.org"), "mailto:certs@example.org");
    }

    #[test]
    fn a_value_without_accounts_is_misconfigured_without_an_echo() {
        for json in [&b"{}"[..], br#"{"accounts":[]}"#, br#"{"accounts":[{"canary":1}]}"#] {
            let error = StoredAccount::list(&Material::from_json(json).expect("JSON")).expect_err("refused");
            assert!(matches!(error.class, Class::Misconfigured { .. }) && !error.sentence.contains("canary"));
        }
    }
}
