use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use crate::server::{Kind, wrk};

/// A server in its own process, on the first core.
pub(super) struct Process {
    child: Child,
    address: String,
}

/// The result of one load.
pub(super) struct Run {
    /// Requests per second.
    pub(super) rate: f64,
    /// The share of the time in which the server's only thread was running.
    pub(super) busy: f64,
}

impl Process {
    pub(super) fn start(kind: Kind) -> Self {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", "0"]).arg(env::current_exe().expect("this program is a file"));
        command.args(["serve", kind.argument()]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("`taskset` of util-linux is installed");
        let mut address = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut address).expect("it says its address");
        Self { child, address: address.trim().to_owned() }
    }

    /// The status of its response to a request with this header.
    pub(super) fn status(&self, header: &str) -> u16 {
        let mut connection = TcpStream::connect(&self.address).expect("it listens");
        let request = format!("GET /api/v1/me HTTP/1.1\r\nhost: localhost\r\n{header}connection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("it answers");
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("HTTP")
    }

    pub(super) fn load(&self, tokens: &Path, seconds: u32) -> Run {
        let (ran, start) = (self.ran(), Instant::now());
        let rate = wrk::load(&self.address, tokens, seconds);
        Run { rate, busy: (self.ran() - ran) / start.elapsed().as_secs_f64() }
    }

    /// How long its thread has been running, in seconds.
    fn ran(&self) -> f64 {
        let statistics = fs::read_to_string(format!("/proc/{}/schedstat", self.child.id())).expect("it is running");
        let nanoseconds: f64 = statistics.split(' ').next().and_then(|field| field.parse().ok()).expect("a number");
        nanoseconds / 1e9
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
