use std::{path::Path, process::Command};

/// Loads a server with requests of all tokens in turn, from one thread on the second core. Returns
/// the requests per second.
pub(super) fn load(address: &str, tokens: &Path, seconds: u32) -> f64 {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "1", "wrk", "--threads", "1"]);
    command.args(["--connections", &CONNECTIONS.to_string(), "--duration", &format!("{seconds}s")]);
    command.args(["--script", SCRIPT, &format!("http://{address}"), "--"]).arg(tokens);
    let output = command.output().expect("`taskset` of util-linux is installed");
    assert!(output.status.success(), "`wrk` fails: is it installed? {}", String::from_utf8_lossy(&output.stderr));
    let output = String::from_utf8(output.stdout).expect("wrk prints text");
    let line = output.lines().find_map(|line| line.strip_prefix("requests, microseconds, errors: "));
    let numbers: Vec<f64> =
        line.expect("the script's last line").split(' ').map(|text| text.parse().expect("a number")).collect();
    let [requests, microseconds, errors] = numbers[..] else { panic!("three numbers") };
    assert!(errors == 0.0, "{errors} of {requests} requests failed");
    requests / microseconds * 1e6
}

pub(super) const CONNECTIONS: usize = 32;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/tokens.lua");
