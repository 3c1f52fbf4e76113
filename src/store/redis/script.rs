//! What runs in the server, as one step.

use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use redis::Cmd;

/// A script in Lua.
pub(super) struct Script {
    text: &'static str,
    hash: LazyLock<String>,
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $($file:literal)+;)+) => {$(
        $(#[$doc])*
        pub(super) static $name: Script = {
            const TEXT: &str = concat!($(include_str!($file)),+);
            Script { text: TEXT, hash: LazyLock::new(|| redis::Script::new(TEXT).get_hash().to_owned()) }
        };
    )+};
}

scripts! {
    /// Joins a revocation, and forgets what has expired.
    REVOKE = "scripts/prune_function.lua" "scripts/revoke.lua";
    /// Forgets what has expired.
    PRUNE = "scripts/prune_function.lua" "scripts/prune.lua";
    /// What is said about the keys of a token. Not a transaction: a server whose memory is full takes none.
    CHECK = "scripts/check.lua";
    /// Where the feed ends.
    CURSOR = "scripts/cursor.lua";
    /// A part of all that is live.
    PAGE = "scripts/page.lua";
}

impl Script {
    /// The command for a server that has seen the script already. Otherwise it says `NOSCRIPT`, and has done nothing.
    pub(super) fn known(&self, names: &[&str]) -> Cmd {
        command("EVALSHA", &self.hash, names)
    }

    /// The command for a server that has not. It has, then.
    pub(super) fn whole(&self, names: &[&str]) -> Cmd {
        command("EVAL", self.text, names)
    }
}

fn command(name: &str, script: &str, names: &[&str]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(names.len()).arg(names);
    command
}

/// The name of a store that is empty yet: 128 random bits.
pub(super) fn new_epoch() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", random(), random())
}
