//! PgBouncer in front of a test's PostgreSQL.

use std::{fs, net::Ipv4Addr, path::PathBuf, process::Command};

use tempfile::TempDir;

use super::{
    POLL, PORT_TAKEN, Process, Slot, Wait, administrators_program, free_port, not_installed,
    postgres::{PostgresServer, as_user, own, place},
};

fn program() -> PathBuf {
    administrators_program("pgbouncer").unwrap_or_else(|| not_installed("PgBouncer"))
}

/// A PgBouncer that accepts any user.
pub struct PgBouncer {
    port: u16,
    process: Slot,
    directory: TempDir,
}

impl PgBouncer {
    /// Starts one with these settings: `["pool_mode=transaction", "default_pool_size=1"]`.
    pub async fn before(server: &PostgresServer, settings: &[&str]) -> Self {
        Self::before_as(server, "app", settings).await
    }

    /// Starts one that connects as this user.
    pub async fn before_as(server: &PostgresServer, user: &str, settings: &[&str]) -> Self {
        let wait = Wait::until("started");
        loop {
            let (port, directory) = (free_port(), place());
            let file = directory.path().join(SETTINGS);
            let text = format!(
                "[databases]\n* = host=127.0.0.1 port={} user={user}\n\
                 [pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\nunix_socket_dir=\nauth_type=any\n{}\n",
                server.port(),
                settings.join("\n")
            );
            fs::write(&file, text).unwrap();
            own(&file);
            match run(&directory).await {
                Ok(process) => return Self { port, process: Slot::new(process), directory },
                Err(log) => wait.a_moment_if(&[PORT_TAKEN], &log).await,
            }
        }
    }

    /// Starts it again whenever it exits, as its service manager would. Never returns.
    ///
    /// PgBouncer 1.18 exits when a client that cancels a statement disconnects at the wrong moment
    /// (its issue 801).
    pub async fn supervise(&self) {
        loop {
            if !self.process.is_running() {
                match run(&self.directory).await {
                    Ok(process) => self.process.put(process),
                    Err(log) => Wait::until("started again").a_moment_if(&[PORT_TAKEN], &log).await,
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }

    pub fn url(&self) -> String {
        format!("postgres://app@{}:{}/app", Ipv4Addr::LOCALHOST, self.port)
    }
}

const SETTINGS: &str = "pgbouncer.ini";

async fn run(directory: &TempDir) -> Result<Process, String> {
    let mut command = Command::new(program());
    command.arg(directory.path().join(SETTINGS)).current_dir(directory.path());
    as_user(&mut command);
    Process::start(command, directory, "process up").await
}
