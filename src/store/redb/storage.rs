//! [`Storage`]: the bytes under the database.

use std::{fmt, io};

/// Bytes that can be read and written at any offset, and synced.
///
/// Implemented by the file of a store. Tests wrap it in one that fails on demand.
#[cfg_attr(not(feature = "test-util"), expect(unreachable_pub, reason = "only tests reach it"))]
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// How many bytes there are.
    ///
    /// # Errors
    ///
    /// As the operating system reports them; so in all methods.
    fn size(&self) -> io::Result<u64>;

    /// Fills `out` with the bytes from `offset` on. Reading past the end is an error.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes all of `data` from `offset` on.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Cuts off what is beyond `size`, or adds zeros up to it.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Returns once everything written before is on stable storage.
    fn sync(&self) -> io::Result<()>;
}
