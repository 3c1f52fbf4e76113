//! Global token revocations.
