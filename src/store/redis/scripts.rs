//! [`Script`]: the Lua scripts, each of which the server runs atomically.

use std::sync::LazyLock;

use redis::Cmd;

pub(super) struct Script {
    plain: Source,
    /// The script with the flag `no-writes`, which a server also runs while writes are paused.
    /// Redis 6.2 does not support flags.
    flagged: Option<Source>,
}

struct Source {
    text: &'static str,
    hash: LazyLock<String>,
}

macro_rules! source {
    ($text:expr) => {{
        const TEXT: &str = $text;
        Source { text: TEXT, hash: LazyLock::new(|| redis::Script::new(TEXT).get_hash().to_owned()) }
    }};
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident writes $($file:literal)+;)+) => {$(
        $(#[$doc])*
        pub(super) static $name: Script =
            Script { plain: source!(concat!($(include_str!($file)),+)), flagged: None };
    )+};
    ($($(#[$doc:meta])* $name:ident reads $file:literal;)+) => {$(
        $(#[$doc])*
        pub(super) static $name: Script = Script {
            plain: source!(include_str!($file)),
            flagged: Some(source!(concat!("#!lua flags=no-writes\n", include_str!($file)))),
        };
    )+};
}

scripts! {
    /// Joins a revocation into the set, and removes some expired ones.
    REVOKE writes "scripts/functions.lua" "scripts/revoke.lua";
    /// Removes expired revocations.
    PRUNE writes "scripts/functions.lua" "scripts/prune.lua";
    /// Tries every command that the other scripts use.
    PROBE writes "scripts/probe.lua";
    /// Creates the layout, or repairs it.
    REPAIR writes "scripts/functions.lua" "scripts/repair.lua";
}

scripts! {
    /// Reads the entries of the keys of a token. It is not a transaction, because a server whose
    /// memory is full rejects transactions.
    CHECK reads "scripts/check.lua";
}

/// A script in the variant for one server.
#[derive(Clone, Copy)]
pub(super) struct ScriptVariant(&'static Source);

impl Script {
    pub(super) fn variant(&'static self, supports_flags: bool) -> ScriptVariant {
        ScriptVariant(self.flagged.as_ref().filter(|_| supports_flags).unwrap_or(&self.plain))
    }
}

impl ScriptVariant {
    /// Creates the command for a server that has cached the script. Any other server replies
    /// `NOSCRIPT` and does nothing.
    pub(super) fn by_hash(self, names: &[&str]) -> Cmd {
        command("EVALSHA", &self.0.hash, names)
    }

    /// Creates the command for any server, which then caches the script.
    pub(super) fn by_text(self, names: &[&str]) -> Cmd {
        command("EVAL", self.0.text, names)
    }
}

fn command(name: &str, script: &str, names: &[&str]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(names.len()).arg(names);
    command
}
