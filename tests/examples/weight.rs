//! Promise: a newcomer who runs the first example compiles what it needs, and not what the tests of
//! the library need.

use std::{collections::HashSet, process::Command};

#[test]
fn the_first_example_compiles_at_most_130_crates() {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--package", "example-axum", "--edges", "normal,build", "--prefix", "none"]);
    let output = tree.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let crates: HashSet<_> = text.lines().filter_map(|line| line.split(" (").next()).collect();
    assert!((50..=130).contains(&crates.len()), "{} crates: {crates:?}", crates.len());
}
