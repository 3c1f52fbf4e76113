//! [`Jwk`]: a JSON Web Key, as it is parsed.

use serde::{Deserialize, de::IgnoredAny};

use crate::token::jwt::{Algorithm, KeyError};

/// The members of a JSON Web Key (RFC 7517 and RFC 7518, section 6) that matter for verifying.
#[derive(Deserialize)]
pub(super) struct Jwk {
    #[serde(default)]
    pub(super) kty: String,
    crv: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    pub(super) n: Option<String>,
    pub(super) e: Option<String>,
    pub(super) x: Option<String>,
    pub(super) y: Option<String>,
    pub(super) k: Option<String>,
    /// Only in private keys, as are the others of RSA (RFC 7518, section 6.3.2).
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
    /// Only in a set of keys.
    keys: Option<IgnoredAny>,
}

impl Jwk {
    pub(super) fn kid(&self) -> Option<Box<str>> {
        self.kid.as_deref().map(Box::from)
    }

    /// The algorithms of the key's type that its other members allow.
    pub(super) fn algorithms(&self) -> Result<&'static [Algorithm], KeyError> {
        if self.keys.is_some() && self.kty.is_empty() {
            let found = "a JSON Web Key Set, not a single key";
            return Err(KeyError::OtherForm { found, remedy: "use `KeySet::jwks`" });
        }
        let private = [&self.d, &self.p, &self.q, &self.dp, &self.dq, &self.qi, &self.oth];
        if private.iter().any(|member| member.is_some()) {
            return Err(KeyError::PrivateKey);
        }
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Err(KeyError::Forbidden("its `use` is not `sig`"));
        }
        if self.key_ops.as_ref().is_some_and(|operations| !operations.iter().any(|operation| operation == "verify")) {
            return Err(KeyError::Forbidden("its `key_ops` do not include `verify`"));
        }
        let of_type: &'static [Algorithm] = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Algorithm::RSA,
            ("oct", _) => Algorithm::HMAC,
            ("EC", Some("P-256")) => &[Algorithm::ES256],
            ("EC", Some("P-384")) => &[Algorithm::ES384],
            ("EC", Some("P-521")) => &[Algorithm::ES512],
            ("OKP", Some("Ed25519")) => &[Algorithm::EdDSA],
            ("EC" | "OKP", _) => {
                return Err(KeyError::Forbidden("its `crv` is none of P-256, P-384, P-521 and Ed25519"));
            }
            _ => return Err(KeyError::Forbidden("its `kty` is none of RSA, EC, OKP and oct")),
        };
        let Some(alg) = self.alg.as_deref() else { return Ok(of_type) };
        let alg = alg.parse();
        of_type
            .iter()
            .position(|algorithm| alg == Ok(*algorithm))
            .map(|at| &of_type[at..=at])
            .ok_or(KeyError::Forbidden("its `alg` is no signature algorithm of its `kty`"))
    }
}
