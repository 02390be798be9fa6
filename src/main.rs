//! The `holdfast` binary: parses, dispatches, prints what failed.

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use holdfast::cli::{Cli, Exit};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // For every TLS connection of this process, whoever makes it. Nobody can have been before us.
    let _is_first = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to stdout, complaints to stderr; a closed pipe is nobody's fault.
            let _ = error.print();
            let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if is_help { Exit::Ok } else { Exit::Usage }.into();
        }
    };
    match cli.run() {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => {
            eprintln!("holdfast: {:#}", failure.error);
            failure.exit.into()
        }
    }
}
