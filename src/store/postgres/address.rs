//! Parses connection strings and adds the requirements of the store.

use std::time::Duration;

use tokio_postgres::{
    Config, Error,
    config::{SslMode, TargetSessionAttrs},
};

use super::{error::PostgresError, options::PostgresStoreOptions};

/// Parses a URL or `key=value` pairs, and applies the options and the requirements of the store.
pub(super) fn parse(url: &str, options: &PostgresStoreOptions) -> Result<Config, PostgresError> {
    let mut config: Config = url.parse().map_err(|error| PostgresError::ConnectionString(explain(&error)))?;
    let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
    if hosts == 0 {
        return Err(PostgresError::NoHost);
    }
    // A standby lags behind and cannot store revocations.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    #[cfg(feature = "postgres-tls")]
    if !options.root_certificates.is_empty() {
        if config.get_ssl_mode() == SslMode::Disable {
            return Err(PostgresError::TlsDisabled);
        }
        config.ssl_mode(SslMode::Require);
    }
    #[cfg(not(feature = "postgres-tls"))]
    if config.get_ssl_mode() == SslMode::Require {
        return Err(PostgresError::TlsNotCompiled);
    }
    if config.get_application_name().is_none() {
        config.application_name("tower-logout");
    }
    if config.get_connect_timeout().is_none() {
        // Leaves time to try the next host.
        config.connect_timeout(options.timeout / u32::try_from(hosts).unwrap_or(u32::MAX));
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(options.timeout);
    }
    if config.get_keepalives_idle() > KEEPALIVE_IDLE {
        config.keepalives_idle(KEEPALIVE_IDLE).keepalives_interval(KEEPALIVE_INTERVAL).keepalives_retries(3);
    }
    Ok(config)
}

/// Explains an invalid connection string without quoting it, because a part of the password may
/// have been parsed as another option.
fn explain(error: &Error) -> String {
    let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let is_unknown = |name: &&str| text == format!("unknown option `{name}`");
    if text == "invalid value for option `sslmode`" {
        "`sslmode` is `disable` or `require`, which always verifies the certificate and the host's name".to_owned()
    } else if text.starts_with("invalid value for option `") {
        text
    } else if let Some(name) = UNSUPPORTED.iter().find(|name| is_unknown(name)) {
        format!(
            "it contains `{name}`, which is not supported; set root certificates with \
             `PostgresStoreOptions::root_certificates`"
        )
    } else {
        "it must look like `postgres://user:password@host:5432/database?sslmode=require`, with special characters \
         in its parts percent-encoded"
            .to_owned()
    }
}

const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Options of `libpq` that `tokio-postgres` does not support.
const UNSUPPORTED: [&str; 8] =
    ["sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile", "service", "gssencmode", "client_encoding"];
