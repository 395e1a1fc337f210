//! `keywheel cert`.

use std::path::PathBuf;

use crate::pki::x509::{KeyKind, Profile};
use axum::http::Method;
use serde_json::{Map, Value, json};

use super::{ca, export, inspect, scan, scans};
use crate::{
    cli::{
        CliError, Cx, Exit, input, output,
        rotate::wait,
        secret::{about::About, findings, settings},
        table::Table,
    },
    engine::ops::{
        adopt::Adopted,
        pki::{
            certificates::KeepCertificate,
            crl::RevokeCertificate,
            issue::{CertificateIssued, IssueCertificate},
            view::{CertificateView, ManagedCertificate},
        },
        rotate::{Outcome, Requested},
    },
    http::{Page, native::CertificateShown},
};

/// Arguments of `keywheel cert`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Keeps a certificate alive: issued, installed, reloaded, seen to be served, renewed in time.
    #[command(
        after_help = "Install roots and hooks are those of the configuration file.\n\nExamples:\n  keywheel cert \
                            issue web/shop --ca internal --dns shop.example.org --install nginx/shop \\\n      --reload \
                            nginx --probe shop.example.org:443\n  keywheel cert issue web/www --acme letsencrypt \
                            --dns www.example.org --install nginx/www \\\n      --reload nginx --probe \
                            www.example.org:443 --set acme.challenge=http-01 --set acme.listen=0.0.0.0:80"
    )]
    Issue(Box<Issue>),
    /// Issues one certificate that nothing renews; by a signing request the key stays where it is.
    #[command(after_help = "Examples:\n  keywheel cert sign internal --csr shop.csr > shop.pem\n  keywheel cert sign \
                            internal --dns job.example.org --client --lifetime 1d --file job.pem")]
    Sign(Box<Sign>),
    /// Lists the certificates that renew themselves; with `--issued` every one that is recorded.
    #[command(after_help = "Example: keywheel cert list --issued --authority internal")]
    List {
        /// Every certificate that is recorded, the newest first.
        #[arg(long)]
        issued: bool,
        /// Those of one authority.
        #[arg(long, value_name = "AUTHORITY", requires = "issued")]
        authority: Option<String>,
    },
    /// Shows a certificate that renews itself.
    #[command(after_help = "Example: keywheel cert show web/shop")]
    Show {
        /// Its name.
        name: String,
    },
    /// Writes out the current certificate with its key, for tools that read files.
    #[command(
        after_help = "Example: keywheel cert export web/shop --format pkcs12 --password @pass.txt --file shop.p12"
    )]
    Export(export::Args),
    /// Revokes a certificate by its serial number.
    #[command(after_help = "Example: keywheel cert revoke 5f3a… --because key-compromise --reason 'laptop lost'")]
    Revoke {
        /// Its serial number in hexadecimal.
        serial: String,
        /// `unspecified`, `key-compromise`, `affiliation-changed`, `superseded`, `cessation-of-operation` or
        /// `privilege-withdrawn`.
        #[arg(long, value_name = "WHY", default_value = "unspecified")]
        because: String,
        /// Why, in words.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Tells what a file holds, or what an address serves. Asks no daemon.
    #[command(after_help = "Examples:\n  keywheel cert inspect /etc/nginx/tls/shop/current/fullchain.pem\n  keywheel \
                            cert inspect shop.example.org:443")]
    Inspect(inspect::Args),
    /// Finds certificates below the scan roots of the configuration file and at endpoints, and tracks them.
    #[command(after_help = "Roots are named, not paths: see `[[scan_root]]`. The scan is kept and repeated daily.\n\n\
                            Examples:\n  keywheel cert scan\n  keywheel cert scan etc opt --once\n  keywheel cert \
                            scan --endpoints hosts.txt --name outside")]
    Scan(scan::Args),
    /// Lists the scans that are repeated daily.
    #[command(after_help = "Examples:\n  keywheel cert scans\n  keywheel cert scans --forget outside")]
    Scans(scans::Args),
}

#[derive(Debug, clap::Args)]
struct Names {
    /// A DNS name, such as `shop.example.org` or `*.example.org`.
    #[arg(long, value_name = "NAME")]
    dns: Vec<String>,
    /// An IP address.
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<String>,
    /// Another name: `email:a@example.org`, `uri:spiffe://example.org/a`.
    #[arg(long, value_name = "NAME")]
    san: Vec<String>,
    /// A common name; none if not given.
    #[arg(long, value_name = "TEXT")]
    common_name: Option<String>,
    /// An organisation.
    #[arg(long, value_name = "TEXT")]
    organisation: Option<String>,
    /// For clients (mutual TLS) instead of servers; with `--server` for both.
    #[arg(long)]
    client: bool,
    /// For servers, the usual.
    #[arg(long)]
    server: bool,
    /// `p256`, `p384`, `ed25519`, `rsa-2048`, `rsa-3072` or `rsa-4096`.
    #[arg(long, value_name = "KEY", value_parser = ca::key)]
    key: Option<KeyKind>,
    /// How long it lives, such as `90d`.
    #[arg(long, value_name = "DURATION")]
    lifetime: Option<String>,
    /// Lets it end with its authority, where that ends sooner.
    #[arg(long)]
    may_be_shorter: bool,
}

impl Names {
    fn all(&self) -> Vec<String> {
        [&self.dns, &self.ip, &self.san].into_iter().flatten().cloned().collect()
    }

    fn profile(&self) -> Option<Profile> {
        match (self.server, self.client) {
            (_, false) => None,
            (false, true) => Some(Profile::Client),
            (true, true) => Some(Profile::ServerAndClient),
        }
    }
}

#[derive(Debug, clap::Args)]
struct Issue {
    /// The name of the secret that it becomes.
    name: String,
    /// The authority that signs it.
    #[arg(long, value_name = "AUTHORITY", conflicts_with = "acme", required_unless_present = "acme")]
    ca: Option<String>,
    /// The ACME accounts that order it; see `keywheel acme`.
    #[arg(long, value_name = "ACCOUNTS")]
    acme: Option<String>,
    #[command(flatten)]
    names: Names,
    /// Where it is installed: an install root of the configuration file and a folder below it.
    #[arg(long, value_name = "ROOT/FOLDER")]
    install: Option<String>,
    /// The hook that checks the configuration of the service before it is reloaded.
    #[arg(long, value_name = "HOOK")]
    check: Option<String>,
    /// The hook that has the service read the new certificate.
    #[arg(long, value_name = "HOOK")]
    reload: Option<String>,
    /// Where it must be seen: `HOST:PORT`, with `;starttls=smtp` or `;name=shop.example.org` where that is needed.
    #[arg(long, value_name = "ADDRESS")]
    probe: Vec<String>,
    /// Another setting of the target, such as `acme.challenge=dns-01`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The share of its life after which it is renewed; `2/3` if not given.
    #[arg(long, value_name = "SHARE")]
    renew_at: Option<String>,
    /// Revokes the one before when it is retired.
    #[arg(long)]
    revoke_old: bool,
    /// A promise that is knowingly given up.
    #[arg(long, value_name = "CODE")]
    acknowledge: Vec<String>,
    /// Answers at once instead of waiting for the first to be served.
    #[arg(long)]
    no_wait: bool,
    /// How long to wait, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    wait_for: u64,
    #[command(flatten)]
    about: About,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

#[derive(Debug, clap::Args)]
struct Sign {
    /// The authority.
    authority: String,
    /// A signing request: `-` or a file.
    #[arg(long, value_name = "FILE")]
    csr: Option<String>,
    #[command(flatten)]
    names: Names,
    /// Where to write key, certificate and chain; standard output if not given.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Reads `HOST:PORT;starttls=smtp;name=shop.example.org`.
fn probe(text: &str) -> Result<Value, CliError> {
    let mut parts = text.split(';');
    let mut probe = Map::new();
    probe.insert("address".to_owned(), json!(parts.next().unwrap_or_default()));
    for part in parts {
        let (key, value) = match part.split_once('=') {
            Some(("name", value)) => ("server_name", value),
            Some(("starttls", value)) => ("starttls", value),
            _ => {
                let sentence = format!("`{part}` is nothing that a probe knows");
                return Err(CliError::usage(sentence, "write `HOST:PORT;starttls=smtp;name=mail.example.org`"));
            }
        };
        probe.insert(key.to_owned(), json!(value));
    }
    Ok(Value::Object(probe))
}

impl Issue {
    fn request(self) -> Result<KeepCertificate, CliError> {
        let mut set = settings::read(&self.set)?;
        let acme = set.remove("acme");
        if let Some(key) = set.keys().next() {
            let sentence = format!("`{key}` is no setting of a certificate's target");
            return Err(CliError::usage(sentence, "set `acme.…`; all else has an option of its own"));
        }
        Ok(KeepCertificate {
            authority: self.ca.or(self.acme).unwrap_or_default(),
            names: self.names.all(),
            profile: self.names.profile(),
            common_name: self.names.common_name,
            organisation: self.names.organisation,
            key: self.names.key,
            lifetime: self.names.lifetime,
            may_be_shorter: self.names.may_be_shorter,
            install: self.install,
            check: self.check,
            reload: self.reload,
            probes: self.probe.iter().map(|text| probe(text)).collect::<Result<_, _>>()?,
            acme,
            renew_at: self.renew_at,
            revoke_old: self.revoke_old,
            acknowledge: self.acknowledge,
            about: self.about.read()?,
            reason: self.reason,
        })
    }
}

impl Sign {
    fn request(&self) -> Result<IssueCertificate, CliError> {
        Ok(IssueCertificate {
            names: self.names.all(),
            profile: self.names.profile(),
            common_name: self.names.common_name.clone(),
            organisation: self.names.organisation.clone(),
            key: self.names.key,
            lifetime: self.names.lifetime.clone(),
            may_be_shorter: self.names.may_be_shorter,
            csr: self.csr.as_deref().map(input::document).transpose()?,
            crl_url: None,
            reason: self.reason.clone(),
        })
    }
}

pub(in crate::cli) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    match args.what {
        What::Issue(asked) => return issue(cx, *asked).await,
        What::Sign(sign) => {
            let request = sign.request()?;
            let path = ["authorities", &sign.authority, "certificates"];
            let issued: CertificateIssued = cx.client()?.ask(Method::POST, &path).body(&request).send().await?;
            export::signed(cx.format, sign.file.as_deref(), &issued)?;
        }
        What::List { issued: false, .. } => {
            let page: Page<ManagedCertificate> = cx.client()?.ask(Method::GET, &["certificates"]).send().await?;
            output::show(cx.format, &page.items, |items| managed(items));
            let needs_a_look = page.items.iter().any(|line| !line.alerts.is_empty());
            return Ok(if needs_a_look { Exit::NeedsAttention } else { Exit::Done });
        }
        What::List { issued: true, authority } => {
            let client = cx.client()?;
            let ask = client.ask(Method::GET, &["issued"]).query("authority", authority.unwrap_or_default());
            let page: Page<CertificateView> = ask.send().await?;
            output::show(cx.format, &page.items, |items| recorded(items));
        }
        What::Show { name } => {
            let shown: CertificateShown = cx.client()?.ask(Method::GET, &["certificates", &name]).send().await?;
            output::show_lines(cx.format, &shown, lines);
        }
        What::Export(args) => return export::run(cx, args).await,
        What::Revoke { serial, because, reason } => {
            let request = RevokeCertificate { because, reason };
            let client = cx.client()?;
            let ask = client.ask(Method::POST, &["issued", &serial, "revoke"]).body(&request);
            let revoked: CertificateView = ask.send().await?;
            output::show_lines(cx.format, &revoked, |revoked| {
                let list = format!("`keywheel ca crl {}` tells of it", revoked.authority);
                vec![format!("{} ({}) is revoked; {list}", revoked.serial, revoked.names.join(", "))]
            });
        }
        What::Inspect(args) => return inspect::run(cx, args).await,
        What::Scan(args) => return scan::run(cx, args).await,
        What::Scans(args) => return scans::run(cx, args).await,
    }
    Ok(Exit::Done)
}

async fn issue(cx: &Cx, asked: Issue) -> Result<Exit, CliError> {
    let client = cx.client()?;
    let (name, waits, seconds) = (asked.name.clone(), !asked.no_wait, asked.wait_for);
    let request = asked.request()?;
    let kept: Adopted = client.ask(Method::POST, &["certificates", &name]).body(&request).send().await?;
    for line in findings::lines(&kept.findings) {
        output::remark(&line);
    }
    if !waits {
        output::show_lines(cx.format, &kept, |kept| {
            vec![format!("certificate {} is kept from now on; the first is issued at once", kept.name)]
        });
        return Ok(Exit::Done);
    }
    let requested = Requested {
        name: kept.name.clone(),
        outcome: Outcome::Requested,
        occurrence: kept.occurrence.clone(),
        rotation: None,
        refusal: None,
    };
    wait::wait(cx, &client, &[requested], seconds).await
}

fn managed(lines: &[ManagedCertificate]) -> Table {
    let mut table = Table::new(["NAME", "NAMES", "AUTHORITY", "VERSION", "ENDS", "RENEWED", "ALERTS"]);
    for line in lines {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        table.row([
            line.name.clone(),
            line.names.join(","),
            line.authority.clone(),
            or_none(line.version.map(|version| version.to_string())),
            or_none(line.not_after.map(|at| at.to_string())),
            or_none(line.next_due_at.map(|at| at.to_string())),
            if line.alerts.is_empty() { "-".to_owned() } else { line.alerts.join(",") },
        ]);
    }
    table
}

fn recorded(lines: &[CertificateView]) -> Table {
    let mut table = Table::new(["SERIAL", "NAMES", "AUTHORITY", "PROFILE", "ENDS", "REVOKED"]);
    for line in lines {
        table.row([
            line.serial.clone(),
            line.names.join(","),
            line.authority.clone(),
            line.profile.clone(),
            line.not_after.to_string(),
            line.revoked_at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
        ]);
    }
    table
}

fn lines(shown: &CertificateShown) -> Vec<String> {
    let managed = &shown.managed;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let mut lines = vec![
        format!("certificate   {}", managed.name),
        format!("names         {}", managed.names.join(", ")),
        format!("authority     {}", managed.authority),
        format!("version       {}", or_none(managed.version.map(|version| version.to_string()))),
        format!("serial        {}", or_none(managed.serial.clone())),
        format!("ends          {}", or_none(managed.not_after.map(|at| at.to_string()))),
        format!("renewed       {}", or_none(managed.next_due_at.map(|at| at.to_string()))),
        format!("installed     {}", or_none(managed.install.clone())),
    ];
    lines.extend(managed.endpoints.iter().map(|endpoint| format!("seen at       {endpoint}")));
    lines.extend(managed.rotation.iter().map(|rotation| format!("rotation      {rotation} runs")));
    lines.extend(managed.alerts.iter().map(|alert| format!("alert         {alert}")));
    lines
}
