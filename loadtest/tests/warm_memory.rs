//! The program that touches memory before a comparison, as a process of its own.

use std::process::{Command, ExitStatus, Stdio};

fn warm(bytes: &str) -> ExitStatus {
    let mut program = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    program.args(["warm-memory", bytes]).stdin(Stdio::null()).stderr(Stdio::null());
    program.status().expect("the program under test")
}

#[test]
fn memory_is_touched_and_the_program_ends() {
    assert!(warm("16777216").success());
    assert!(warm("0").success());
}

#[test]
fn more_memory_than_there_is_and_nonsense_are_refused() {
    assert_eq!(warm("18446744073709551615").code(), Some(1));
    assert_eq!(warm("many").code(), Some(2));
}
