//! Tests of process-wide state, such as the default crypto provider.

use std::{env, process::Command};

/// Whether this process runs this test alone. If not, runs the test in its own process and fails
/// with it.
pub fn is_alone(test: &str) -> bool {
    is_alone_with(test, &[])
}

/// As [`is_alone`], with these environment variables in the test's own process.
pub fn is_alone_with(test: &str, environment: &[(&str, &str)]) -> bool {
    const ALONE: &str = "TOWER_LOGOUT_TEST_ALONE";
    if env::var_os(ALONE).is_some() {
        return true;
    }
    let mut child = Command::new(env::current_exe().unwrap());
    let output = child
        .args(["--exact", test, "--include-ignored"])
        .envs(environment.iter().copied())
        .env(ALONE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{test} alone: {text}");
    false
}
