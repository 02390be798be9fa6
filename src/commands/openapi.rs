//! `holdfast openapi`: prints the OpenAPI document. Needs no server and no data folder.

use std::io::{self, Write as _};

use anyhow::Context as _;

use crate::cli::Failure;
use crate::http::openapi;

/// Prints the document, as `docs/openapi.json` has it.
///
/// # Errors
///
/// [`crate::cli::Exit::Failure`] when it cannot be written.
pub fn run() -> Result<(), Failure> {
    match io::stdout().lock().write_all(openapi::text().as_bytes()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed.context("print the document")?),
    }
}
