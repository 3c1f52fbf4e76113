//! Endpoints for what the provider reports, such as that a user has logged out there.

use std::error::Error;

use axum::Router;
use tower_logout::Logout;

use crate::settings::Settings;

/// The endpoints whose settings are there. They are outside of the layer: a provider sends no
/// access token.
pub(crate) fn routes(logout: &Logout, settings: &Settings) -> Result<Router, Box<dyn Error>> {
    let mut routes = Router::new();
    if let Some(client) = &settings.client {
        let service = client.others.iter().fold(logout.backchannel(&client.id), |service, id| service.client(id));
        routes = routes.route_service("/backchannel-logout", service.build()?);
    }
    Ok(routes)
}
