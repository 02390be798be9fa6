//! The arguments of `holdfast journal`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Exit, Failure, SettingFlags};
use crate::commands::journal::{self, restore::Moment, tail::Wanted};
use crate::config::{Retain, Settings};

#[derive(Debug, Subcommand)]
pub(super) enum JournalCommand {
    /// Tells how much is in the journal and how far back it reaches.
    #[command(before_help = "Example: holdfast journal stat --data-dir ./data --json")]
    Stat(FolderArgs),
    /// Proves frames, chain, checkpoints and invariants of a stopped folder; of a running server, verify a backup.
    #[command(before_help = "Example: holdfast journal verify --data-dir ./backup")]
    Verify(FolderArgs),
    /// Shows what happened, an event a line, the newest last.
    #[command(before_help = "Examples: holdfast journal tail -f --type 'order.*'\n          \
                             holdfast journal tail -n 20 --sku MUG-RED --json")]
    Tail(TailArgs),
    /// Makes a checkpoint now, so that the next start is quick.
    #[command(before_help = "Example: holdfast journal checkpoint")]
    Checkpoint(FolderArgs),
    /// Removes the past that need not be kept: frames before the oldest checkpoint that is needed, and older files.
    #[command(before_help = "Examples: holdfast journal trim --retain 7d --dry-run\n          \
                             holdfast journal trim --retain 20GB")]
    Trim(TrimArgs),
    /// Copies all of it into a new folder while the server goes on, and verifies the copy.
    #[command(before_help = "Example: holdfast journal backup --into /backups/2026-11-21")]
    Backup(BackupArgs),
    /// Rebuilds a folder as it was at a moment, into a new one; the source stays as it is.
    #[command(
        before_help = "Examples: holdfast journal restore --to-time 2026-11-21T12:00:00Z --into ./restored\n          \
                             holdfast journal restore --to-position AAMAAAAAAAAALA --from /backups/a --into ./restored"
    )]
    Restore(RestoreArgs),
    /// Writes the whole journal as lines of JSON; a file for its owner alone, as hashes of passwords are in it.
    #[command(before_help = "Examples: holdfast journal export --out journal.jsonl\n          \
                             holdfast journal export | zstd > journal.jsonl.zst")]
    Export(ExportArgs),
    /// Makes a new data folder of an export: the same journal, to the bit.
    #[command(before_help = "Examples: holdfast journal import journal.jsonl --into ./imported\n          \
                             zstd -dc journal.jsonl.zst | holdfast journal import --into ./imported")]
    Import(ImportArgs),
    /// Cuts a damaged end off, after saying exactly what goes; keeps what it cut aside.
    #[command(before_help = "Example: holdfast journal repair --data-dir ./data")]
    Repair(RepairArgs),
}

/// Which folder, and how to answer.
#[derive(Debug, Args)]
pub(super) struct FolderArgs {
    /// Read settings from this TOML file.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The data folder [env: HOLDFAST_DATA_DIR] [default: ./data].
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// Go on with what happens, until the server stops.
    #[arg(short, long)]
    follow: bool,
    /// Show the last COUNT events [default: 10; all when --from is given].
    #[arg(short = 'n', long, value_name = "COUNT")]
    count: Option<usize>,
    /// Begin behind this place, a token as `Journal-Position` tells it.
    #[arg(long, value_name = "POSITION")]
    from: Option<String>,
    /// Show only events of this type; `*` stands for anything: order.*, *.expired.
    #[arg(long = "type", value_name = "GLOB")]
    types: Option<String>,
    /// Show only what is about this sku.
    #[arg(long, value_name = "SKU")]
    sku: Option<String>,
    /// Colour the lines; NO_COLOR is honoured.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    color: ColorFlag,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ColorFlag {
    /// On a terminal.
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

#[derive(Debug, Args)]
pub(super) struct TrimArgs {
    /// Keep so much of the past: an age (7d, 12h), a size (20GB) or `all` [env: HOLDFAST_RETAIN] [default: 7d].
    #[arg(long, value_name = "AGE|SIZE", value_parser = known_retain)]
    retain: Option<String>,
    /// Only say what would go.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The folder to make; there must be nothing yet.
    #[arg(long, value_name = "NEWDIR")]
    into: PathBuf,
    /// Do not verify the copy.
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Debug, Args)]
#[group(id = "moment", required = true, multiple = false, args = ["to_position", "to_time"])]
pub(super) struct RestoreArgs {
    /// As of this place, a token as `Journal-Position` tells it; its record is the last.
    #[arg(long, value_name = "POSITION")]
    to_position: Option<String>,
    /// As of this moment (RFC 3339): what happened after it is left out.
    #[arg(long, value_name = "TIME")]
    to_time: Option<jiff::Timestamp>,
    /// A backup or a data folder to take it from [default: the data folder].
    #[arg(long, value_name = "DIR", conflicts_with = "data_dir")]
    from: Option<PathBuf>,
    /// The folder to make; there must be nothing yet.
    #[arg(long, value_name = "NEWDIR")]
    into: PathBuf,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The file to make; there must be nothing yet [default: stdout].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Read settings from this TOML file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder [env: HOLDFAST_DATA_DIR] [default: ./data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The export [default: stdin].
    #[arg(value_name = "FILE")]
    from: Option<PathBuf>,
    /// The folder to make; there must be nothing yet.
    #[arg(long, value_name = "NEWDIR")]
    into: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RepairArgs {
    /// Cut without asking.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

impl JournalCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Stat(folder) => journal::stat::run(&folder.settings()?, folder.json),
            Self::Verify(folder) => journal::verify::run(&folder.settings()?, folder.json),
            Self::Tail(args) => {
                let (settings, as_json) = (args.folder.settings()?, args.folder.json);
                let is_coloured = args.color.is_yes();
                journal::tail::run(&settings, &args.wanted()?, as_json, is_coloured)
            }
            Self::Checkpoint(folder) => journal::checkpoint::run(&folder.settings()?, folder.json),
            Self::Trim(TrimArgs { retain, dry_run, folder }) => {
                journal::trim::run(&folder.settings()?, retain.as_deref(), dry_run, folder.json)
            }
            Self::Backup(BackupArgs { into, no_verify, folder }) => {
                journal::backup::run(&folder.settings()?, &into, !no_verify, folder.json)
            }
            Self::Restore(args) => {
                let moment = args.moment()?;
                let RestoreArgs { from, into, mut folder, .. } = args;
                folder.data_dir = from.or(folder.data_dir);
                journal::restore::run(&folder.settings()?, moment, &into, folder.json)
            }
            Self::Export(ExportArgs { out, config, data_dir }) => {
                let settings = SettingFlags::of(config, data_dir).load()?.settings;
                journal::export::run(&settings, out.as_deref())
            }
            Self::Import(ImportArgs { from, into, json }) => {
                journal::import::run(from.as_deref(), &into, json)
            }
            Self::Repair(RepairArgs { yes, folder }) => {
                journal::repair::run(&folder.settings()?, yes, folder.json)
            }
        }
    }
}

fn known_retain(text: &str) -> Result<String, String> {
    Retain::parse(text).map(|_| text.to_owned())
}

impl FolderArgs {
    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        Ok(SettingFlags::of(self.config.clone(), self.data_dir.clone()).load()?.settings)
    }
}

impl TailArgs {
    fn wanted(self) -> Result<Wanted, Failure> {
        let Self { follow, count, from, types, sku, .. } = self;
        if let Some(from) = &from {
            journal::position(from)?;
        }
        Ok(Wanted { follow, count, from, types, sku })
    }
}

impl RestoreArgs {
    fn moment(&self) -> Result<Moment, Failure> {
        if let Some(token) = &self.to_position {
            return Ok(Moment::Position(journal::position(token)?));
        }
        let time = self.to_time.expect("clap asks for one of the two").as_millisecond();
        let ms = u64::try_from(time).map_err(|_| {
            Failure::new(Exit::Usage, anyhow::anyhow!("nothing can be restored to a time before 1970"))
        })?;
        Ok(Moment::Time(ms))
    }
}

impl ColorFlag {
    fn is_yes(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let is_off = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !is_off && std::io::IsTerminal::is_terminal(&std::io::stdout())
            }
        }
    }
}
