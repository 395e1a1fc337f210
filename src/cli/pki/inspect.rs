//! `keywheel cert inspect`: what a file holds, or what an address serves.

use std::time::Duration;

use crate::pki::{
    probe::{ProbeAddress, StartTls, handshake},
    x509::{Certificate, Facts, bundle},
};

use crate::cli::{CliError, Cx, Exit, input, output};

/// The longest file.
const MAX_BYTES: u64 = 16 << 20;
/// How long an address may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Arguments of `keywheel cert inspect`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A file (PEM, DER, PKCS#12), or `HOST:PORT`.
    place: String,
    /// The name to ask for, where it is not the host.
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// `smtp`, `imap` or `postgres`, where TLS begins after a word in clear.
    #[arg(long, value_name = "PROTOCOL", value_parser = starttls)]
    starttls: Option<StartTls>,
    /// The password of a PKCS#12 file: `-` or `@FILE`.
    #[arg(long, value_name = "SOURCE")]
    password: Option<String>,
}

fn starttls(text: &str) -> Result<StartTls, String> {
    let quoted = serde_json::Value::String(text.to_owned());
    serde_json::from_value(quoted).map_err(|_| "choose `smtp`, `imap` or `postgres`".to_owned())
}

pub(super) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let found = if std::path::Path::new(&args.place).exists() { read(&args)? } else { ask(&args).await? };
    let facts: Vec<&Facts> = found.iter().map(Certificate::facts).collect();
    output::show_lines(cx.format, &facts, |facts| facts.iter().flat_map(|facts| lines(facts)).collect());
    Ok(Exit::Done)
}

fn read(args: &Args) -> Result<Vec<Certificate>, CliError> {
    let failed = |sentence: String, hint: &str| CliError::new(Exit::Failed, "inspect-failed", sentence, hint);
    let length = std::fs::metadata(&args.place).map_or(0, |found| found.len());
    if length > MAX_BYTES {
        return Err(failed(format!("`{}` has {length} bytes", args.place), "a bundle has 16 MiB at most"));
    }
    let bytes = std::fs::read(&args.place).map_err(|error| {
        failed(format!("`{}` cannot be read", args.place), "may this user read it?").caused_by(&error)
    })?;
    let password = args.password.as_deref().map(|source| input::value(Some(source), "password")).transpose()?;
    bundle::read_any(&bytes, password.as_ref())
        .map_err(|error| failed(format!("`{}`: {error}", args.place), error.hint()))
}

async fn ask(args: &Args) -> Result<Vec<Certificate>, CliError> {
    let failed = |sentence: String, hint: &str| CliError::new(Exit::Failed, "inspect-failed", sentence, hint);
    let address = ProbeAddress::parse(&args.place, args.server_name.as_deref(), args.starttls)
        .map_err(|error| failed(error.to_string(), error.hint()))?;
    let sightings = handshake(&address, PATIENCE).await;
    let mut failure = None;
    let mut seen = None;
    for sighting in sightings {
        match sighting.seen {
            Ok(presented) => seen = seen.or(Some(presented)),
            Err(error) => failure = Some(failed(error.to_string(), error.hint())),
        }
    }
    let seen = match (seen, failure) {
        (Some(seen), _) => seen,
        (None, Some(failure)) => return Err(failure),
        (None, None) => return Err(failed(format!("`{}` has no address", args.place), "does the name resolve?")),
    };
    let chain = std::iter::once(&seen.leaf_der).chain(&seen.chain_der);
    chain.map(|der| Certificate::from_der(der).map_err(|error| failed(error.to_string(), error.hint()))).collect()
}

fn lines(facts: &Facts) -> Vec<String> {
    let mut lines = vec![
        format!("subject       {}", facts.subject),
        format!("names         {}", facts.names.join(", ")),
        format!("issuer        {}", facts.issuer),
        format!("serial        {}", facts.serial),
        format!("begins        {}", output::time(Some(facts.not_before))),
        format!("ends          {}", output::time(Some(facts.not_after))),
        format!("key           {}", facts.key),
        format!("signature     {}", facts.signature),
        format!("usages        {}", facts.usages.join(", ")),
        format!("sha256        {}", facts.sha256),
    ];
    if facts.is_authority {
        lines.push("authority     yes".to_owned());
    }
    lines.push(String::new());
    lines
}
