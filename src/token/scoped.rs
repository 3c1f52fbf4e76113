//! [`Scoped`]: claims with a scope.

use crate::token::Claims;

/// Claims with a scope, for the requirement [`scope`](crate::guard::scope).
///
/// Implement it for claims of your own whose tokens have a scope, whatever their issuer calls it.
/// Texts with values separated by spaces (RFC 8693, section 4.2) and lists of values implement it,
/// too.
///
/// # Examples
///
/// ```
/// use tower_logout::token::Scoped;
///
/// #[derive(serde::Deserialize)]
/// struct User {
///     sub: String,
///     #[serde(default)]
///     scp: Vec<String>, // ["orders:read", "orders:write"]
/// }
///
/// impl Scoped for User {
///     fn has_scope(&self, value: &str) -> bool {
///         self.scp.has_scope(value)
///     }
/// }
/// ```
pub trait Scoped {
    /// Whether the scope has this value. It is compared exactly, with attention to case.
    fn has_scope(&self, value: &str) -> bool;
}

impl Scoped for Claims {
    fn has_scope(&self, value: &str) -> bool {
        self.scope.as_deref().is_some_and(|scope| scope.has_scope(value))
    }
}

/// A text with values that are separated by spaces.
impl Scoped for str {
    fn has_scope(&self, value: &str) -> bool {
        !value.is_empty() && self.split(' ').any(|known| known == value)
    }
}

/// A list of values.
impl Scoped for [String] {
    fn has_scope(&self, value: &str) -> bool {
        self.iter().any(|known| known == value)
    }
}
