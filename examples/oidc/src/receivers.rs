//! Endpoints for what the provider reports, such as that a user has logged out there.

use std::error::Error;

use axum::Router;
use tower_logout::{Logout, endpoint::GlobalRevocationAuth, token::jwt::Issuer};

use crate::settings::Settings;

/// The endpoints whose settings are there. They are outside of the layer: a provider sends no
/// access token.
pub(crate) fn routes(logout: &Logout, settings: &Settings) -> Result<Router, Box<dyn Error>> {
    let mut routes = Router::new();
    if let Some(client) = &settings.client {
        let mut service = logout.backchannel(&client.id);
        for id in &client.others {
            service = service.client(id);
        }
        routes = routes.route_service("/backchannel-logout", service.build()?);
    }
    if let Some(stream) = &settings.events {
        let transmitter = Issuer::transmitter(&stream.issuer).audience(&stream.audience).allow_http_on_loopback();
        let events = logout.security_events(transmitter);
        let events = match &stream.authorization {
            Some(value) => events.authorization(value),
            None => events,
        };
        routes = routes.route_service("/security-events", events.build()?);
    }
    if let Some(secret) = &settings.global_revocation {
        let service = logout.global_revocation(GlobalRevocationAuth::bearer(secret)).build()?;
        routes = routes.route_service("/global-token-revocation", service);
    }
    Ok(routes)
}
