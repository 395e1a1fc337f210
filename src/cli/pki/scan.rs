//! `keywheel cert scan`: certificates that live elsewhere.

use axum::http::Method;

use crate::{
    cli::{CliError, Cx, Exit, input, output, table::Table},
    engine::ops::pki::scan::{FoundCertificate, ScanCertificates, ScanReport},
};

/// Arguments of `keywheel cert scan`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scan roots of the configuration file, by name; all of them if none is given.
    #[arg(value_name = "ROOT")]
    roots: Vec<String>,
    /// A file with an endpoint in each line: `HOST:PORT`, with `;starttls=smtp` or `;name=shop.example.org` where that
    /// is needed.
    #[arg(long, value_name = "FILE")]
    endpoints: Option<String>,
    /// Looks now and never again.
    #[arg(long, conflicts_with = "name")]
    once: bool,
    /// The name under which the scan is kept; its roots if not given.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

impl Args {
    fn request(self) -> Result<ScanCertificates, CliError> {
        let text = self.endpoints.as_deref().map(input::document).transpose()?.unwrap_or_default();
        // What follows a hash mark is a remark.
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        Ok(ScanCertificates {
            roots: self.roots,
            endpoints: lines.filter(|line| !line.is_empty()).map(str::to_owned).collect(),
            once: self.once,
            name: self.name,
            reason: self.reason,
        })
    }
}

pub(super) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let request = args.request()?;
    let client = cx.client()?;
    let report: ScanReport = client.ask(Method::POST, &["certificate-scans"]).body(&request).send().await?;
    output::show(cx.format, &report, |report| table(&report.certificates));
    report.remarks.iter().for_each(|remark| output::remark(remark));
    if let Some(name) = &report.kept {
        output::remark(&format!("repeated daily as `{name}`; see `keywheel cert scans`"));
    }
    let needs_a_look = report.certificates.iter().any(FoundCertificate::needs_a_look);
    Ok(if needs_a_look { Exit::NeedsAttention } else { Exit::Done })
}

fn table(found: &[FoundCertificate]) -> Table {
    let mut table = Table::new(["PLACE", "NAMES", "ISSUER", "ENDS", "STANDING"]);
    for one in found {
        let standing = std::iter::once(&one.standing).chain(&one.problems).cloned().collect::<Vec<_>>().join(", ");
        let names = if one.names.is_empty() { one.subject.clone().unwrap_or_default() } else { one.names.join(",") };
        table.row([
            one.place.clone(),
            if names.is_empty() { "-".to_owned() } else { names },
            one.issuer.clone().unwrap_or_else(|| "-".to_owned()),
            output::time(one.not_after.map(|at| at.0)),
            standing,
        ]);
    }
    table
}
