//! [`MissingRights`]: the rights that the role lacks, with the `grant` statements for them.

use std::fmt;

/// Rights that are missing in a schema.
#[derive(Debug)]
pub(super) struct MissingRights {
    schema: String,
    /// `grant` statements. Empty if the server could not report the missing rights.
    grants: Vec<String>,
}

impl MissingRights {
    pub(super) fn new(schema: String, grants: Vec<String>) -> Self {
        Self { schema, grants }
    }
}

impl fmt::Display for MissingRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the role lacks rights that the store needs in the schema {:?}: ", self.schema)?;
        if self.grants.is_empty() {
            f.write_str("run the `grant` statements in its documentation")
        } else {
            write!(f, "run `{}`", self.grants.join("; "))
        }
    }
}
