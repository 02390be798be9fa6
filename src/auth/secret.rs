//! The server's secret: where it comes from, and how it is replaced without logging anybody out.
//!
//! From `JWT_SECRET`, or from a file in the data folder, made there if need be. Of the file the first line signs; the
//! others, like those of `JWT_SECRET_PREVIOUS`, are still believed.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

/// The shortest signing secret: as long as the hash it keys.
pub const SECRET_BYTES_MIN: usize = 32;

/// How many earlier secrets are believed at the most.
pub const PREVIOUS_COUNT_MAX: usize = 4;

/// The file in the data folder that keeps secrets made by the server.
pub const SECRET_FILE: &str = "jwt.key";

/// The secret that signs, and earlier ones that are still believed.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Signs.
    pub current: SecretString,
    /// Newest first.
    pub previous: Vec<SecretString>,
}

/// Why there is no signing secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A secret that can be guessed signs anything.
    #[error("the signing secret from {origin} has {bytes} bytes; it needs at least {SECRET_BYTES_MIN}")]
    TooShort {
        /// Where it came from.
        origin: String,
        /// How long it is.
        bytes: usize,
    },
    /// More earlier secrets than anybody needs.
    #[error("{origin} has {count} earlier secrets; at most {PREVIOUS_COUNT_MAX} are believed")]
    TooMany {
        /// Where they came from.
        origin: String,
        /// How many there are.
        count: usize,
    },
    /// Others can read the file.
    #[error("{} can be read by others (mode {mode:04o}): chmod 600 it, or delete it to end all sessions", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The disk says no.
    #[error("keep the signing secret in {}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Secrets {
    /// One secret and no earlier ones.
    pub fn only(current: SecretString) -> Self {
        Self { current, previous: Vec::new() }
    }

    /// The one that signs, then the earlier ones.
    pub fn all(&self) -> impl Iterator<Item = &SecretString> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

/// The secrets: the configured one, else those in the data folder, made there if need be; and the earlier ones that
/// are configured, separated by commas.
///
/// # Errors
///
/// [`SecretError`], which is fit to be shown to the operator.
pub fn load(
    configured: Option<&SecretString>,
    previous: Option<&SecretString>,
    data_dir: &Path,
) -> Result<Secrets, SecretError> {
    let mut secrets = match configured {
        Some(secret) => Secrets::only(long_enough(secret.clone(), || "JWT_SECRET".to_owned())?),
        None => read_or_make(data_dir)?,
    };
    if let Some(list) = previous {
        secrets.previous.extend(parse_previous(list)?);
    }
    Ok(secrets)
}

/// The earlier secrets of a list separated by commas.
///
/// # Errors
///
/// [`SecretError::TooShort`], [`SecretError::TooMany`].
pub fn parse_previous(list: &SecretString) -> Result<Vec<SecretString>, SecretError> {
    let origin = || "JWT_SECRET_PREVIOUS".to_owned();
    let parts = list.expose_secret().split(',').map(str::trim).filter(|part| !part.is_empty());
    let secrets: Vec<SecretString> =
        parts.map(|part| long_enough(part.to_owned().into(), origin)).collect::<Result<_, _>>()?;
    not_too_many(secrets, origin)
}

/// Puts a new secret before those of the file, which are believed from now on; the oldest is dropped where there are
/// too many.
///
/// # Errors
///
/// [`SecretError`]; the file is as it was then.
pub fn rotate(data_dir: &Path) -> Result<Secrets, SecretError> {
    let before = read_or_make(data_dir)?;
    let previous: Vec<SecretString> = before.all().take(PREVIOUS_COUNT_MAX).cloned().collect();
    let secrets = Secrets { current: make_secret(), previous };
    keep(data_dir, &secrets)?;
    Ok(secrets)
}

fn read_or_make(data_dir: &Path) -> Result<Secrets, SecretError> {
    let path = data_dir.join(SECRET_FILE);
    let disk = |source| SecretError::Disk { path: path.clone(), source };
    match fs::metadata(&path) {
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(SecretError::Exposed { path, mode });
            }
            parse_file(&fs::read_to_string(&path).map_err(disk)?, &path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secrets = Secrets::only(make_secret());
            keep(data_dir, &secrets)?;
            Ok(secrets)
        }
        Err(error) => Err(disk(error)),
    }
}

fn parse_file(text: &str, path: &Path) -> Result<Secrets, SecretError> {
    let origin = || path.display().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut next = || lines.next().map(|line| long_enough(line.to_owned().into(), origin));
    let current = next().unwrap_or(Err(SecretError::TooShort { origin: origin(), bytes: 0 }))?;
    let previous = std::iter::from_fn(next).collect::<Result<_, _>>()?;
    Ok(Secrets { current, previous: not_too_many(previous, origin)? })
}

fn not_too_many(
    secrets: Vec<SecretString>,
    origin: impl Fn() -> String,
) -> Result<Vec<SecretString>, SecretError> {
    match secrets.len() {
        0..=PREVIOUS_COUNT_MAX => Ok(secrets),
        count => Err(SecretError::TooMany { origin: origin(), count }),
    }
}

fn long_enough(secret: SecretString, origin: impl Fn() -> String) -> Result<SecretString, SecretError> {
    let bytes = secret.expose_secret().len();
    if bytes < SECRET_BYTES_MIN {
        return Err(SecretError::TooShort { origin: origin(), bytes });
    }
    Ok(secret)
}

fn make_secret() -> SecretString {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    blake3::Hash::from_bytes(bytes).to_hex().to_string().into()
}

/// Written aside and renamed: a crash leaves either the file as it was or the whole new one.
fn keep(data_dir: &Path, secrets: &Secrets) -> Result<(), SecretError> {
    let path = data_dir.join(SECRET_FILE);
    let write = || -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(data_dir)?;
        let aside = path.with_extension("key.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        // A file left by a crash keeps the mode it had.
        file.set_permissions(Permissions::from_mode(0o600))?;
        for secret in secrets.all() {
            file.write_all(secret.expose_secret().as_bytes())?;
            file.write_all(b"\n")?;
        }
        file.sync_all()?;
        fs::rename(&aside, &path)?;
        File::open(data_dir)?.sync_all()
    };
    write().map_err(|source| SecretError::Disk { path: path.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(secrets: &Secrets) -> Vec<&str> {
        secrets.all().map(ExposeSecret::expose_secret).collect()
    }

    #[test]
    fn short_configured_secret_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = load(Some(&"short".into()), None, folder.path()).unwrap_err();
        assert_eq!(error.to_string(), "the signing secret from JWT_SECRET has 5 bytes; it needs at least 32");
        let long = SecretString::from("x".repeat(40));
        let error = load(Some(&long), Some(&"short".into()), folder.path()).unwrap_err();
        assert!(error.to_string().contains("JWT_SECRET_PREVIOUS"), "{error}");
    }

    #[test]
    fn earlier_secrets_are_believed_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let (new, list) = ("n".repeat(40), format!("{}, {},", "a".repeat(40), "b".repeat(40)));
        let secrets = load(Some(&new.clone().into()), Some(&list.into()), folder.path()).unwrap();
        assert_eq!(exposed(&secrets), [new, "a".repeat(40), "b".repeat(40)]);
        let many = vec!["a".repeat(40); PREVIOUS_COUNT_MAX + 1].join(",");
        let error = parse_previous(&many.into()).unwrap_err();
        assert!(matches!(error, SecretError::TooMany { count: 5, .. }), "{error}");
    }

    #[test]
    fn made_secret_is_kept_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let load = || load(None, None, &data_dir);
        let first = load().unwrap();
        let path = data_dir.join(SECRET_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(exposed(&load().unwrap()), exposed(&first));
        assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 1, "nothing else is left behind");

        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load(), Err(SecretError::Exposed { mode: 0o640, .. })));

        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        for (text, bytes) in [("short\n", 5), ("", 0)] {
            fs::write(&path, text).unwrap();
            let refused = load();
            assert!(matches!(refused, Err(SecretError::TooShort { bytes: found, .. }) if found == bytes));
        }
    }

    #[test]
    fn rotation_puts_a_new_secret_first_and_drops_the_oldest() {
        let folder = tempfile::tempdir().unwrap();
        let mut known = vec![load(None, None, folder.path()).unwrap().current];
        for _ in 0..PREVIOUS_COUNT_MAX + 2 {
            known.insert(0, rotate(folder.path()).unwrap().current);
        }
        let kept = load(None, None, folder.path()).unwrap();
        let newest: Vec<_> = known.iter().take(PREVIOUS_COUNT_MAX + 1).map(|it| it.expose_secret()).collect();
        assert_eq!(exposed(&kept), newest);
        let mode = fs::metadata(folder.path().join(SECRET_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
