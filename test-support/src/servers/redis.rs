//! Redis: a single server, with replicas, with Sentinels, and as a cluster.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Command,
};

use tempfile::TempDir;

use super::{
    NOT_YET_GONE, PORT_TAKEN, Process, Slot, Wait,
    engines::{RedisEngine, redis_cli},
    free_port, log_of, new_directory, output, tail, try_output,
};

/// How a Redis is started.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    pub engine: RedisEngine,
    /// Syncs every write to the disk before its reply. Otherwise nothing is persisted.
    pub persist: bool,
    /// The password of all clients, replicas included.
    pub password: Option<String>,
    /// Makes the server accept TLS connections only.
    pub tls: Option<RedisTls>,
    /// Further arguments, which take precedence over the tests' own: `["--maxmemory-policy",
    /// "allkeys-lru"]`.
    pub extra: Vec<String>,
}

/// The PEM files of a server with TLS.
#[derive(Clone, Debug)]
pub struct RedisTls {
    /// The certificate's authority.
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A Redis for a test.
pub struct RedisServer {
    options: RedisOptions,
    /// For a Sentinel: what it monitors.
    sentinel: Option<String>,
    port: u16,
    process: Slot,
    directory: TempDir,
}

impl RedisServer {
    /// Starts a server and waits until it is ready.
    pub async fn start(options: RedisOptions) -> Self {
        Self::launch(options, None).await
    }

    async fn launch(options: RedisOptions, sentinel: Option<String>) -> Self {
        let directory = new_directory();
        if let Some(configuration) = &sentinel {
            fs::write(directory.path().join(CONFIGURATION), configuration).unwrap();
        }
        let wait = Wait::until("started");
        loop {
            let port = free_port();
            match run(&options, sentinel.is_some(), &directory, port).await {
                Ok(process) => return Self { options, sentinel, port, process: Slot::new(process), directory },
                Err(log) => wait.a_moment_if(&[PORT_TAKEN], &log).await,
            }
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The address in the format of clients: `redis://127.0.0.1:10000`, with the password, and
    /// `rediss://` with TLS.
    pub fn url(&self) -> String {
        let scheme = if self.options.tls.is_some() { "rediss" } else { "redis" };
        let password = self.options.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("{scheme}://{password}127.0.0.1:{}", self.port)
    }

    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// The server's log output, across all restarts.
    pub fn log(&self) -> String {
        fs::read_to_string(log_of(&self.directory)).unwrap()
    }

    /// Kills the server with SIGKILL and returns once it has exited. Does nothing if the server is
    /// not running.
    pub fn kill(&self) {
        drop(self.process.take());
    }

    /// Restarts the server on the same port and directory, and waits until it has loaded its data.
    /// A running server is killed first.
    ///
    /// Changes at run time, such as becoming a replica, are lost.
    pub async fn restart(&self) {
        self.kill();
        let wait = Wait::until("started again");
        loop {
            match run(&self.options, self.sentinel.is_some(), &self.directory, self.port).await {
                Ok(process) => return self.process.put(process),
                Err(log) => wait.a_moment_if(&NOT_YET_GONE, &log).await,
            }
        }
    }

    /// Stops the server with SIGSTOP: its connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        self.process.with(|process| process.freeze());
    }

    /// Continues a frozen server.
    pub fn thaw(&self) {
        self.process.with(|process| process.thaw());
    }

    /// The output of `redis-cli` for a command. An error of the server fails the test.
    pub async fn cli(&self, arguments: &[&str]) -> String {
        self.try_cli(arguments).await.unwrap_or_else(|error| panic!("{error}\n{}", tail(&self.log())))
    }

    /// The output of `redis-cli` for a command, or the error.
    pub async fn try_cli(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.cli_command();
        command.args(["-p", &self.port.to_string()]).args(arguments);
        try_output(command).await
    }

    /// `redis-cli` with all arguments except the port.
    fn cli_command(&self) -> Command {
        let mut command = Command::new(redis_cli());
        command.args(["-h", "127.0.0.1", "-e"]);
        if let Some(password) = &self.options.password {
            command.env("REDISCLI_AUTH", password);
        }
        if let Some(tls) = &self.options.tls {
            command.args(["--tls", "--cacert"]).arg(&tls.authority);
            command.arg("--cert").arg(&tls.certificate).arg("--key").arg(&tls.key);
        }
        command
    }

    /// The value of a field of `INFO`.
    pub async fn info(&self, field: &str) -> String {
        let text = self.cli(&["INFO"]).await;
        let mut values = text.lines().filter_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        values.next().unwrap_or_else(|| panic!("INFO has no {field}")).trim_end().to_owned()
    }

    /// The server's memory usage in bytes, as it reports it.
    pub async fn memory_used(&self) -> u64 {
        self.info("used_memory").await.parse().unwrap()
    }

    /// Makes this server a replica of another, and waits until it is one.
    pub async fn replica_of(&self, master: &Self) {
        self.cli(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]).await;
        self.until_replicating().await;
    }

    /// Waits until this replica has the data of its master and receives further writes.
    pub async fn until_replicating(&self) {
        let wait = Wait::until("the replica is connected");
        while !self.cli(&["INFO", "replication"]).await.contains("master_link_status:up") {
            wait.a_moment().await;
        }
    }

    /// Waits until this replica has everything that its master has written so far. `WAIT` would
    /// only cover writes of its own connection.
    pub async fn until_caught_up_with(&self, master: &Self) {
        let done = master.offset("master_repl_offset").await;
        let wait = Wait::until("the replica has caught up");
        while self.offset("slave_repl_offset").await < done {
            wait.a_moment().await;
        }
    }

    async fn offset(&self, field: &str) -> u64 {
        self.info(field).await.parse().unwrap()
    }

    /// Promotes this replica to a master.
    pub async fn promote(&self) {
        self.cli(&["REPLICAOF", "NO", "ONE"]).await;
    }
}

const CONFIGURATION: &str = "sentinel.conf";

async fn run(options: &RedisOptions, is_sentinel: bool, directory: &TempDir, port: u16) -> Result<Process, String> {
    let mut command = Command::new(options.engine.server());
    if is_sentinel {
        command.arg(directory.path().join(CONFIGURATION));
    }
    let port = port.to_string();
    command.args(["--bind", "127.0.0.1", "--daemonize", "no", "--dir"]).arg(directory.path());
    command.args(["--save", "", "--appendonly", if options.persist { "yes" } else { "no" }, "--appendfsync", "always"]);
    // A replica gets its copy at once, without waiting for further replicas.
    command.args(["--repl-diskless-sync-delay", "0"]);
    if let Some(password) = &options.password {
        command.args(["--requirepass", password, "--masterauth", password]);
    }
    if let Some(tls) = &options.tls {
        command.args(["--port", "0", "--tls-port", &port, "--tls-replication", "yes", "--tls-auth-clients", "no"]);
        command.arg("--tls-ca-cert-file").arg(&tls.authority);
        command.arg("--tls-cert-file").arg(&tls.certificate).arg("--tls-key-file").arg(&tls.key);
    } else {
        command.args(["--port", &port]);
    }
    command.args(&options.extra);
    if is_sentinel {
        command.arg("--sentinel");
    }
    let ready = if is_sentinel { "Sentinel ID is" } else { "Ready to accept connections" };
    Process::start(command, directory, ready).await
}

/// Sentinels that monitor a master and agree on its successor.
pub struct RedisSentinels {
    name: String,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinels {
    /// Starts this many Sentinels of the master's engine under this name, and waits until they know each
    /// other and its replicas.
    pub async fn start(master: &RedisServer, name: &str, count: usize, quorum: usize) -> Self {
        let mut lines = vec![
            format!("sentinel monitor {name} 127.0.0.1 {} {quorum}", master.port),
            format!("sentinel down-after-milliseconds {name} 500"),
            format!("sentinel failover-timeout {name} 2000\n"),
        ];
        lines.extend(master.options.password.iter().map(|password| format!("sentinel auth-pass {name} {password}\n")));
        let configuration = lines.join("\n");
        let replicas = master.info("connected_slaves").await;
        let mut sentinels = Vec::new();
        for _ in 0..count {
            let options = RedisOptions { engine: master.options.engine, ..RedisOptions::default() };
            sentinels.push(RedisServer::launch(options, Some(configuration.clone())).await);
        }
        let others = (count - 1).to_string();
        for sentinel in &sentinels {
            let wait = Wait::until("the sentinel knows all");
            loop {
                let text = sentinel.cli(&["SENTINEL", "MASTER", name]).await;
                if field(&text, "num-other-sentinels") == others && field(&text, "num-slaves") == replicas {
                    break;
                }
                wait.a_moment().await;
            }
        }
        Self { name: name.to_owned(), sentinels }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(RedisServer::url).collect()
    }

    /// A Sentinel, to be killed or frozen.
    pub fn sentinel(&self, index: usize) -> &RedisServer {
        &self.sentinels[index]
    }

    /// The port of the master, according to the first running Sentinel. A frozen one must not be
    /// asked.
    pub async fn master_port(&self) -> u16 {
        let sentinel = self.sentinels.iter().find(|sentinel| sentinel.is_running()).expect("a sentinel that runs");
        self.master_port_of(sentinel).await
    }

    async fn master_port_of(&self, sentinel: &RedisServer) -> u16 {
        let text = sentinel.cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", &self.name]).await;
        text.lines().nth(1).unwrap_or_else(|| panic!("no master: {text}")).parse().unwrap()
    }

    /// Waits until all running Sentinels report a master on another port, and returns that port.
    pub async fn until_master_is_not(&self, port: u16) -> u16 {
        for sentinel in self.sentinels.iter().filter(|sentinel| sentinel.is_running()) {
            let wait = Wait::until("the failover");
            while self.master_port_of(sentinel).await == port {
                wait.a_moment().await;
            }
        }
        self.master_port().await
    }
}

/// The line after this one, in the map format of `redis-cli`.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().skip_while(|&line| line != name).nth(1).unwrap_or_default()
}

/// A cluster. Its masters come first, then their replicas.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts a cluster and waits until all its nodes report that it works. Nodes detect a missing
    /// node after half a second.
    pub async fn start(masters: usize, replicas_per_master: usize, mut options: RedisOptions) -> Self {
        let cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "500"];
        options.extra.splice(0..0, cluster.map(str::to_owned));
        let mut nodes = Vec::new();
        for _ in 0..masters * (1 + replicas_per_master) {
            nodes.push(RedisServer::start(options.clone()).await);
        }
        let mut create = nodes[0].cli_command();
        create.args(["--cluster", "create"]).args(nodes.iter().map(|node| node.addr().to_string()));
        create.args(["--cluster-replicas", &replicas_per_master.to_string(), "--cluster-yes"]);
        output(create).await;
        let cluster = Self { nodes };
        cluster.until_ok().await;
        for replica in &cluster.nodes[masters..] {
            replica.until_replicating().await;
        }
        cluster
    }

    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    pub fn node(&self, index: usize) -> &RedisServer {
        &self.nodes[index]
    }

    /// The master of this key, according to the first running node.
    pub async fn node_for_key(&self, key: &str) -> usize {
        let node = self.nodes.iter().find(|node| node.is_running()).expect("a node that runs");
        let slot: u16 = node.cli(&["CLUSTER", "KEYSLOT", key]).await.parse().unwrap();
        let text = node.cli(&["CLUSTER", "NODES"]).await;
        let line =
            text.lines().find(|line| has_slot(line, slot)).unwrap_or_else(|| panic!("nobody has {slot}:\n{text}"));
        self.nodes.iter().position(|node| line.contains(&format!(" 127.0.0.1:{}@", node.port))).unwrap()
    }

    /// Waits until another node is the master of this key, and returns it.
    pub async fn until_master_is_not(&self, index: usize, key: &str) -> usize {
        let wait = Wait::until("the failover");
        loop {
            let master = self.node_for_key(key).await;
            if master != index {
                return master;
            }
            wait.a_moment().await;
        }
    }

    pub fn kill(&self, index: usize) {
        self.nodes[index].kill();
    }

    /// Restarts a node and waits until the cluster works.
    pub async fn restart(&self, index: usize) {
        self.nodes[index].restart().await;
        self.until_ok().await;
    }

    /// Waits until all running nodes report that the cluster works. Until a killed node is
    /// detected, they do.
    pub async fn until_ok(&self) {
        for node in self.nodes.iter().filter(|node| node.is_running()) {
            let wait = Wait::until("the cluster works");
            while !node.cli(&["CLUSTER", "INFO"]).await.contains("cluster_state:ok") {
                wait.a_moment().await;
            }
        }
    }
}

/// Whether a line of `CLUSTER NODES` is that of the master with this slot.
fn has_slot(line: &str, slot: u16) -> bool {
    line.split(' ').skip(8).any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        matches!((first.parse(), last.parse()), (Ok(first), Ok(last)) if (first..=last).contains(&slot))
    })
}
