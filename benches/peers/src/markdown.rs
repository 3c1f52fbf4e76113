//! The page that shows the results.

use std::fmt::Write;

use crate::{
    machine::Origin,
    results::{Floor, OfAlgorithm, Peers, Results, Server},
    spread::Spread,
};

pub(crate) fn page(results: &Results) -> String {
    let mut page = String::from("# Checks, compared with alternatives\n\nMade by `benches/peers`; do not edit.\n");
    if let Some(peers) = &results.peers {
        add_peers(&mut page, peers);
    }
    if let Some(server) = &results.server {
        add_server(&mut page, server);
    }
    page
}

fn add_peers(page: &mut String, peers: &Peers) {
    let Peers { rounds, live_tokens, revoked, by_algorithm, .. } = peers;
    let [live_tokens, revoked] = [live_tokens, revoked].map(|count| thousands(as_number(*count)));
    let [first, others @ ..] = &by_algorithm[..] else { return };
    let _ = write!(
        page,
        "
`cargo run --release --manifest-path benches/peers/Cargo.toml`, on {}.

{live_tokens} live tokens in turn, {revoked} others revoked, one thread. Every check is a Tower service around
the same bare service, is called in this process with a clone of the same request, and its future
is polled once. All take turns in each of {rounds} rounds. What the bare service and its request take in
the same round is subtracted. The tables have medians, and in brackets the tenth and the ninetieth
percentile. Before it is measured, each check is verified to accept a valid token, to reject a
forged and an expired one, and to do with a revoked one what the table says.
",
        origin(&peers.origin),
    );
    let _ = write!(
        page,
        "\n## {}, tokens of {} bytes\n\nThe bare service and its request take {}.\n\n",
        first.name,
        first.token_bytes,
        time(first.bare)
    );
    *page += &hs256_table(first);
    *page += "\n## Other algorithms\n\nWhat a check adds, and in brackets its ratio to the first.\n\n";
    *page += &other_table(first, others);
    *page += "\n## Checks, compared with a hand-written minimum\n\nThe minimum uses the same libraries, with keys that are prepared once, and allocates nothing except\nfor the extension.\n\n";
    *page += &floor_table(by_algorithm);
}

fn hs256_table(of: &OfAlgorithm) -> String {
    let mut table = String::from(
        "| | it adds | ratio to the first | rejects revoked tokens | caches verified tokens | built with |\n|---|--:|--:|---|---|---|\n",
    );
    let mut notes = String::new();
    let yes = |yes| if yes { "yes" } else { "**no**" };
    for peer in &of.peers {
        let (times, caches) = (ratio(peer.times_ours), if peer.caches { "yes" } else { "no" });
        let _ = writeln!(
            table,
            "| {} | {} | {times} | {} | {caches} | {} |",
            peer.name,
            time(peer.ns),
            yes(peer.refuses_revoked),
            peer.built_with,
        );
        if !peer.note.is_empty() {
            let _ = writeln!(notes, "* {}: {}.", peer.name, peer.note);
        }
    }
    format!("{table}\n{notes}")
}

fn other_table(first: &OfAlgorithm, others: &[OfAlgorithm]) -> String {
    let names: Vec<_> = others.iter().map(|of| &*of.name).collect();
    let mut table = format!("| | {} |\n|---|{}\n", names.join(" | "), "--:|".repeat(others.len()));
    for (index, peer) in first.peers.iter().enumerate() {
        let _ = write!(table, "| {} |", peer.name);
        for of in others {
            let peer = &of.peers[index];
            let _ = write!(table, " {} ({}×) |", nanoseconds(peer.ns.median), number(peer.times_ours.median));
        }
        table.push('\n');
    }
    table
}

fn floor_table(by_algorithm: &[OfAlgorithm]) -> String {
    let mut table = String::from("| | minimum | it takes | compared | it takes | ratio |\n|---|---|--:|---|--:|--:|\n");
    for of in by_algorithm {
        for Floor { name, ns, ours, ours_ns, ratio: times } in &of.floors {
            let (ns, ours_ns, times) = (time(*ns), time(*ours_ns), ratio(*times));
            let _ = writeln!(table, "| {} | {name} | {ns} | {ours} | {ours_ns} | {times} |", of.name);
        }
    }
    table
}

fn add_server(page: &mut String, server: &Server) {
    let _ = write!(
        page,
        "
## A whole server over loopback

`cargo run --release --manifest-path benches/peers/Cargo.toml -- server`, on {}.

axum, HTTP/1.1, one thread on one core; on the other core {} with one thread, {}
connections and 1,024 HS256 tokens in turn, in a process of its own. Each server has a process of
its own too. In each of {} rounds, all are loaded in turn, for {} s.

| server | requests a second | ratio to the first | its thread was running | for each request |
|---|--:|--:|--:|--:|
",
        origin(&server.origin),
        server.client,
        server.connections,
        server.rounds,
        server.seconds,
    );
    for loaded in &server.servers {
        let share = loaded.share;
        let _ = writeln!(
            page,
            "| {} | {} | {:.3} ({:.3} to {:.3}) | {:.0} % | {:.2} µs |",
            loaded.name,
            thousands(loaded.requests_per_second.median),
            share.median,
            share.p10,
            share.p90,
            loaded.busy.median * 100.0,
            loaded.cpu_us.median,
        );
    }
}

fn origin(origin: &Origin) -> String {
    let Origin { date, processor, cores, load, compiler } = origin;
    format!("{date}: {processor}, {cores} cores, load {load} before it began; {compiler}")
}

fn time(spread: Spread) -> String {
    format!("{} ({} to {})", nanoseconds(spread.median), nanoseconds(spread.p10), nanoseconds(spread.p90))
}

fn ratio(spread: Spread) -> String {
    format!("{} ({} to {})", number(spread.median), number(spread.p10), number(spread.p90))
}

pub(crate) fn nanoseconds(ns: f64) -> String {
    if ns < 999.5 { format!("{ns:.0} ns") } else { format!("{} µs", number(ns / 1000.0)) }
}

/// With about three digits.
pub(crate) fn number(number: f64) -> String {
    match number {
        ..9.995 => format!("{number:.2}"),
        ..99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let split = digits.len().saturating_sub(3);
    if split == 0 { digits } else { format!("{},{}", &digits[..split], &digits[split..]) }
}

#[expect(clippy::cast_precision_loss)]
pub(crate) fn as_number(count: usize) -> f64 {
    count as f64
}
