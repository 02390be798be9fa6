//! What is in a folder, file by file.

use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

/// What is in a file; told by its length and a hash.
#[derive(PartialEq, Eq)]
pub(crate) struct Content(Vec<u8>);

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        write!(f, "{} bytes, {:016x}", self.0.len(), hasher.finish())
    }
}

/// The files of a folder and its subfolders by name, but for sockets and the lock, which says who looked last.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it is a folder") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() && !path.ends_with("LOCK") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The same with what is in them.
pub(crate) fn contents(folder: &Path) -> Vec<(PathBuf, Content)> {
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).expect("it can be read");
        (path, Content(bytes))
    };
    files(folder).into_iter().map(read).collect()
}

/// Copies them.
pub(crate) fn copy(source: &Path, target: &Path) {
    for path in files(source) {
        let copied = target.join(path.strip_prefix(source).expect("it is within"));
        fs::create_dir_all(copied.parent().expect("it is in a folder")).expect("it can be made");
        fs::copy(&path, copied).expect("it can be copied");
    }
}
