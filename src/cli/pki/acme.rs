//! `keywheel acme`.

use axum::http::Method;

use crate::{
    cli::{CliError, Cx, Exit, input, output, table::Table},
    engine::ops::{
        pki::accounts::{AccountView, AddAccount, AddTsigKey},
        wire::Password,
    },
    http::Page,
};

/// Arguments of `keywheel acme`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Registers an account at a public authority. Under one name, the first account is tried first.
    #[command(after_help = "Examples:\n  keywheel acme add letsencrypt --directory letsencrypt --email \
                            certs@example.org --agree-to-terms\n  keywheel acme add inside --directory \
                            https://ca.example.org/dir --ca-file ca.pem --agree-to-terms \\\n      --eab-key-id k1 \
                            --eab-key @eab.key")]
    Add(Add),
    /// Keeps a key for signed DNS updates (RFC 2136) beside the accounts.
    #[command(after_help = "Example: keywheel acme tsig letsencrypt --key-name acme.example.org @tsig.key")]
    Tsig {
        /// The name of the accounts.
        name: String,
        /// The key's name at the DNS server.
        #[arg(long, value_name = "NAME")]
        key_name: String,
        /// The key in base64: `-` or `@FILE`; a prompt or standard input if not given.
        source: Option<String>,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Lists the accounts.
    #[command(after_help = "Example: keywheel acme list")]
    List,
}

#[derive(Debug, clap::Args)]
struct Add {
    /// The name of the secret that holds it.
    name: String,
    /// The address of the directory, or `letsencrypt`, `letsencrypt-staging`, `zerossl`.
    #[arg(long, value_name = "URL")]
    directory: String,
    /// Whom the authority may write to.
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<String>,
    /// Agrees to the authority's terms of service.
    #[arg(long)]
    agree_to_terms: bool,
    /// The certificates to judge the directory's server by; those of the system if not given.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
    /// The id of an external account's key.
    #[arg(long, value_name = "ID", requires = "eab_key")]
    eab_key_id: Option<String>,
    /// The external account's key: `-` or `@FILE`.
    #[arg(long, value_name = "SOURCE", requires = "eab_key_id")]
    eab_key: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(in crate::cli) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    let page: Page<AccountView> = match args.what {
        What::Add(add) => {
            let name = add.name.clone();
            let request = add.request()?;
            client.ask(Method::POST, &["acme-accounts", &name]).body(&request).send().await?
        }
        What::Tsig { name, key_name, source, reason } => {
            let secret = Password(input::value(source.as_deref(), "key for DNS updates")?);
            let request = AddTsigKey { name: key_name, algorithm: None, secret, reason };
            client.ask(Method::POST, &["acme-accounts", &name, "tsig-keys"]).body(&request).send_unit().await?;
            output::remark(&format!("the key {} is kept with {name}", request.name));
            return Ok(Exit::Done);
        }
        What::List => client.ask(Method::GET, &["acme-accounts"]).send().await?,
    };
    output::show(cx.format, &page.items, |accounts| table(accounts));
    Ok(Exit::Done)
}

impl Add {
    fn request(self) -> Result<AddAccount, CliError> {
        let read = |source: String| input::value(Some(&source), "external account's key").map(Password);
        Ok(AddAccount {
            directory: self.directory,
            emails: self.email,
            terms_agreed: self.agree_to_terms,
            ca_pem: self.ca_file.as_deref().map(input::document).transpose()?,
            eab_key_id: self.eab_key_id,
            eab_key: self.eab_key.map(read).transpose()?,
            reason: self.reason,
        })
    }
}

fn table(accounts: &[AccountView]) -> Table {
    let mut table = Table::new(["NAME", "PLACE", "DIRECTORY", "CONTACT"]);
    for account in accounts {
        table.row([
            account.name.clone(),
            account.place.to_string(),
            account.directory.clone(),
            account.contact.join(","),
        ]);
    }
    table
}
