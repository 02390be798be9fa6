//! The command line: which commands there are, what they take, and how they end.
//!
//! Owns flags and exit codes; the work is in [`crate::commands`]. Data goes to stdout, talk to stderr.

mod admin;
mod journal;
mod mail;
mod settings;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::commands;
use crate::config;

use self::settings::SettingFlags;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// It did not work.
    Failure = 1,
    /// It was asked for wrongly.
    Usage = 2,
    /// What it was asked about is not there.
    NotFound = 3,
    /// What it checked is not sound.
    VerificationFailed = 4,
    /// Another process holds the data folder.
    Locked = 5,
}

impl Exit {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::VerificationFailed => 4,
            Self::Locked => 5,
        }
    }

    /// What a number that another process gave means; one that we never give is a failure.
    pub const fn of(code: u8) -> Self {
        match code {
            0 => Self::Ok,
            2 => Self::Usage,
            3 => Self::NotFound,
            4 => Self::VerificationFailed,
            5 => Self::Locked,
            _ => Self::Failure,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command failed, and the exit code that says so.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What to print.
    pub error: anyhow::Error,
}

impl Failure {
    /// Ends with `exit` because of `error`.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Failure, error)
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self::new(Exit::Usage, error)
    }
}

/// An in-memory inventory server: never oversold, journaled before answered.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, arg_required_else_help = true)]
#[command(before_help = "Example: holdfast serve --listen 127.0.0.1:3000 --data-dir ./data")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server.
    Serve(SettingFlags),
    /// Sends queued mails; needs Redis. Several may run.
    Worker(WorkerArgs),
    /// Looks into the journal, keeps it small, copies it, brings it back to a moment.
    #[command(subcommand)]
    Journal(Box<journal::JournalCommand>),
    /// Makes and lists accounts, and replaces the signing key.
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Looks into the queue of mails, and retries dead ones.
    #[command(subcommand)]
    Mail(mail::MailCommand),
    /// Asks a running server whether it is ready.
    Health(HealthArgs),
    /// Shows the settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Prints the OpenAPI document of the HTTP API.
    Openapi,
    /// Prints the completions of a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Prints the effective settings and where each comes from, secrets hidden.
    Show {
        #[command(flatten)]
        settings: SettingFlags,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct WorkerArgs {
    #[command(flatten)]
    settings: SettingFlags,
    /// What this worker is called; no two may have one name [default: host, process id and chance].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Tell whether a worker of this machine, or the one called NAME, is alive; for container health checks.
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Args)]
struct HealthArgs {
    /// Read settings from this TOML file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The server's address, such as http://127.0.0.1:3000 [default: where it is set to listen].
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Print the server's whole answer as JSON.
    #[arg(long)]
    json: bool,
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    ///
    /// [`Failure`] with the exit code to end with.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Serve(flags) => commands::serve::run(flags.load()?.settings),
            Command::Worker(WorkerArgs { check: true, name, .. }) => commands::worker::check(name.as_deref()),
            Command::Worker(args) => commands::worker::run(&args.settings.load()?.settings, args.name),
            Command::Journal(command) => command.run(),
            Command::Admin(command) => command.run(),
            Command::Mail(command) => command.run(),
            Command::Health(args) => {
                let url = match args.url {
                    Some(url) => url,
                    None => {
                        let flags = SettingFlags::of(args.config, None);
                        commands::health::url_of(flags.load()?.settings.listen)
                    }
                };
                commands::health::run(&url, args.json)
            }
            Command::Config(ConfigCommand::Show { settings, json }) => {
                commands::config::show(&settings.load()?, json)
            }
            Command::Openapi => commands::openapi::run(),
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut Self::command(), "holdfast", &mut io::stdout());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    fn refused(line: &str) -> ErrorKind {
        parse(line).expect_err(line).kind()
    }

    #[test]
    fn definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_contract_is_understood() {
        for line in [
            "holdfast serve",
            "holdfast serve --listen 127.0.0.1:0 --data-dir d --redis-url r --smtp-url s --shards 2 --demo",
            "holdfast serve --config f --workers 2 --log-format json --disk-reserve-bytes 1 --secure-cookies",
            "holdfast serve --rate-limit-per-second 0 --rate-limit-burst 1 --max-connections 9",
            "holdfast serve --auth-rate-limit-per-second 0 --auth-rate-limit-burst 1",
            "holdfast serve --trusted-proxies 10.0.0.0/8,::1 --cors-origins https://a.example",
            "holdfast worker --redis-url r --smtp-url s --mail-concurrency 2 --name w",
            "holdfast worker --check --name w",
            "holdfast journal stat --json --data-dir d",
            "holdfast journal verify",
            "holdfast journal export --out f --data-dir d --config c",
            "holdfast journal import f --into d --json",
            "holdfast journal import --into d",
            "holdfast journal tail -f -n 3 --from AA --type order.* --sku MUG --color never --json",
            "holdfast journal checkpoint --json",
            "holdfast journal trim --retain 7d --dry-run",
            "holdfast journal trim --retain 20GB --json --data-dir d",
            "holdfast journal backup --into d --no-verify --json",
            "holdfast journal restore --to-position AA --into d",
            "holdfast journal restore --to-time 2026-11-21T12:00:00Z --from b --into d --json",
            "holdfast journal repair --yes --json",
            "holdfast health --url http://127.0.0.1:3000 --json",
            "holdfast admin create-user --email a@b.test --role admin --tier gold --name Ada --json --data-dir d",
            "holdfast admin list-users --json",
            "holdfast admin rotate-key --config f",
            "holdfast mail stat --json --data-dir d",
            "holdfast mail dead --count 3 --json",
            "holdfast mail retry a b",
            "holdfast mail retry --all --config f",
            "holdfast mail drop a b",
            "holdfast config show --json --shards 3",
            "holdfast openapi",
            "holdfast completions bash",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_a_usage_error() {
        assert_eq!(refused("holdfast serve --lisen 1"), ErrorKind::UnknownArgument);
        assert_eq!(refused("holdfast serf"), ErrorKind::InvalidSubcommand);
        assert_eq!(refused("holdfast serve --listen 3000"), ErrorKind::ValueValidation);
        assert_eq!(refused("holdfast serve --shards many"), ErrorKind::ValueValidation);
        assert_eq!(refused("holdfast serve --jwt-secret x"), ErrorKind::UnknownArgument);
        assert_eq!(
            refused("holdfast admin create-user --email a@b.test --role owner"),
            ErrorKind::InvalidValue
        );
        assert_eq!(refused("holdfast mail retry"), ErrorKind::MissingRequiredArgument);
        assert_eq!(refused("holdfast mail retry a --all"), ErrorKind::ArgumentConflict);
        assert_eq!(refused("holdfast journal restore --to-time noon --into d"), ErrorKind::ValueValidation);
        assert_eq!(refused("holdfast journal restore --into d"), ErrorKind::MissingRequiredArgument);
        assert_eq!(refused("holdfast journal restore --to-position AA"), ErrorKind::MissingRequiredArgument);
        let both = "holdfast journal restore --to-position AA --to-time 2026-11-21T12:00:00Z --into d";
        assert_eq!(refused(both), ErrorKind::ArgumentConflict);
        assert_eq!(refused("holdfast journal trim --retain ever"), ErrorKind::ValueValidation);
        assert_eq!(refused("holdfast completions cobol"), ErrorKind::InvalidValue);
        assert_eq!(refused("holdfast --help"), ErrorKind::DisplayHelp);
        assert_eq!(refused("holdfast --version"), ErrorKind::DisplayVersion);
    }

    #[test]
    fn only_flags_that_were_given_count() {
        let Cli { command: Command::Serve(flags) } = parse("holdfast serve --shards 2 --demo").unwrap()
        else {
            panic!("serve is serve");
        };
        let given = flags.given().unwrap();
        assert_eq!(given, BTreeMap::from([("shards", "2".to_owned()), ("demo", "true".to_owned())]));
    }
}
