//! [`Tenants`]: issuers that a closure of the application allows.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use foldhash::fast::RandomState;
use tokio::time::Instant;

use crate::{
    revocation::Retention,
    token::{
        VerifyError,
        jwt::{
            ConfigError, InvalidToken, Issuer, build::Common, issuer_settings::IssuerSettings,
            trusted_issuer::TrustedIssuer,
        },
    },
};

/// Returns the settings of an issuer, if it is allowed.
pub(super) type Allow = dyn Fn(&str) -> Option<Issuer> + Send + Sync;

/// Issuers that a closure of the application allows. Those whose tokens were verified are kept, up
/// to a maximum.
pub(super) struct Tenants {
    allow: Box<Allow>,
    known: RwLock<HashMap<Box<str>, Tenant, RandomState>>,
    max: usize,
    retention: Retention,
    common: Common,
    began: Instant,
}

struct Tenant {
    issuer: Arc<TrustedIssuer>,
    /// When its tokens were verified last, in milliseconds after [`Tenants::began`].
    used: AtomicU64,
}

/// The reason why a token's issuer cannot be used.
pub(super) enum NotATenant {
    Invalid(InvalidToken),
    Unavailable(VerifyError),
}

impl Tenants {
    pub(super) fn new(allow: Box<Allow>, max: usize, common: Common) -> Result<Self, ConfigError> {
        if common.runtime.is_none() {
            return Err(ConfigError::NotStarted);
        }
        if max == 0 {
            return Err(ConfigError::NoIssuers);
        }
        // Settings that are wrong for every issuer are an error now, not with the first token.
        common.settings.validate()?;
        let retention = common.settings.retention().with_clock_skew(common.clock_skew);
        Ok(Self { allow, known: RwLock::default(), max, retention, common, began: Instant::now() })
    }

    /// The settings of issuers that the closure does not override.
    pub(super) fn settings(&self) -> &IssuerSettings {
        &self.common.settings
    }

    /// Finds an issuer that is allowed.
    pub(super) fn find(&self, name: &str) -> Result<Arc<TrustedIssuer>, NotATenant> {
        if let Some(tenant) = self.read().get(name) {
            tenant.used.store(self.now(), Ordering::Relaxed);
            return Ok(Arc::clone(&tenant.issuer));
        }
        let issuer = (self.allow)(name).ok_or(InvalidToken::Issuer)?;
        let mut known = self.write();
        // Another request may have been faster.
        if let Some(tenant) = known.get(name) {
            return Ok(Arc::clone(&tenant.issuer));
        }
        if known.len() >= self.max {
            let idle = self.idle(&known).ok_or(TenantError::Full(self.max))?;
            known.remove(&idle);
            // Its keys are no longer refreshed.
            self.common.revision.increment();
        }
        let trusted = Arc::new(self.trusted(name, issuer)?);
        let tenant = Tenant { issuer: Arc::clone(&trusted), used: AtomicU64::new(self.now()) };
        known.insert(name.into(), tenant);
        Ok(trusted)
    }

    /// Finds an issuer whose tokens were verified.
    pub(super) fn known(&self, name: &str) -> Option<Arc<TrustedIssuer>> {
        self.read().get(name).map(|tenant| Arc::clone(&tenant.issuer))
    }

    pub(super) fn forget(&self, name: &str) {
        if self.write().remove(name).is_some() {
            self.common.revision.increment();
        }
    }

    pub(super) fn retention(&self) -> Retention {
        self.retention
    }

    pub(super) fn len(&self) -> usize {
        self.read().len()
    }

    fn trusted(&self, name: &str, issuer: Issuer) -> Result<TrustedIssuer, TenantError> {
        if issuer.name() != name {
            return Err(TenantError::OtherName);
        }
        let trusted = issuer.into_tenant(&self.common).map_err(TenantError::Settings)?;
        if self.retention.join(&trusted.retention()) != self.retention {
            return Err(TenantError::Retention);
        }
        Ok(trusted)
    }

    /// The issuer that was not used for longest, if that is long enough.
    fn idle(&self, known: &HashMap<Box<str>, Tenant, RandomState>) -> Option<Box<str>> {
        let used = |tenant: &Tenant| tenant.used.load(Ordering::Relaxed);
        let (name, tenant) = known.iter().min_by_key(|(_, tenant)| used(tenant))?;
        let idle = Duration::from_millis(self.now().saturating_sub(used(tenant)));
        (idle >= IDLE).then(|| name.clone())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Box<str>, Tenant, RandomState>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Box<str>, Tenant, RandomState>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reason why an issuer that the closure allows cannot be used.
#[derive(Debug, thiserror::Error)]
enum TenantError {
    #[error(
        "{0} issuers are in use, and each of them was used within the last minute: raise max_issuers, or allow fewer"
    )]
    Full(usize),
    #[error("the closure of issuers_by returned an issuer with another name than it was asked for")]
    OtherName,
    #[error("the settings of an issuer that the closure of issuers_by returned cannot be used")]
    Settings(#[source] ConfigError),
    #[error(
        "the closure of issuers_by returned an issuer whose max_lifetime or leeway exceeds that of the builder, which \
         determines how long revocations are retained: raise that of the builder"
    )]
    Retention,
}

impl From<TenantError> for NotATenant {
    fn from(error: TenantError) -> Self {
        Self::Unavailable(VerifyError::unavailable(error))
    }
}

impl From<InvalidToken> for NotATenant {
    fn from(reason: InvalidToken) -> Self {
        Self::Invalid(reason)
    }
}

impl From<NotATenant> for VerifyError {
    fn from(reason: NotATenant) -> Self {
        match reason {
            NotATenant::Invalid(reason) => reason.into(),
            NotATenant::Unavailable(error) => error,
        }
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants").field("known", &self.len()).field("max", &self.max).finish_non_exhaustive()
    }
}

/// How long an issuer must not have been used before it makes room for another.
const IDLE: Duration = Duration::from_secs(60);
