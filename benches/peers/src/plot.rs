//! The plot of the cost of a check with HS256.

use std::fmt::Write;

use crate::{
    markdown::{as_number, nanoseconds, number, thousands},
    results::{Measured, OfAlgorithm, Peers},
};

pub(crate) fn draw(peers: &Peers) -> String {
    let of = &peers.by_algorithm[0];
    let floor = of.floors[0].ns.median;
    let axis = Axis::over(of.peers.iter().flat_map(|peer| [peer.ns.p10, peer.ns.p90]).chain([floor]));
    let bottom = TOP + ROW * as_number(of.peers.len());
    let height = bottom + 98.0;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="title description">
<title id="title">What a check adds to a request</title>
<desc id="description">{}</desc>
<style>{STYLE}</style>
<rect class="card" x="0.5" y="0.5" width="{}" height="{}" rx="8"/>
<text class="title" x="24" y="34">What a check adds to a request</text>
<text class="faint" x="24" y="54">{}, one thread, {} live tokens, {} revoked; logarithmic, less is better</text>
"#,
        description(of),
        WIDTH - 1.0,
        height - 1.0,
        of.name,
        thousands(as_number(peers.live_tokens)),
        thousands(as_number(peers.revoked)),
    );
    for tick in axis.ticks() {
        let x = axis.x(tick);
        let _ = writeln!(svg, r#"<line class="grid" x1="{x:.1}" y1="{}" x2="{x:.1}" y2="{bottom}"/>"#, TOP - 6.0);
        let _ = writeln!(svg, r#"<text class="tick" x="{x:.1}" y="{}">{}</text>"#, bottom + 17.0, tick_label(tick));
    }
    let x = axis.x(floor);
    let _ = writeln!(svg, r#"<line class="floor" x1="{x:.1}" y1="{}" x2="{x:.1}" y2="{bottom}"/>"#, TOP - 6.0);
    for (index, peer) in of.peers.iter().enumerate() {
        row(&mut svg, &axis, peer, index < 2, TOP + ROW * (as_number(index) + 0.5));
    }
    legend(&mut svg, bottom + 46.0, floor);
    let origin = &peers.origin;
    let _ = writeln!(
        svg,
        r#"<text class="faint" x="24" y="{}">{}, {}, {} cores. Medians of {} rounds; of those one in ten was below the bar, and one in ten above.</text>"#,
        bottom + 78.0,
        origin.date,
        escaped(&origin.processor),
        origin.cores,
        peers.rounds,
    );
    svg + "</svg>\n"
}

fn row(svg: &mut String, axis: &Axis, peer: &Measured, is_ours: bool, y: f64) {
    let class = match (is_ours, peer.refuses_revoked) {
        (true, _) => "ours",
        (false, true) => "other",
        (false, false) => "less",
    };
    let (x, low, high) = (axis.x(peer.ns.median), axis.x(peer.ns.p10), axis.x(peer.ns.p90));
    let _ = writeln!(
        svg,
        r#"<text class="name{}" x="{}" y="{:.1}">{}</text>
<line class="stem" x1="{LEFT}" y1="{y:.1}" x2="{x:.1}" y2="{y:.1}"/>
<line class="bar {class}" x1="{low:.1}" y1="{y:.1}" x2="{high:.1}" y2="{y:.1}"/>
<circle class="dot {class}" cx="{x:.1}" cy="{y:.1}" r="5"/>
<text class="value" x="{:.1}" y="{:.1}">{}<tspan class="faint" dx="7">{}×</tspan></text>"#,
        if is_ours { " mine" } else { "" },
        LEFT - 14.0,
        y + 4.5,
        escaped(&peer.name.replace('`', "")),
        high.max(x) + 11.0,
        y + 4.5,
        nanoseconds(peer.ns.median),
        number(peer.times_ours.median),
    );
}

fn legend(svg: &mut String, y: f64, floor: f64) {
    let mut x = 30.0;
    for (class, text, width) in [
        ("ours", "tower-logout", 124.0),
        ("other", "refuses revoked tokens, too", 218.0),
        ("less", "checks no revocation", 176.0),
    ] {
        let _ = writeln!(svg, r#"<circle class="dot {class}" cx="{x}" cy="{}" r="5"/>"#, y - 4.5);
        let _ = writeln!(svg, r#"<text class="name start" x="{}" y="{y}">{text}</text>"#, x + 11.0);
        x += width;
    }
    let _ = writeln!(svg, r#"<line class="floor" x1="{x}" y1="{}" x2="{x}" y2="{}"/>"#, y - 12.0, y + 3.0);
    let _ = writeln!(
        svg,
        r#"<text class="name start" x="{}" y="{y}">floor: hash, find, compare ({})</text>"#,
        x + 9.0,
        nanoseconds(floor)
    );
}

/// A text alternative.
fn description(of: &OfAlgorithm) -> String {
    let text: Vec<_> = of.peers.iter().map(|peer| format!("{}: {}", peer.name, nanoseconds(peer.ns.median))).collect();
    escaped(&text.join("; ").replace('`', ""))
}

struct Axis {
    least: f64,
    greatest: f64,
}

impl Axis {
    fn over(values: impl IntoIterator<Item = f64>) -> Self {
        let start = Self { least: f64::MAX, greatest: f64::MIN_POSITIVE };
        let range = values
            .into_iter()
            .filter(|value| *value > 0.0)
            .fold(start, |range, value| Self { least: range.least.min(value), greatest: range.greatest.max(value) });
        Self { least: range.least / 1.4, greatest: range.greatest * 1.1 }
    }

    fn x(&self, ns: f64) -> f64 {
        let share = (ns.max(self.least) / self.least).ln() / (self.greatest / self.least).ln();
        LEFT + share * (RIGHT - LEFT)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let decades = (0..7).map(|exponent| 10_f64.powi(exponent));
        let all = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * decade));
        all.filter(|tick| (self.least..self.greatest).contains(tick))
    }
}

fn tick_label(ns: f64) -> String {
    if ns < 1000.0 { format!("{ns} ns") } else { format!("{} µs", ns / 1000.0) }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const WIDTH: f64 = 840.0;
const LEFT: f64 = 284.0;
const RIGHT: f64 = 700.0;
const TOP: f64 = 78.0;
const ROW: f64 = 30.0;

/// On its own background, so that it is readable on any page.
const STYLE: &str = "
text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1f2328}
.card{fill:#fff;stroke:#d1d9e0}.title{font-size:17px;font-weight:600}.faint{font-size:12px;fill:#59636e}
.name{text-anchor:end}.start{text-anchor:start}.mine{font-weight:600}.value{font-size:12.5px}
.tick{font-size:11px;fill:#59636e;text-anchor:middle}.grid{stroke:#e6eaef}.stem{stroke:#c8d1da}
.floor{stroke:#9a6700;stroke-width:1.5;stroke-dasharray:4 3}.bar{stroke-width:3;stroke-linecap:round}.dot{stroke-width:2}
.ours{fill:#1a7f37;stroke:#1a7f37}.other{fill:#0969da;stroke:#0969da}.less{stroke:#818b98}.dot.less{fill:#fff}
@media (prefers-color-scheme:dark){text{fill:#f0f6fc}.card{fill:#0d1117;stroke:#3d444d}.faint,.tick{fill:#9198a1}
.grid{stroke:#21262d}.stem{stroke:#3d444d}.floor{stroke:#d29922}.ours{fill:#3fb950;stroke:#3fb950}
.other{fill:#4493f8;stroke:#4493f8}.less{stroke:#9198a1}.dot.less{fill:#0d1117}}
";
