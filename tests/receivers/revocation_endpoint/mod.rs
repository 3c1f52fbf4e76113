//! The token revocation endpoint of RFC 7009.
