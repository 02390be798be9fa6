//! The data folder: one process at a time, private, and free again when its holder is gone.

use std::os::unix::fs::PermissionsExt;

use holdfast_persistence::{Error, Folder};

#[test]
fn second_opener_is_told_who_holds_the_folder() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let path = parent.path().join("data");
    let folder = Folder::open(&path).expect("it is free");
    let error = Folder::open(&path).expect_err("it is held");
    let text = error.to_string();
    assert!(matches!(error, Error::Locked { .. }), "{text}");
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    assert!(text.contains("persistence"), "names the program: {text}");
    drop(folder);
    Folder::open(&path).expect("it is free again");
}

#[test]
fn folder_stays_held_while_a_clone_lives() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::open(parent.path()).expect("it is free");
    let clone = folder.clone();
    drop(folder);
    assert!(matches!(Folder::open(parent.path()), Err(Error::Locked { .. })));
    drop(clone);
    Folder::open(parent.path()).expect("it is free again");
}

#[test]
fn created_folders_are_for_their_user_alone() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let path = parent.path().join("a/b/c");
    Folder::open(&path).expect("all of the path can be created");
    for created in ["a", "a/b", "a/b/c"] {
        let metadata = std::fs::metadata(parent.path().join(created)).expect("it was created");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o700, "{created}");
    }
}

#[test]
fn file_in_the_way_is_named() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let path = parent.path().join("file");
    std::fs::write(&path, "in the way").expect("the folder is writable");
    let error = Folder::open(path.join("data")).expect_err("a file is no folder");
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(error.to_string().contains("file"), "{error}");
}
