//! Accounts at public authorities (RFC 8555), in order of preference: a secret of the kind `acme`. Their keys are never
//! answered.

use std::sync::Arc;

use crate::pki::acme::{Account, AcmeError, Binding, Directory, Registration, StoredAccount};
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    engine::{
        Engine, Kind, Trouble,
        ops::{
            asked::{Asked, conflict, invalid, read_name, refuse_deleted},
            secret_fields::{Birth, check_text},
            wire::Password,
        },
    },
    model::{Actor, Material, Name, SecretText},
    store::{Tx, agenda, secret, version},
};

/// The type of a secret that holds accounts.
pub const ACME: &str = "acme";

/// An account that is to be registered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddAccount {
    /// The address of the directory, or `letsencrypt`, `letsencrypt-staging`, `zerossl`.
    pub directory: String,
    /// Whom the authority may write to, such as `certs@example.org`.
    #[serde(default)]
    pub emails: Vec<String>,
    /// Whether a person agreed to the authority's terms of service.
    #[serde(default)]
    pub terms_agreed: bool,
    /// The certificates to judge the directory's server by, as PEM; those of the system if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// The id of an external account's key, where the authority wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eab_key_id: Option<String>,
    /// The external account's key in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eab_key: Option<Password>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A key by which DNS updates are signed (RFC 8945), kept beside the accounts that prove names by them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddTsigKey {
    /// Its name at the DNS server, by which a target's `acme.rfc2136.key` names it.
    pub name: String,
    /// Its algorithm: `hmac-sha256` if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// The key itself, in base64.
    pub secret: Password,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// An account, but its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// The name of the secret that holds it.
    pub name: String,
    /// Its place in the order of preference, 1 for the first.
    pub place: usize,
    /// The address of its directory.
    pub directory: String,
    /// Whom the authority may write to.
    pub contact: Vec<String>,
}

impl From<AcmeError> for Trouble {
    fn from(error: AcmeError) -> Self {
        let failure = keywheel_contract::Failure::from(error);
        Self::from(failure)
    }
}

/// Registers an account and keeps it behind those that the name holds already.
///
/// Errors: `acme-terms-not-agreed`; what the authority says; `name-taken` where the name is another secret's.
pub async fn add(
    engine: &Arc<Engine>,
    actor: &Actor,
    name: &str,
    request: AddAccount,
) -> Result<Vec<AccountView>, Trouble> {
    check_text("reason", &request.reason)?;
    let name = read_name(name)?;
    let asked = Asked::new(engine, actor);
    asked.refuse_other_kind(&name).await?;
    let registration = registration(&request);
    let (_, credentials) = Account::register(&registration).await?;
    let entry = entry(&registration, &credentials);
    let named = name.clone();
    asked
        .write(move |asked, tx| Box::pin(async move { asked.keep_account(tx, named, entry, &request.reason).await }))
        .await?;
    list(engine, Some(name.as_str())).await
}

fn registration(request: &AddAccount) -> Registration {
    let mut directory = Directory::named(&request.directory);
    directory.ca_pem.clone_from(&request.ca_pem);
    let binding = request.eab_key_id.clone().zip(request.eab_key.clone());
    Registration {
        directory,
        contact: request.emails.iter().map(|email| format!("mailto:{email}")).collect(),
        terms_agreed: request.terms_agreed,
        binding: binding.map(|(key_id, key)| Binding { key_id, mac_key: key.0 }),
    }
}

fn entry(registration: &Registration, credentials: &SecretText) -> Material {
    let account = json!({
        "name": registration.directory.url, "directory": registration.directory.url, "contact": registration.contact,
        "ca_pem": registration.directory.ca_pem, "credentials": credentials.expose(),
    });
    let Value::Object(fields) = account else { unreachable!("written as an object above") };
    Material::new(fields)
}

impl Asked {
    async fn refuse_other_kind(&self, name: &Name) -> Result<(), Trouble> {
        let mut tx = self.engine.store.read().await?;
        match self.find_secret(&mut tx, name).await? {
            Some(found) if found.kind != ACME => {
                let hint = "choose another name for the accounts";
                Err(conflict("name-taken", format!("a secret is named `{name}` already"), hint))
            }
            Some(found) => refuse_deleted(&found),
            None => Ok(()),
        }
    }

    async fn keep_account(&self, tx: &mut Tx, name: Name, entry: Material, reason: &str) -> Result<(), Trouble> {
        if self.find_secret(tx, &name).await?.is_none() {
            return self.insert_accounts(tx, name, Value::Object(entry.expose().clone()), reason).await;
        }
        self.put_beside(tx, &name, "accounts", &entry, reason).await
    }

    /// Puts an entry into a list of the accounts' value, in the place of the one of its name where there is one.
    async fn put_beside(
        &self,
        tx: &mut Tx,
        name: &Name,
        list: &str,
        entry: &Material,
        reason: &str,
    ) -> Result<(), Trouble> {
        let mut found = self.lock_living(tx, name.as_str()).await?;
        let current = version::find_current(tx, self.keyring(), self.tenant(), &found.id).await?;
        let current = current.ok_or_else(|| Trouble::not_found("value of the accounts", name.as_str()))?;
        let mut fields = self.engine.open(&current)?.expose().clone();
        let items = fields.entry(list).or_insert_with(|| Value::Array(Vec::new()));
        if let Some(items) = items.as_array_mut() {
            items.retain(|known| list == "accounts" || known["name"].as_str() != entry.text("name"));
            items.push(Value::Object(entry.expose().clone()));
        }
        let added = self.add_current(tx, &mut found, &Material::new(fields), String::new()).await?;
        let facts = json!({ "v": 1, "version": added.version, "number": found.next_number - 1 });
        self.tell(tx, &found, "secret.version_put", facts, reason, added.rows).await
    }

    async fn insert_accounts(&self, tx: &mut Tx, name: Name, account: Value, reason: &str) -> Result<(), Trouble> {
        let mut fresh = self.new_secret(name, ACME);
        fresh.next_number = 2;
        let mut fields = serde_json::Map::new();
        fields.insert("accounts".to_owned(), Value::Array(vec![account]));
        let value = Material::new(fields);
        let identity = String::new();
        let birth = Birth { secret: &fresh.id, value: &value, identity, number: 1, published_at: self.now };
        let first = self.seal_current(birth)?;
        let written =
            vec![secret::insert(tx, self.keyring(), &fresh).await?, version::insert(tx, self.keyring(), &first).await?];
        agenda::insert(tx, fresh.id.as_str(), self.tenant(), "", Some(self.now)).await?;
        let facts = json!({ "v": 1, "name": fresh.name, "kind": ACME, "version": first.id, "number": 1 });
        self.tell(tx, &fresh, "secret.created", facts, reason, written).await
    }
}

/// Keeps a key for signed DNS updates, in the place of the one of its name. Errors: `not-found`, `tsig-key-invalid`.
pub async fn add_tsig_key(engine: &Arc<Engine>, actor: &Actor, name: &str, request: AddTsigKey) -> Result<(), Trouble> {
    check_text("reason", &request.reason)?;
    let name = read_name(name)?;
    list(engine, Some(name.as_str())).await?;
    let algorithm = request.algorithm.as_deref().unwrap_or("hmac-sha256");
    let is_key =
        base64::engine::general_purpose::STANDARD.decode(request.secret.0.expose()).is_ok_and(|k| !k.is_empty());
    if request.name.is_empty() || request.name.contains(char::is_whitespace) || algorithm != "hmac-sha256" || !is_key {
        let sentence = "a key for DNS updates has a name, the algorithm `hmac-sha256` and its secret in base64";
        return Err(invalid("tsig-key-invalid", sentence, "`tsig-keygen` or `keymgr -t NAME hmac-sha256` makes one"));
    }
    let entry = Material::of_texts([
        ("name", request.name.as_str()),
        ("algorithm", algorithm),
        ("secret", request.secret.0.expose()),
    ]);
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move { asked.put_beside(tx, &name, "tsig_keys", &entry, &request.reason).await })
        })
        .await
}

/// Lists the accounts, of one name or of all. Errors: `not-found`.
pub async fn list(engine: &Arc<Engine>, name: Option<&str>) -> Result<Vec<AccountView>, Trouble> {
    let mut tx = engine.store.read().await?;
    let mut secrets = secret::list_of_kind(&mut tx, engine.keyring(), &engine.tenant, ACME).await?;
    secrets.retain(|found| found.deleted_at.is_none() && name.is_none_or(|name| found.name.as_str() == name));
    if let Some(name) = name.filter(|_| secrets.is_empty()) {
        return Err(Trouble::not_found("accounts named", name));
    }
    let mut views = Vec::new();
    for found in &secrets {
        let current = version::find_current(&mut tx, engine.keyring(), &engine.tenant, &found.id).await?;
        let Some(current) = current else { continue };
        let accounts = StoredAccount::list(&engine.open(&current)?).map_err(|error| {
            Trouble::new(Kind::Internal, "accounts-unreadable", error.to_string(), "restore a backup")
        })?;
        views.extend(accounts.iter().enumerate().map(|(at, account)| AccountView {
            name: found.name.to_string(),
            place: at + 1,
            directory: account.directory.clone(),
            contact: account.contact.clone(),
        }));
    }
    Ok(views)
}
