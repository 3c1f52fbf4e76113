//! A whole server, with and without the layer, loaded by another process over loopback.

mod process;
mod serve;
mod wrk;

use std::{fs, path::PathBuf};

use crate::{
    machine::{Origin, said},
    results::{Loaded, Server},
    scheme::Scheme,
    spread::Spread,
};
use process::Process;

pub(crate) use serve::serve;

#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) seconds: u32,
}

/// The configuration of the server.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Bare,
    /// With a no-op layer that makes axum box both bodies.
    Wrapping,
    Cached,
    Uncached,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Bare, Self::Cached, Self::Wrapping, Self::Uncached];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.argument() == name)
    }

    fn argument(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Wrapping => "wrapping",
            Self::Cached => "cached",
            Self::Uncached => "uncached",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "axum without the layer",
            Self::Wrapping => "with a layer that does nothing but wrap both bodies",
            Self::Cached => "with `RevocationLayer`",
            Self::Uncached => "with `RevocationLayer`, uncached",
        }
    }
}

pub(crate) fn measure(plan: Plan) -> Server {
    let origin = Origin::of_this_run();
    let tokens = Scheme::hs256().tokens(LIVE, HOUR);
    let list: Vec<_> = tokens.iter().map(|sample| &*sample.token).collect();
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/tokens");
    fs::write(&file, list.join("\n")).expect("cargo has made the folder");

    let servers = Kind::ALL.map(|kind| {
        let server = Process::start(kind);
        let without_token = if matches!(kind, Kind::Bare | Kind::Wrapping) { 200 } else { 401 };
        assert_eq!(server.status(""), without_token);
        assert_eq!(server.status(&format!("authorization: Bearer {}\r\n", tokens[0].token)), 200);
        server
    });
    let mut runs = Kind::ALL.map(|_| Vec::with_capacity(plan.rounds));
    // The first round warms up.
    for round in 0..=plan.rounds {
        for turn in 0..servers.len() {
            let index = (turn + round) % servers.len();
            let run = servers[index].load(&file, plan.seconds);
            if round > 0 {
                runs[index].push(run);
            }
        }
    }
    drop(servers);

    let rates = runs.each_ref().map(|runs| runs.iter().map(|run| run.rate).collect::<Vec<_>>());
    let loaded = Kind::ALL.iter().zip(&runs).zip(&rates).map(|((kind, runs), rate)| Loaded {
        name: kind.name().to_owned(),
        requests_per_second: Spread::of(rate.iter().copied()),
        share: Spread::of_ratios(rate, &rates[0]),
        busy: Spread::of(runs.iter().map(|run| run.busy)),
        cpu_us: Spread::of(runs.iter().map(|run| run.busy / run.rate * 1e6)),
    });
    Server {
        origin,
        client: said("wrk", "--version").split(" [").next().unwrap_or_default().to_owned(),
        rounds: plan.rounds,
        seconds: plan.seconds,
        connections: wrk::CONNECTIONS,
        servers: loaded.collect(),
    }
}

const LIVE: usize = 1024;
const HOUR: i64 = 3600;
