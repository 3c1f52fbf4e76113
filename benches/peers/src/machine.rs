use std::{fs, process::Command, thread};

use serde::{Deserialize, Serialize};

/// The machine and the time of a measurement.
#[derive(Deserialize, Serialize)]
pub(crate) struct Origin {
    pub(crate) date: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    /// The load of the machine before the run.
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

/// The output of a program.
pub(crate) fn said(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let first = output.map(|output| String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned));
    first.ok().flatten().unwrap_or_else(|| format!("no {program}"))
}
