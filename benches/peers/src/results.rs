//! The stored measurements; the table and the plot are generated from them.

use std::{fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{machine::Origin, markdown, plot, spread::Spread};

#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Results {
    pub(crate) peers: Option<Peers>,
    pub(crate) server: Option<Server>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Peers {
    pub(crate) origin: Origin,
    pub(crate) rounds: usize,
    pub(crate) live_tokens: usize,
    pub(crate) revoked: usize,
    pub(crate) by_algorithm: Vec<OfAlgorithm>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct OfAlgorithm {
    pub(crate) name: String,
    pub(crate) token_bytes: usize,
    /// The service alone, with a clone of the request, in nanoseconds.
    pub(crate) bare: Spread,
    /// This crate first.
    pub(crate) peers: Vec<Measured>,
    pub(crate) floors: Vec<Floor>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) built_with: String,
    pub(crate) refuses_revoked: bool,
    pub(crate) caches: bool,
    pub(crate) note: String,
    /// What it adds to the bare service, in nanoseconds.
    pub(crate) ns: Spread,
    pub(crate) times_ours: Spread,
}

/// A part of this crate, compared with its minimum.
#[derive(Deserialize, Serialize)]
pub(crate) struct Floor {
    pub(crate) name: String,
    pub(crate) ns: Spread,
    pub(crate) ours: String,
    pub(crate) ours_ns: Spread,
    pub(crate) ratio: Spread,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Server {
    pub(crate) origin: Origin,
    pub(crate) client: String,
    pub(crate) rounds: usize,
    pub(crate) seconds: u32,
    pub(crate) connections: usize,
    /// The server without a layer first.
    pub(crate) servers: Vec<Loaded>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) requests_per_second: Spread,
    /// The ratio to the first server in the same round.
    pub(crate) share: Spread,
    /// The share of its time in which the server's thread was running.
    pub(crate) busy: Spread,
    /// Its running time per request, in microseconds.
    pub(crate) cpu_us: Spread,
}

impl Results {
    /// The results of earlier runs.
    pub(crate) fn read(place: Place) -> Self {
        let text = fs::read_to_string(place.file("results.json"));
        text.map_or_else(|_| Self::default(), |text| serde_json::from_str(&text).expect("results of this version"))
    }

    pub(crate) fn write(&self, place: Place) -> io::Result<()> {
        fs::create_dir_all(place.file(""))?;
        let json = serde_json::to_string_pretty(self).expect("results are JSON");
        fs::write(place.file("results.json"), json + "\n")?;
        fs::write(place.file("results.md"), markdown::page(self))?;
        if let Some(plot) = self.peers.as_ref().map(plot::draw) {
            fs::write(place.file("peers.svg"), plot)?;
        }
        println!("written to {}", place.file("").display());
        Ok(())
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// The directory in the repository.
    Kept,
    /// For test runs.
    TriedOut,
}

impl Place {
    fn file(self, name: &str) -> PathBuf {
        let folder = match self {
            Self::Kept => "results",
            Self::TriedOut => "target/tried-out",
        };
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder).join(name)
    }
}
