//! `holdfast journal checkpoint`: makes one now.

use actix_web::rt::System;
use anyhow::Context as _;
use holdfast_actors::Engine;
use holdfast_actors::checkpoint::Taken;
use holdfast_actors::engine::Kind;
use serde_json::{Value, json};

use super::{Holder, ask, moment, print, progress, verdict_of_start};
use crate::cli::Failure;
use crate::commands::serve::engine;
use crate::config::Settings;

/// Has the running server make a checkpoint, or recovers a stopped folder and makes one of that.
///
/// # Errors
///
/// What keeps it from being written; those of a start, on a stopped folder.
pub fn run(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    let bar = progress::spinner("writing a checkpoint");
    let document = match Holder::of(settings)? {
        Holder::Us(folder) => System::new().block_on(async {
            let engine = engine::open(settings, folder, Vec::new()).await.map_err(verdict_of_start)?;
            let taken = take(&engine).await;
            engine::close(engine).await?;
            taken
        })?,
        Holder::Server(socket) => ask(&socket, "POST", "/journal/checkpoint", None)?,
    };
    bar.finish_and_clear();
    print(&document, as_json)
}

/// Makes one, and tells of it.
pub(crate) async fn take(engine: &Engine) -> Result<Value, Failure> {
    let Taken { info, elapsed, pause_max } =
        engine.checkpoint(Kind::Increment).await.context("make a checkpoint")?;
    let micros = |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    Ok(json!({
        "number": info.number,
        "kind": match info.kind { Kind::Whole => "whole", Kind::Increment => "increment" },
        "at": moment(info.mark.at_ms),
        "entries": info.entries,
        "bytes": info.bytes,
        "elapsed_ms": micros(elapsed) / 1000,
        "longest_pause_us": micros(pause_max),
    }))
}
