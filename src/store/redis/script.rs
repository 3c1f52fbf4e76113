//! What runs in the server, as one step.

use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use redis::Cmd;

/// A script in Lua.
pub(super) struct Script {
    plain: Text,
    /// The same, and says that it only reads: a server that is paused for writers runs it. Redis 6.2 does not know that.
    reads: Option<Text>,
}

struct Text {
    text: &'static str,
    hash: LazyLock<String>,
}

macro_rules! text {
    ($text:expr) => {{
        const TEXT: &str = $text;
        Text { text: TEXT, hash: LazyLock::new(|| redis::Script::new(TEXT).get_hash().to_owned()) }
    }};
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident writes $($file:literal)+;)+) => {$(
        $(#[$doc])*
        pub(super) static $name: Script = Script { plain: text!(concat!($(include_str!($file)),+)), reads: None };
    )+};
    ($($(#[$doc:meta])* $name:ident reads $file:literal;)+) => {$(
        $(#[$doc])*
        pub(super) static $name: Script = Script {
            plain: text!(include_str!($file)),
            reads: Some(text!(concat!("#!lua flags=no-writes\n", include_str!($file)))),
        };
    )+};
}

scripts! {
    /// Joins a revocation, and forgets what has expired.
    REVOKE writes "scripts/prune_function.lua" "scripts/revoke.lua";
    /// Forgets what has expired.
    PRUNE writes "scripts/prune_function.lua" "scripts/prune.lua";
    /// Tries what the others do.
    PROBE writes "scripts/probe.lua";
    /// Creates the layout, or makes it whole.
    REPAIR writes "scripts/prune_function.lua" "scripts/repair.lua";
}

scripts! {
    /// What is said about the keys of a token. Not a transaction: a server whose memory is full takes none.
    CHECK reads "scripts/check.lua";
    /// A part of all that is live.
    PAGE reads "scripts/page.lua";
}

/// A script as it is sent to one server.
#[derive(Clone, Copy)]
pub(super) struct Sent(&'static Text);

impl Script {
    /// As it is sent to a server that knows what a script may say of itself, or does not.
    pub(super) fn to(&'static self, knows_flags: bool) -> Sent {
        Sent(self.reads.as_ref().filter(|_| knows_flags).unwrap_or(&self.plain))
    }
}

impl Sent {
    /// The command for a server that has seen the script already. Otherwise it says `NOSCRIPT`, and has done nothing.
    pub(super) fn known(self, names: &[&str]) -> Cmd {
        command("EVALSHA", &self.0.hash, names)
    }

    /// The command for a server that has not. It has, then.
    pub(super) fn whole(self, names: &[&str]) -> Cmd {
        command("EVAL", self.0.text, names)
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
