//! Certificates as files: PEM, all in one, PKCS#12.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::PathBuf};

use crate::pki::x509::{Issued, PrivateKey, bundle};
use axum::http::Method;

use crate::{
    cli::{CliError, Cx, Exit, Format, input, output},
    engine::ops::{pki::issue::CertificateIssued, secret_read::SecretValue},
};

/// Arguments of `keywheel cert export`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its name.
    name: String,
    /// `pem` (certificate and chain), `combined` (key, certificate and chain in one) or `pkcs12`.
    #[arg(long, value_name = "FORMAT", default_value = "pem")]
    format: Shape,
    /// The password of a PKCS#12 file: `-` or `@FILE`.
    #[arg(long, value_name = "SOURCE")]
    password: Option<String>,
    /// Where to write, with mode 0600; standard output if not given.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shape {
    Pem,
    Combined,
    Pkcs12,
}

pub(super) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let read: SecretValue = cx.client()?.ask(Method::GET, &["secrets", &args.name, "value"]).send().await?;
    let unusable = |sentence: String| {
        CliError::new(Exit::Failed, "not-a-certificate", sentence, "`keywheel cert list` shows the certificates")
    };
    let issued = Issued::from_material(&read.value.0)
        .map_err(|error| unusable(format!("`{}` holds no certificate: {error}", args.name)))?;
    let key = PrivateKey::from_material(&read.value.0).ok();
    let bytes = match (args.format, &key) {
        (Shape::Pem, _) => bundle::full_chain_pem(&issued).into_bytes(),
        (_, None) => return Err(unusable(format!("`{}` holds no private key", args.name))),
        (Shape::Combined, Some(key)) => bundle::combined_pem(&issued, key).expose().as_bytes().to_vec(),
        (Shape::Pkcs12, Some(key)) => {
            let password = input::value(args.password.as_deref(), "password of the file")?;
            let made = bundle::pkcs12(&issued, key, &password).map_err(|error| unusable(error.to_string()))?;
            made.to_vec()
        }
    };
    write(args.file.as_deref(), &bytes)?;
    Ok(Exit::Done)
}

/// Prints or writes what was issued to whoever asked.
pub(super) fn signed(
    format: Format,
    file: Option<&std::path::Path>,
    issued: &CertificateIssued,
) -> Result<(), CliError> {
    if format == Format::Json {
        output::json(issued);
        return Ok(());
    }
    let key = issued.private_key.as_ref().map_or("", |key| key.0.expose());
    write(file, format!("{key}{}{}", issued.certificate, issued.chain).as_bytes())?;
    output::remark(&format!("serial {}, until {}", issued.serial, issued.not_after));
    Ok(())
}

fn write(file: Option<&std::path::Path>, bytes: &[u8]) -> Result<(), CliError> {
    let written = match file {
        None => std::io::stdout().write_all(bytes),
        Some(file) => OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(file)
            .and_then(|mut file| file.write_all(bytes)),
    };
    written.map_err(|error| {
        let sentence = "the certificate cannot be written";
        CliError::new(Exit::Failed, "output-unwritable", sentence, "choose another file").caused_by(&error)
    })
}
