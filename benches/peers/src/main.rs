//! The cost of a check for a request, compared with alternatives and with the minimum that every
//! check needs.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml` measures in this process; with
//! `-- server`, a whole server that `wrk` loads over loopback. Each writes its measurements to
//! `results/` and regenerates the page and the plot there. With `--quick`, a short test run writes
//! to `target/tried-out/`. With `-- keys`, it prints what a rotation of keys and a flood of unknown
//! ones cost if each crate fetches its keys, which takes about five minutes.

mod check;
mod decode;
mod floors;
mod keys;
mod machine;
mod markdown;
mod measure;
mod peers;
mod plot;
mod results;
mod sample;
mod scheme;
mod server;
mod spread;
mod versions;

use std::{env, io, process::ExitCode, time::Duration};

use results::{Place, Results};
use server::Kind;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] => peers(Place::Kept),
        ["--quick"] => peers(Place::TriedOut),
        ["server"] => server(Place::Kept),
        ["server", "--quick"] => server(Place::TriedOut),
        ["keys"] => {
            keys::measure(&keys::Plan { rotations: 2, patience: MINUTE, flood: MINUTE });
            Ok(())
        }
        // The arguments with which it starts itself as a server.
        ["serve", kind] => serve(kind),
        _ => Err(io::Error::other("usage: [server] [--quick] | keys")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn peers(place: Place) -> io::Result<()> {
    let plan = match place {
        Place::Kept => measure::Plan { rounds: 75, time: 8e6, revoked: 100_000 },
        Place::TriedOut => measure::Plan { rounds: 3, time: 1e5, revoked: 1000 },
    };
    Results { peers: Some(measure::all(plan)), ..Results::read(place) }.write(place)
}

fn server(place: Place) -> io::Result<()> {
    let plan = match place {
        Place::Kept => server::Plan { rounds: 25, seconds: 1 },
        Place::TriedOut => server::Plan { rounds: 1, seconds: 1 },
    };
    Results { server: Some(server::measure(plan)), ..Results::read(place) }.write(place)
}

fn serve(kind: &str) -> io::Result<()> {
    let kind = Kind::named(kind).ok_or_else(|| io::Error::other("no such server"))?;
    server::serve(kind)
}

const MINUTE: Duration = Duration::from_secs(60);
