//! `keywheel backup`.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use axum::http::Method;
use clap::Subcommand;
use serde::Serialize;

use super::{CliError, Cx, Exit, client::broken_off, output};
use crate::engine::ops::backup::Verified;

/// Arguments of `keywheel backup`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with a backup.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Writes a snapshot of the store to a new file of mode 0600. It holds no master key.
    Create {
        /// The file; it must not exist.
        file: PathBuf,
    },
    /// Looks at every row of a backup, with the master keys of the configuration. Changes nothing.
    Verify {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Debug, Serialize)]
struct Created<'f> {
    file: &'f Path,
    bytes: u64,
}

pub(super) async fn create(cx: &Cx, file: &Path) -> Result<Exit, CliError> {
    if file.exists() {
        let sentence = format!("`{}` exists already", file.display());
        return Err(CliError::new(Exit::Failed, "backup-exists", sentence, "name a new file: none is overwritten"));
    }
    let mut response = cx.client()?.ask(Method::POST, &["backup"]).send_raw().await?;
    let announced = response.content_length();
    let unwritable = |error: &std::io::Error| {
        let hint = "name a new file in a folder that has room";
        let sentence = format!("the backup `{}` cannot be written", file.display());
        CliError::new(Exit::Failed, "backup-unwritable", sentence, hint).caused_by(error)
    };
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut out = opened.map_err(|error| unwritable(&error))?;
    let mut bytes = 0;
    let written = async {
        while let Some(part) = response.chunk().await.map_err(|error| broken_off(&error))? {
            out.write_all(&part).map_err(|error| unwritable(&error))?;
            bytes += part.len() as u64;
        }
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = out.sync_all().and_then(|()| File::open(folder)?.sync_all());
        synced.map_err(|error| unwritable(&error))
    };
    let outcome: Result<(), CliError> = written.await;
    let is_whole = announced.is_none_or(|announced| announced == bytes);
    if outcome.is_err() || !is_whole {
        let _ = fs::remove_file(file);
    }
    outcome?;
    if !is_whole {
        let hint = "run the command again";
        return Err(CliError::new(Exit::Failed, "backup-cut-short", "the backup was cut short", hint));
    }
    output::show_lines(cx.format, &Created { file, bytes }, |created| {
        vec![
            format!("wrote {} bytes to {}", created.bytes, created.file.display()),
            "it opens with the master keys alone: keep those elsewhere".to_owned(),
        ]
    });
    Ok(Exit::Done)
}

/// Tells what a look at every row found.
pub fn tell(cx: &Cx, verified: &Verified) -> Exit {
    output::show_lines(cx.format, verified, |found| {
        let mut lines =
            vec![format!("{} values that open, {} targets, {} events", found.values, found.targets, found.events)];
        lines.extend(found.wrong.iter().map(|wrong| format!("wrong: {wrong}")));
        lines.push(
            if found.wrong.is_empty() { "all is well" } else { "this backup is damaged or tampered with" }.to_owned(),
        );
        lines
    });
    if verified.wrong.is_empty() { Exit::Done } else { Exit::Failed }
}
