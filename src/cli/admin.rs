//! The arguments of `holdfast admin`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Failure, SettingFlags};
use crate::commands::admin::{self, Wanted};
use crate::http::prices::TierWord;
use crate::http::users::RoleWord;

#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// Makes an account; the password comes from the terminal, or from one line of standard input.
    CreateUser {
        /// Where mail goes.
        #[arg(long)]
        email: String,
        /// What they may do.
        #[arg(long, value_enum)]
        role: RoleFlag,
        /// Their standing, for prices.
        #[arg(long, value_enum, default_value = "standard")]
        tier: TierFlag,
        /// As they want to be called.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        folder: FolderArgs,
    },
    /// Lists the accounts, newest first.
    ListUsers(FolderArgs),
    /// Has a new key sign access tokens; what earlier ones signed is still believed.
    RotateKey(FolderArgs),
}

#[derive(Debug, Args)]
pub(super) struct FolderArgs {
    /// Read settings from this TOML file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder [env: HOLDFAST_DATA_DIR] [default: ./data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum RoleFlag {
    /// Runs the shop.
    Admin,
    /// Buys.
    Customer,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum TierFlag {
    /// Everybody.
    Standard,
    /// Better.
    Silver,
    /// Best.
    Gold,
}

impl AdminCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::CreateUser { email, role, tier, name, folder } => {
                let wanted = Wanted { email, name, role: role.into(), tier: tier.into() };
                admin::create_user(&folder.settings()?, wanted, folder.json)
            }
            Self::ListUsers(folder) => admin::list_users(&folder.settings()?, folder.json),
            Self::RotateKey(folder) => admin::rotate_key(&folder.settings()?, folder.json),
        }
    }
}

impl FolderArgs {
    fn settings(&self) -> Result<crate::config::Settings, Failure> {
        let flags = SettingFlags::of(self.config.clone(), self.data_dir.clone());
        Ok(flags.load()?.settings)
    }
}

impl From<RoleFlag> for RoleWord {
    fn from(flag: RoleFlag) -> Self {
        match flag {
            RoleFlag::Admin => Self::Admin,
            RoleFlag::Customer => Self::Customer,
        }
    }
}

impl From<TierFlag> for TierWord {
    fn from(flag: TierFlag) -> Self {
        match flag {
            TierFlag::Standard => Self::Standard,
            TierFlag::Silver => Self::Silver,
            TierFlag::Gold => Self::Gold,
        }
    }
}
