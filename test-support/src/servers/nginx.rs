//! nginx, as the proxy in front of a service.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{PORT_TAKEN, Process, Wait, administrators_program, free_port, log_of, new_directory, not_installed, tail};

fn program() -> PathBuf {
    administrators_program("nginx").unwrap_or_else(|| not_installed("nginx"))
}

/// An nginx for a test.
pub struct NginxServer {
    port: u16,
    _process: Process,
    directory: TempDir,
}

impl NginxServer {
    /// Starts an nginx with these directives in its only `server` block, and waits until it
    /// listens.
    pub async fn start(directives: &str) -> Self {
        let directory = new_directory();
        let wait = Wait::until("started");
        loop {
            let port = free_port();
            fs::write(directory.path().join(CONFIGURATION), configuration(port, directives)).unwrap();
            match Process::start(command(directory.path()), &directory, READY).await {
                Ok(process) => return Self { port, _process: process, directory },
                Err(log) => wait.a_moment_if(&[PORT_TAKEN], &log).await,
            }
        }
    }

    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr())
    }

    /// The last lines of its log.
    pub fn log(&self) -> String {
        tail(&fs::read_to_string(log_of(&self.directory)).unwrap())
    }
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new(program());
    command.arg("-p").arg(directory).args(["-c", CONFIGURATION, "-e", "stderr"]);
    command
}

/// One process, run as the current user and in the foreground, which writes to its directory only.
fn configuration(port: u16, directives: &str) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|name| format!("{name}_temp_path {name};\n")).concat();
    format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr notice;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}server {{\nlisten 127.0.0.1:{port};\n{directives}\n}}\n}}\n"
    )
}

const CONFIGURATION: &str = "nginx.conf";

/// The log message once it listens.
const READY: &str = "event method";
