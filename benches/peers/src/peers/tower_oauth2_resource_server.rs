use bare::{Bare, Body, settle};
use http::Response;
use tower::Layer;
use tower_oauth2_resource_server::{
    server::OAuth2ResourceServer, tenant::TenantConfiguration, validation::ClaimsValidationSpec,
};

use crate::{
    check,
    peers::Peer,
    sample::{Claims, ISSUER},
    scheme::Scheme,
    versions::Lock,
};

pub(super) fn peer(scheme: &Scheme, lock: &Lock) -> Peer {
    let tenant = TenantConfiguration::static_builder(scheme.jwks())
        .claims_validation(ClaimsValidationSpec::new().iss(ISSUER).exp(true))
        .allowed_algorithms(&[scheme.algorithm])
        .build()
        .expect("a key set of the scheme's own algorithm");
    let server = settle(OAuth2ResourceServer::<Claims>::builder().add_tenant(tenant).build()).expect("one tenant");
    let layer = server.into_layer::<Body>();
    Peer {
        name: format!("tower-oauth2-resource-server {}", lock.version("tower-oauth2-resource-server")),
        built_with: format!(
            "jsonwebtoken {}, aws-lc-rs {}",
            lock.used_by("tower-oauth2-resource-server", "jsonwebtoken"),
            lock.version("aws-lc-rs"),
        ),
        refuses_revoked: false,
        caches: false,
        note: "its future is boxed by its own design; its default backend is RustCrypto, its feature for aws-lc-rs is on",
        check: Box::new(check::service(layer.layer(Bare), Response::status)),
    }
}
