use std::{fs, process::Command, thread};

use serde::{Deserialize, Serialize};

/// Where and when numbers were measured.
#[derive(Deserialize, Serialize)]
pub(crate) struct Origin {
    pub(crate) date: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    /// How busy the machine was before.
    pub(crate) load: String,
    pub(crate) compiler: String,
}

impl Origin {
    pub(crate) fn of_this_run() -> Self {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            date: said("date", "+%F"),
            processor: model.map_or("an unknown processor", |(_, model)| model).to_owned(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            compiler: said("rustc", "--version"),
        }
    }
}

/// What a program says of itself.
pub(crate) fn said(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let first = output.map(|output| String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned));
    first.ok().flatten().unwrap_or_else(|| format!("no {program}"))
}
