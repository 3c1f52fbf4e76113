//! [`RedbStore`]: one file that survives restarts.
