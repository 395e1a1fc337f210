//! `keywheel ca`.

use std::path::{Path, PathBuf};

use crate::pki::x509::KeyKind;
use axum::http::Method;

use crate::{
    cli::{CliError, Cx, Exit, Format, input, output, secret::about::About, table::Table},
    engine::ops::{
        pki::{
            authorities::{AuthorityView, CreateAuthority, ImportAuthority},
            crl::CrlView,
            rollover::{RolloverView, RotateAuthority},
        },
        wire::Password,
    },
    http::Page,
};

/// Arguments of `keywheel ca`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Makes an authority: a root, or an intermediate below one.
    #[command(after_help = "Examples:\n  keywheel ca create root --common-name 'Example Root'\n  keywheel ca create \
                            internal --parent root --permit example.org\n  keywheel ca create old --import-key \
                            @ca.key --import-certificates ca-chain.pem")]
    Create(Box<Create>),
    /// Lists the authorities.
    #[command(after_help = "Example: keywheel ca list --output json")]
    List,
    /// Shows an authority.
    #[command(after_help = "Example: keywheel ca show internal")]
    Show {
        /// Its name.
        name: String,
    },
    /// Writes out the certificate that clients trust; its key stays.
    #[command(after_help = "Example: keywheel ca export internal > ca.pem")]
    Export {
        /// Its name.
        name: String,
        /// What to write: the `root`, the authority's own `certificate`, or both and all between as the `chain`.
        #[arg(long, value_name = "PART", default_value = "root")]
        part: Part,
        /// Where to write; standard output if not given.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Gives an authority a new key: its anchor is published first, then it signs, then all below is renewed in waves.
    #[command(
        after_help = "Examples:\n  keywheel ca rotate internal\n  keywheel ca rotate root --switch-after 14d\n  \
                            keywheel ca rotate root --now"
    )]
    Rotate {
        /// The authority.
        name: String,
        /// How long the new anchor is published before it signs: `7d` for a root, `0s` for an intermediate.
        #[arg(long, value_name = "DURATION")]
        switch_after: Option<String>,
        /// Over how long what the old key signed is renewed.
        #[arg(long, value_name = "DURATION")]
        spread: Option<String>,
        /// Has the successor of a rollover that is under way sign from now on.
        #[arg(long, conflicts_with_all = ["switch_after", "spread", "key", "lifetime"])]
        now: bool,
        /// Another kind of key.
        #[arg(long, value_name = "KEY", value_parser = key)]
        key: Option<KeyKind>,
        /// Another lifetime.
        #[arg(long, value_name = "DURATION")]
        lifetime: Option<String>,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Writes out the list of revoked certificates.
    #[command(after_help = "Example: keywheel ca crl internal --file internal.crl")]
    Crl {
        /// The authority.
        name: String,
        /// Signs it anew first.
        #[arg(long)]
        sign: bool,
        /// Where to write; standard output if not given.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Root,
    Certificate,
    Chain,
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Its name.
    name: String,
    /// The common name in its certificate; its name if not given.
    #[arg(long, value_name = "TEXT")]
    common_name: Option<String>,
    /// The organisation in its certificate.
    #[arg(long, value_name = "TEXT")]
    organisation: Option<String>,
    /// `p256`, `p384`, `ed25519`, `rsa-2048`, `rsa-3072` or `rsa-4096`.
    #[arg(long, value_name = "KEY", value_parser = key)]
    key: Option<KeyKind>,
    /// How long it lives: ten years for a root and five for an intermediate if not given.
    #[arg(long, value_name = "DURATION")]
    lifetime: Option<String>,
    /// The authority that signs it; without one it is a root.
    #[arg(long, value_name = "AUTHORITY")]
    parent: Option<String>,
    /// How many authorities may follow below it.
    #[arg(long, value_name = "N")]
    path_length: Option<u8>,
    /// A domain or network that certificates below it may name; no other ones then.
    #[arg(long, value_name = "NAME")]
    permit: Vec<String>,
    /// A domain or network that certificates below it may not name.
    #[arg(long, value_name = "NAME")]
    exclude: Vec<String>,
    /// The private key of an authority that exists already: `-` or `@FILE`.
    #[arg(long, value_name = "SOURCE", requires = "import_certificates")]
    import_key: Option<String>,
    /// The file with its certificate and those above it.
    #[arg(long, value_name = "FILE", requires = "import_key")]
    import_certificates: Option<String>,
    #[command(flatten)]
    about: About,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Reads a kind of key from an argument.
pub(super) fn key(text: &str) -> Result<KeyKind, String> {
    let quoted = serde_json::Value::String(text.to_owned());
    serde_json::from_value(quoted)
        .map_err(|_| "choose `p256`, `p384`, `ed25519`, `rsa-2048`, `rsa-3072` or `rsa-4096`".to_owned())
}

impl Create {
    fn request(self) -> Result<CreateAuthority, CliError> {
        let import = match (self.import_key, self.import_certificates) {
            (Some(key), Some(certificates)) => Some(ImportAuthority {
                private_key: Password(input::value(Some(&key), "private key")?),
                certificates: input::document(&certificates)?,
            }),
            _ => None,
        };
        Ok(CreateAuthority {
            common_name: self.common_name,
            organisation: self.organisation,
            key: self.key,
            lifetime: self.lifetime,
            parent: self.parent,
            path_length: self.path_length,
            permit: self.permit,
            exclude: self.exclude,
            import,
            about: self.about.read()?,
            reason: self.reason,
        })
    }
}

pub(in crate::cli) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    match args.what {
        What::Create(create) => {
            let (name, request) = (create.name.clone(), create.request()?);
            let made: AuthorityView = client.ask(Method::POST, &["authorities", &name]).body(&request).send().await?;
            output::show_lines(cx.format, &made, lines);
        }
        What::List => {
            let page: Page<AuthorityView> = client.ask(Method::GET, &["authorities"]).send().await?;
            output::show(cx.format, &page.items, |items| table(items));
        }
        What::Show { name } => {
            let shown: AuthorityView = client.ask(Method::GET, &["authorities", &name]).send().await?;
            output::show_lines(cx.format, &shown, lines);
        }
        What::Export { name, part, file } => {
            let shown: AuthorityView = client.ask(Method::GET, &["authorities", &name]).send().await?;
            let text = match part {
                Part::Root => shown.anchors,
                Part::Certificate => shown.certificate,
                Part::Chain if shown.is_root => shown.ca,
                Part::Chain => format!("{}{}{}", shown.certificate, shown.chain, shown.ca),
            };
            write(file.as_deref(), &text)?;
        }
        What::Rotate { name, now: true, .. } => {
            client.ask(Method::POST, &["authorities", &name, "switch"]).send_unit().await?;
            output::remark(&format!("the successor of {name} signs from now on"));
        }
        What::Rotate { name, switch_after, spread, key, lifetime, reason, .. } => {
            let request = RotateAuthority { switch_after, spread, key, lifetime, reason };
            let path = ["authorities", &name, "rotate"];
            let begun: RolloverView = client.ask(Method::POST, &path).body(&request).send().await?;
            output::show_lines(cx.format, &begun, rollover);
        }
        What::Crl { name, sign, file } => {
            let method = if sign { Method::POST } else { Method::GET };
            let list: CrlView = client.ask(method, &["authorities", &name, "crl"]).send().await?;
            match cx.format {
                Format::Json => output::json(&list),
                Format::Table => write(file.as_deref(), &list.crl)?,
            }
        }
    }
    Ok(Exit::Done)
}

/// Writes a text that is not secret to a file, or prints it.
pub(super) fn write(file: Option<&Path>, text: &str) -> Result<(), CliError> {
    let Some(file) = file else {
        output::text(text);
        return Ok(());
    };
    std::fs::write(file, text).map_err(|error| {
        let sentence = format!("`{}` cannot be written", file.display());
        CliError::new(Exit::Failed, "output-unwritable", sentence, "choose another file").caused_by(&error)
    })
}

fn rollover(rollover: &RolloverView) -> Vec<String> {
    let last = rollover.last_ends_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    vec![
        format!("rollover      {}, signs from {}", rollover.stage, rollover.switch_at),
        format!("old key       {} certificates alive, the last until {last}", rollover.left),
    ]
}

fn table(authorities: &[AuthorityView]) -> Table {
    let mut table = Table::new(["NAME", "SUBJECT", "KIND", "KEY", "ENDS", "ALIVE"]);
    for authority in authorities {
        table.row([
            authority.name.clone(),
            authority.subject.clone(),
            if authority.is_root { "root" } else { "intermediate" }.to_owned(),
            authority.key.clone(),
            authority.not_after.to_string(),
            authority.alive.to_string(),
        ]);
    }
    table
}

fn lines(authority: &AuthorityView) -> Vec<String> {
    let last = authority.last_ends_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let mut lines = vec![
        format!("authority     {}", authority.name),
        format!("subject       {}", authority.subject),
        format!("kind          {}", if authority.is_root { "root" } else { "intermediate" }),
        format!("issuer        {}", authority.issuer),
        format!("key           {} ({})", authority.key, authority.key_id),
        format!("serial        {}", authority.serial),
        format!("path length   {}", authority.path_length.map_or_else(|| "any".to_owned(), |n| n.to_string())),
        format!("begins        {}", authority.not_before),
        format!("ends          {}", authority.not_after),
        format!("alive         {} certificates, the last until {last}", authority.alive),
        format!("version       {}", authority.version),
    ];
    lines.extend(authority.rollover.iter().flat_map(rollover));
    lines
}
