//! The machine that the numbers were measured on.

use std::{fs, process::Command, thread};

/// The machine, its load before the run, the date, and the compiler.
pub(crate) fn describe() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let (day, compiler) = (said("date", "+%F"), said("rustc", "--version"));
    format!("{day} with {cores} cores ({model}), load {load} before it began; {compiler}")
}

/// The file system of a directory.
pub(crate) fn file_system(directory: &str) -> String {
    let output = Command::new("stat").args(["--file-system", "--format=%T", directory]).output();
    output.map_or_else(|_| "an unknown kind".to_owned(), |output| text(&output.stdout))
}

fn said(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    output.map_or_else(|_| format!("no {program}"), |output| text(&output.stdout))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}
