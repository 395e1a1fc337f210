//! `keywheel backup verify`: opens a backup for reading alone, with the master keys of the configuration.

use std::{path::Path, sync::Arc};

use super::open;
use crate::{
    cli::{self, CliError, Cx, Exit},
    config::Config,
    engine::ops::backup,
    keyring::Keyring,
    lifecycle::harden,
    store,
};

/// Looks at every row of a backup.
pub(super) async fn run(cx: &Cx, config: &Config, file: &Path) -> Result<Exit, CliError> {
    harden()?;
    if !file.is_file() {
        let sentence = format!("no backup is at `{}`", file.display());
        return Err(CliError::new(Exit::NotFound, "backup-missing", sentence, "name the file of a backup"));
    }
    let masters = open::masters(config).await?;
    let opened = store::backup::open(file, Arc::new(Keyring::new())).await?;
    open::unwrap_roots(&opened, &masters).await?;
    let verified = backup::verify(&opened).await?;
    Ok(cli::backup::tell(cx, &verified))
}
