//! `keywheel init`: its arguments, and what is told afterwards.

use std::path::Path;

use serde::Serialize;

use super::{Cx, output};

/// Arguments of `keywheel init`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// What was made.
#[derive(Debug, Serialize)]
pub struct Made<'m> {
    /// The data directory.
    pub data_dir: &'m Path,
    /// The file of master keys, if one was made.
    pub master_key: Option<&'m Path>,
    /// `sqlite` or `postgres`.
    pub store: &'static str,
}

/// Tells what was made.
pub fn tell(cx: &Cx, made: &Made<'_>) {
    output::show_lines(cx.format, made, |made| {
        let mut lines = vec![format!("made the data directory {}", made.data_dir.display())];
        if let Some(key) = made.master_key {
            lines.push(format!("made the master key {}", key.display()));
            lines.push("keep a copy of it where the store is not: without it nothing in the store opens".to_owned());
        }
        lines.push("next: keywheel serve".to_owned());
        lines
    });
}
