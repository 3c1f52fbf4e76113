//! [`Storage`]: the bytes below the database.

use std::{fmt, io};

/// Bytes that can be read and written at any offset, and synced.
///
/// Implemented by the file of a store. Tests wrap it in an implementation that fails on demand.
#[cfg_attr(not(feature = "test-util"), expect(unreachable_pub, reason = "only tests reach it"))]
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// The error of the operating system, as in all methods.
    fn size(&self) -> io::Result<u64>;

    /// Fills `out` with the bytes from `offset` on. Reading past the end is an error.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes all of `data` from `offset` on.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Truncates to `size`, or extends to it with zeros.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Returns once everything written before is on stable storage.
    fn sync(&self) -> io::Result<()>;
}
