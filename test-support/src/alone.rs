//! Tests of what there is one of in each process, such as the default crypto provider.

use std::{env, process::Command};

/// Whether this is a process of the test's own. If not, it runs the test in one, and fails with it.
pub fn is_alone(test: &str) -> bool {
    const ALONE: &str = "TOWER_LOGOUT_TEST_ALONE";
    if env::var_os(ALONE).is_some() {
        return true;
    }
    let mut child = Command::new(env::current_exe().unwrap());
    let output = child.args(["--exact", test, "--include-ignored"]).env(ALONE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{test} alone: {text}");
    false
}
