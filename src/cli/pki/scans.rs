//! `keywheel cert scans`: the scans that are repeated.

use axum::http::Method;

use crate::{
    cli::{CliError, Cx, Exit, output, table::Table},
    engine::ops::pki::scan::KeptScan,
    http::Page,
};

/// Arguments of `keywheel cert scans`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Repeats this one no more; what it found stays tracked.
    #[arg(long, value_name = "NAME")]
    forget: Option<String>,
}

pub(super) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    if let Some(name) = args.forget {
        client.ask(Method::DELETE, &["certificate-scans", &name]).send_unit().await?;
        output::remark(&format!("the scan {name} is repeated no more"));
        return Ok(Exit::Done);
    }
    let page: Page<KeptScan> = client.ask(Method::GET, &["certificate-scans"]).send().await?;
    output::show(cx.format, &page.items, |scans| table(scans));
    Ok(Exit::Done)
}

fn table(scans: &[KeptScan]) -> Table {
    let mut table = Table::new(["NAME", "ROOTS", "ENDPOINTS", "LAST", "NEXT", "FOUND", "WRONG"]);
    for scan in scans {
        table.row([
            scan.name.clone(),
            if scan.roots.is_empty() { "all".to_owned() } else { scan.roots.join(",") },
            scan.endpoints.len().to_string(),
            output::time(Some(scan.last_at.0)),
            output::time(Some(scan.next_at.0)),
            scan.found.to_string(),
            scan.wrong.to_string(),
        ]);
    }
    table
}
