//! The arguments of `holdfast mail`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Failure, SettingFlags};
use crate::commands::mail;
use crate::config::Settings;

#[derive(Debug, Subcommand)]
pub(super) enum MailCommand {
    /// Tells how many mails are where.
    Stat {
        #[command(flatten)]
        folder: FolderArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lists mails that nobody tries to send any more, the oldest first.
    Dead {
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        count: usize,
        #[command(flatten)]
        folder: FolderArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Gives dead mails all their attempts again.
    Retry(DeadArgs),
    /// Gives dead mails up for good.
    Drop(DeadArgs),
}

#[derive(Debug, Args)]
pub(super) struct DeadArgs {
    /// Their names, as `holdfast mail dead` tells them.
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Debug, Args)]
pub(super) struct FolderArgs {
    /// Read settings from this TOML file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder, where mails are not in Redis [env: HOLDFAST_DATA_DIR] [default: ./data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl MailCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Stat { folder, json } => mail::stat(&folder.settings()?, json),
            Self::Dead { count, folder, json } => mail::dead(&folder.settings()?, count, json),
            Self::Retry(dead) => {
                let (settings, ids) = dead.wanted()?;
                mail::retry(&settings, ids)
            }
            Self::Drop(dead) => {
                let (settings, ids) = dead.wanted()?;
                mail::drop_dead(&settings, ids)
            }
        }
    }
}

impl DeadArgs {
    /// Where, and which: all when there are no names.
    fn wanted(self) -> Result<(Settings, Option<Vec<String>>), Failure> {
        let Self { ids, all, folder } = self;
        Ok((folder.settings()?, (!all).then_some(ids)))
    }
}

impl FolderArgs {
    fn settings(self) -> Result<Settings, Failure> {
        Ok(SettingFlags::of(self.config, self.data_dir).load()?.settings)
    }
}
