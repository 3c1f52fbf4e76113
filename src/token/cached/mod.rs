//! [`CachedVerifier`]: remembers which tokens were verified, so that a signature is checked once and not with each request.

mod table;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    clock::Clock,
    revocation::Retention,
    token::{Revocable, TokenVerifier, VerifiedToken, VerifyError, is_token68},
};
use table::Table;

/// Verifies a token once, and knows it again by its whole text for as long as it lives.
///
/// [`JwtVerifier`](crate::JwtVerifier) has one inside. Put it around a verifier of your own whose work is worth saving.
///
/// What is remembered is what the token says, never whether it was revoked: the store is asked with each request, as without it. A token is forgotten at its
/// expiry, to the millisecond and by the verifier's own clock; when the verifier's [`revision`](TokenVerifier::revision) changes, as it does when keys are replaced; and
/// when there is no room. Only tokens that were accepted come in: a flood of forged ones empties nothing.
///
/// # Contract
///
/// The verifier's verdict depends on the token's text, on its clock and on its `revision`, and on nothing else; and what it accepts once, it accepts until the token
/// expires. A verifier that asks a server whether a token is still good (RFC 7662) breaks this: what that server takes back would go on passing here.
///
/// # Limits
///
/// The texts of tokens are kept in memory, where a dump of the process shows them, up to the [bytes](Self::capacity) that are allowed; their claims and keys take about as much again. With many more
/// tokens in use than there is room for, most are verified anew each time, at the cost of one verification and of making room.
///
/// A token that is remembered keeps alive the store of the layer that has let it pass first: where a verifier outlives its layer, so does the store, for as long
/// as its tokens are remembered.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "aws-lc-rs")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_logout::{CachedVerifier, JwtVerifier, MemoryStore, RevocationLayer};
///
/// let verifier = JwtVerifier::hs256([7; 32]).uncached().build()?; // or one of your own
/// let layer = RevocationLayer::new(CachedVerifier::new(verifier).capacity(100_000, 64 << 20), MemoryStore::new());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "aws-lc-rs"))]
/// # fn main() {}
/// ```
pub struct CachedVerifier<V: TokenVerifier> {
    verifier: V,
    clock: Arc<dyn Clock>,
    retention: Retention,
    table: Table<V::Claims>,
}

impl<V: TokenVerifier> CachedVerifier<V> {
    /// How many tokens are remembered unless told otherwise.
    pub const DEFAULT_TOKENS: usize = 16_384;

    /// How many bytes their texts may have together unless told otherwise: 16 MiB.
    pub const DEFAULT_BYTES: usize = 16 << 20;

    /// Remembers what this verifier accepts.
    pub fn new(verifier: V) -> Self {
        let (clock, retention) = (verifier.clock(), verifier.retention());
        Self { verifier, clock, retention, table: Table::new(Self::DEFAULT_TOKENS, Self::DEFAULT_BYTES) }
    }

    /// Sets how many tokens may be remembered, and how many bytes their texts may have together. Whichever comes first, the tokens that were not used
    /// of late make room. Zero of either turns the cache off.
    ///
    /// A token longer than the share of eight tokens, `8 * bytes / tokens`, is not remembered, and verified each time. That is 8 KiB by
    /// default, as long as a token may be; where [longer ones](crate::TokenSource::max_token_len) are accepted, give more bytes.
    ///
    /// Both hold at every moment. The room is divided among groups of eight tokens that their texts choose, so that the first tokens are displaced before all of
    /// it is taken: give twice what is in use at a time.
    #[must_use]
    pub fn capacity(self, tokens: usize, bytes: usize) -> Self {
        Self { table: Table::new(tokens, bytes), ..self }
    }

    /// The verifier inside, for instance to replace its keys.
    #[must_use]
    pub fn verifier(&self) -> &V {
        &self.verifier
    }

    /// How many tokens are remembered, those included that have expired and were not displaced yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no token is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(&self, text: &[u8], revision: u64) -> Option<VerifiedToken<V::Claims>> {
        let known = self.table.find(text)?;
        let stands = known.revision == revision && known.life.contains(&self.clock.now());
        stands.then_some(known.token)
    }

    /// Remembers a token that was verified after its `revision` was read.
    fn remember(&self, text: &str, revision: u64, token: &VerifiedToken<V::Claims>) {
        if self.table.is_closed() || !is_token68(text) {
            return;
        }
        // Read after the verification: should the clock step back behind this moment, the token may not have begun, and is verified anew.
        let now = self.clock.now();
        let life = now..token.identity().dead_from();
        self.table.insert(text, revision, life, token);
    }
}

#[async_trait]
impl<V: TokenVerifier> TokenVerifier for CachedVerifier<V> {
    type Claims = V::Claims;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<V::Claims>, VerifyError> {
        let revision = self.verifier.revision();
        if let Some(known) = self.find(token.as_bytes(), revision) {
            return Ok(known);
        }
        let verified = self.verifier.verify(token).await?;
        self.remember(token, revision, &verified);
        Ok(verified)
    }

    fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<V::Claims>, VerifyError>> {
        let revision = self.verifier.revision();
        if let Some(known) = self.find(token.as_bytes(), revision) {
            return Some(Ok(known));
        }
        let answer = self.verifier.verify_now(token)?;
        Some(answer.inspect(|verified| self.remember(token, revision, verified)))
    }

    fn recall(&self, token: &[u8]) -> Option<VerifiedToken<V::Claims>> {
        self.find(token, self.verifier.revision())
    }

    fn revision(&self) -> u64 {
        self.verifier.revision()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    fn explain(&self, token: &str) -> Option<String> {
        self.verifier.explain(token)
    }

    fn revocable(&self) -> Revocable {
        self.verifier.revocable()
    }

    fn retention(&self) -> Retention {
        self.retention
    }
}

impl<V: TokenVerifier + fmt::Debug> fmt::Debug for CachedVerifier<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedVerifier")
            .field("verifier", &self.verifier)
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}
