//! `keywheel keys`.

use axum::http::Method;
use clap::Subcommand;

use super::{CliError, Cx, Exit, output};
use crate::engine::ops::keys::{KeysInUse, RotateKeys, RotatedKeys};

/// Arguments of `keywheel keys`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Tells which keys are in use; never a key.
    Show,
    /// Makes a new master key and wraps the roots with it, or makes new roots.
    ///
    /// After a suspected leak of a root, or of a master key together with the store, only `--roots` helps: it seals
    /// every value anew. A new master key alone helps when the file of keys leaked and nobody had the store.
    Rotate {
        /// New roots instead of a new master key; values are sealed anew in the background.
        #[arg(long)]
        roots: bool,
    },
}

pub(super) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    match args.action {
        Action::Show => {
            let keys: KeysInUse = client.ask(Method::GET, &["keys"]).send().await?;
            output::show_lines(cx.format, &keys, |keys| {
                let background = if keys.is_reencrypting { "yes, in the background" } else { "no" };
                vec![
                    format!("master keys in use     {}", keys.masters.join(", ")),
                    format!("roots, newest first    {}", keys.roots.join(", ")),
                    format!("values to seal anew    {background}"),
                ]
            });
        }
        Action::Rotate { roots } => {
            let ask = client.ask(Method::POST, &["keys", "rotate"]).body(&RotateKeys { roots });
            let rotated: RotatedKeys = ask.send().await?;
            output::show_lines(cx.format, &rotated, |rotated| told(rotated, roots));
        }
    }
    Ok(Exit::Done)
}

fn told(rotated: &RotatedKeys, roots: bool) -> Vec<String> {
    let mut lines = if roots {
        vec![
            format!("root {} seals from now on; older values are sealed anew in the background", rotated.root),
            "after a suspected leak: when `keywheel keys show` has no values left to seal anew, rotate the secrets \
             themselves: who had the old root may have read them"
                .to_owned(),
        ]
    } else {
        vec![
            format!(
                "master key {} wraps the roots from now on; keep a copy of it where the store is not",
                rotated.master
            ),
            "after a suspected leak: a new master key does not change the roots; `keywheel keys rotate --roots` does"
                .to_owned(),
        ]
    };
    if !rotated.unused_masters.is_empty() {
        let unused = rotated.unused_masters.join(", ");
        lines.push(format!("nothing in the store needs master key {unused} any more; older backups do"));
    }
    lines
}
