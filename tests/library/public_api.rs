//! Promise: types can be shared between threads, are cheap to clone where documented, and fit into
//! the state of an application, with any features.

use std::{error::Error, fmt::Debug, future::Future, sync::Arc, time::Duration};

use tower_logout::{
    Claims, Logout, LogoutScope, LogoutService, MemoryStore, RevocationLayer, RevocationStore, RevocationWatch,
    Revoker, VerifiedToken,
    clock::{Clock, SystemClock, Timestamp},
    endpoint::{AnswerFuture, ProtectedResource, ResourceError},
    guard::{Checking, EndReason, Requirement, Scope, Verdict},
    middleware::{AnyBodies, RequestBody, ResponseBody, RevocationService},
    respond::{
        AnswerBody, AutoResponder, Challenge, GrpcResponder, InvalidRealm, JsonResponder, Protocol, Rejection,
        RejectionContext, Respond,
    },
    revocation::{
        InvalidRevocationKey, KeyKind, Outcome, Retention, Revocable, Revocation, RevocationKey, TokenIdentity,
    },
    revoker::{Consumed, Receipt, RevokeError},
    set::{AtCapacity, Generation, RevocationSet, RevocationSignal},
    store::{
        CollectedSnapshot, FollowError, Followed, Health, RegionMonitor, Regions, RegionsBuilder, RegionsMonitor,
        ReplicaMonitor, ReplicaOptions, StoreError, StoreErrorKind,
    },
    token::{Caching, FlightError, InvalidRequest, RequestHead, SingleFlight, TokenSource, TokenVerifier, VerifyError},
};

/// Shared between threads, without a lifetime.
fn shared<T: Debug + Send + Sync + Unpin + 'static>() {}

/// Shared, and cloned for each user.
fn handle<T: Clone + Debug + Send + Sync + Unpin + 'static>() {}

/// Sent to another thread and polled there.
fn future<T: Future + Debug + Send + Unpin + 'static>() {}

/// Built in a function of the application.
fn built<T: Debug + Send + 'static>() {}

fn error<T: Error + Send + Sync + Unpin + 'static>() {}

#[derive(Clone, Debug)]
struct AppState {
    logout: Logout,
    replica: ReplicaMonitor,
    revoker: Revoker,
}

impl AppState {
    fn layer(&self) -> RevocationLayer {
        self.logout.layer()
    }

    fn endpoint(&self) -> LogoutService {
        self.logout.service()
    }
}

#[test]
fn logout_and_its_parts_fit_into_the_state_of_an_application() {
    handle::<AppState>();
    let _: fn(&AppState) -> RevocationLayer = AppState::layer;
    let _: fn(&AppState) -> LogoutService = AppState::endpoint;
    let _: fn(&AppState) -> (&ReplicaMonitor, &Revoker) = |state| (&state.replica, &state.revoker);
}

#[test]
fn values_shared_by_requests_can_be_cloned_and_sent() {
    handle::<Logout>();
    handle::<RevocationLayer>();
    handle::<RevocationService<Arc<str>>>();
    handle::<LogoutService>();
    handle::<(ProtectedResource, Scope, Challenge)>();
    handle::<Revoker>();
    handle::<ReplicaMonitor>();
    handle::<(RegionsMonitor, RegionMonitor)>();
    handle::<RevocationWatch>();
    handle::<VerifiedToken>();
    handle::<Verdict<Claims>>();
    handle::<TokenSource>();
    handle::<AnyBodies>();
    handle::<(AutoResponder, GrpcResponder, JsonResponder, RejectionContext)>();
    handle::<(Protocol, Rejection, EndReason, LogoutScope)>();
    handle::<(SystemClock, Timestamp, Retention, Revocable, Receipt, Consumed)>();
    handle::<(Revocation, RevocationKey, KeyKind, Outcome, TokenIdentity)>();
    handle::<(Claims, Caching, Generation, Health, StoreErrorKind)>();
    handle::<(CollectedSnapshot, Followed<u64>)>();
    shared::<MemoryStore>();
    shared::<RevocationSet>();
    shared::<RevocationSignal>();
    shared::<ReplicaOptions>();
    shared::<(Regions, RegionsBuilder)>();
    shared::<SingleFlight<String, Duration>>();
    shared::<(RequestBody<String>, ResponseBody<String>, AnswerBody)>();
    future::<Checking<Claims>>();
    future::<AnswerFuture>();
    future::<RevocationWatch>();
    let _: fn(RequestHead<'_>) =
        |head| drop(std::thread::scope(|scope| scope.spawn(move || head.headers.len()).join()));
}

#[test]
fn calls_of_a_revoker_can_be_spawned() {
    fn sent(_: impl Future + Send) {}
    let (revoker, key) = (Revoker::new(MemoryStore::new()), RevocationKey::everything());
    let token = TokenIdentity::new(key, Timestamp::MIN, Timestamp::MAX, &Retention::new());
    sent(revoker.revoke(key, Timestamp::MIN));
    sent(revoker.revoke_all([key].iter().copied()));
    sent(revoker.revoked(&token));
    sent(revoker.revocation(key));
    sent(revoker.consume(&token));
}

/// The claims of an application may be any type that is shared between threads.
#[test]
fn claims_need_be_neither_clone_nor_debug() {
    struct Opaque;
    handle::<(Logout<Opaque>, RevocationLayer<Opaque>, VerifiedToken<Opaque>)>();
    future::<Checking<Opaque>>();
}

#[test]
fn errors_can_be_passed_on_by_any_application() {
    error::<StoreError>();
    error::<VerifyError>();
    error::<RevokeError>();
    error::<FollowError>();
    error::<FlightError>();
    error::<AtCapacity>();
    error::<InvalidRequest>();
    error::<InvalidRevocationKey>();
    error::<Rejection>();
    error::<InvalidRealm>();
    error::<ResourceError>();
    error::<EndReason>();
}

#[test]
fn implementations_of_the_traits_can_be_chosen_at_run_time() {
    fn chosen<T: ?Sized + Send + Sync>() {}
    chosen::<dyn RevocationStore>();
    chosen::<dyn TokenVerifier<Claims = Claims>>();
    chosen::<dyn Respond>();
    chosen::<dyn Requirement<Claims>>();
    chosen::<dyn Clock>();
    let _: fn(Arc<dyn RevocationStore>) -> Revoker = Revoker::new;
}

#[test]
fn verifiers_and_keys_are_shared() {
    use tower_logout::{
        JwtVerifier,
        token::jwt::{
            Algorithm, ConfigError, InvalidToken, Issuer, Key, KeyError, KeySet, SkippedKey, UnknownAlgorithm,
        },
    };
    handle::<JwtVerifier>();
    handle::<(Issuer, Key, KeySet, SkippedKey, Algorithm)>();
    error::<ConfigError>();
    error::<InvalidToken>();
    error::<KeyError>();
    error::<UnknownAlgorithm>();
    shared::<tower_logout::token::jwt::TestIssuer>();
}

#[test]
fn endpoints_for_providers_and_clients_are_shared() {
    use tower_logout::endpoint::{
        Access, CannotBeRevoked, ClientCredentials, ClientRequest, GlobalRevocation, GlobalRevocationAuth,
        GlobalRevocationError, RevocationEndpoint,
    };
    fn sent<T: Debug + Send + Unpin + 'static>() {}
    handle::<(GlobalRevocation, GlobalRevocationAuth, Access)>();
    handle::<(RevocationEndpoint, ClientCredentials)>();
    sent::<ClientRequest>();
    sent::<tower_logout::endpoint::GlobalRevocationBuilder>();
    error::<GlobalRevocationError>();
    error::<CannotBeRevoked>();
}

#[test]
fn subjects_of_messages_are_shared() {
    use tower_logout::endpoint::{SubjectIdentifier, SubjectIdentifierError};
    handle::<SubjectIdentifier>();
    error::<SubjectIdentifierError>();
}

#[test]
fn receivers_are_shared() {
    use tower_logout::{
        endpoint::{BackchannelError, BackchannelLogout, BackchannelLogoutBuilder},
        token::jwt::MessageVerifier,
    };
    handle::<(BackchannelLogout, MessageVerifier)>();
    error::<BackchannelError>();
    built::<BackchannelLogoutBuilder>();
}

#[test]
fn a_file_is_shared() {
    handle::<tower_logout::RedbStore>();
}

#[test]
fn a_redis_is_shared_and_replicated() {
    use tower_logout::{
        RedisStore, Replica,
        store::{RedisAddress, RedisCursor, RedisStoreOptions},
    };
    handle::<(RedisStore, RedisStoreOptions, RedisCursor, RedisAddress)>();
    shared::<Replica<RedisStore>>();
}

#[test]
fn a_postgres_is_shared_and_replicated() {
    use tower_logout::{
        PostgresStore, Replica,
        store::{PostgresCursor, PostgresStoreOptions},
    };
    handle::<(PostgresStore, PostgresStoreOptions, PostgresCursor)>();
    shared::<Replica<PostgresStore>>();
}

#[test]
fn the_layer_for_axum_is_cloned_like_the_other() {
    use tower_logout::middleware::{AxumBodies, MissingToken};
    handle::<RevocationLayer<Claims, AxumBodies>>();
    handle::<RevocationService<Arc<str>, Claims, AxumBodies>>();
    error::<MissingToken>();
}

#[test]
fn receivers_of_security_events_are_shared() {
    use tower_logout::{
        endpoint::security_events::{
            Decision, EventKind, EventSubject, PollSource, PollerHealth, SecurityEvent, SecurityEventPoller,
            SecurityEventPollerBuilder, SecurityEvents, SecurityEventsBuilder, SecurityEventsError, SsfStream,
            SsfStreamBuilder, StreamConfiguration, StreamHealth, StreamStatus, SubjectMember, TransmitterError,
            UnmappedSubject,
        },
        token::jwt::Issuer,
    };
    fn sent<T: Future + Send>(_: fn(SsfStreamBuilder) -> T) {}
    handle::<(SecurityEvents, SsfStream, PollSource, SecurityEvent, EventSubject, UnmappedSubject)>();
    handle::<(Decision, EventKind, SubjectMember, StreamStatus, StreamHealth, StreamConfiguration, PollerHealth)>();
    shared::<SecurityEventPoller>();
    built::<(SecurityEventsBuilder, SecurityEventPollerBuilder, SsfStreamBuilder)>();
    sent(SsfStreamBuilder::ensure);
    error::<SecurityEventsError>();
    error::<TransmitterError>();
    let _: fn(&Logout, Issuer) -> SecurityEventsBuilder = Logout::security_events;
}
