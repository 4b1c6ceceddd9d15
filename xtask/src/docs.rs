//! `cargo xtask docs`: writes the reference pages that are made from the server's tables.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

/// The pages as they must be: path from the root, and text.
pub(crate) fn generated() -> Vec<(&'static str, String)> {
    tidings_server::reference::pages()
}

/// Writes every page that differs, and says which.
///
/// # Errors
/// A page cannot be written.
pub(crate) fn run(out: &mut impl Write) -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask stands below the root")?;
    for (path, text) in generated() {
        let file = root.join(path);
        if std::fs::read_to_string(&file).is_ok_and(|old| old == text) {
            continue;
        }
        std::fs::write(&file, text).with_context(|| format!("cannot write {path}"))?;
        writeln!(out, "wrote {path}")?;
    }
    Ok(ExitCode::SUCCESS)
}
