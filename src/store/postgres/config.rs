//! The settings of a connection: what the address says, with the requirements of the store.

use std::time::Duration;

use tokio_postgres::{
    Config, Error,
    config::{SslMode, TargetSessionAttrs},
};

use super::{address::PostgresAddress, error::PostgresError, libpq::LibpqOptions, options::PostgresStoreOptions};

/// Applies the options and the requirements of the store to an address.
pub(super) fn parse(
    address: &PostgresAddress,
    options: &PostgresStoreOptions,
) -> Result<(Config, LibpqOptions), PostgresError> {
    let (mut config, libpq) = address.parse()?;
    check_session(&libpq)?;
    config.ssl_mode(ssl_mode(&libpq, options)?);
    let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
    if hosts == 0 {
        return Err(PostgresError::NoHost);
    }
    // A standby lags behind and cannot store revocations.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
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
    Ok((config, libpq))
}

fn check_session(libpq: &LibpqOptions) -> Result<(), PostgresError> {
    let text = match libpq.target_session_attrs.as_deref() {
        None | Some("any" | "read-write" | "primary") => return Ok(()),
        Some("standby" | "prefer-standby" | "read-only") => {
            "`target_session_attrs` asks for a standby or a read-only server, which cannot store revocations: use \
             `read-write`"
        }
        Some(_) => "`target_session_attrs` is `any`, `read-write` or `primary`, all of which mean the primary",
    };
    Err(PostgresError::ConnectionString(text.to_owned()))
}

/// Whether TLS is required. `prefer` is treated as no TLS, because an attacker in the network could
/// force a plain connection.
fn ssl_mode(libpq: &LibpqOptions, options: &PostgresStoreOptions) -> Result<SslMode, PostgresError> {
    let mode = libpq.sslmode.as_deref();
    let is_required = match mode {
        None | Some("disable" | "allow" | "prefer") => false,
        Some("require" | "verify-ca" | "verify-full") => true,
        Some(_) => {
            let text = "`sslmode` is `disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`; the first \
                        three mean no TLS, and the others always verify the certificate and the host's name";
            return Err(PostgresError::ConnectionString(text.to_owned()));
        }
    };
    let in_text = [&libpq.sslrootcert, &libpq.sslcert, &libpq.sslkey].into_iter().any(Option::is_some);
    let has_certificates = in_text || options.has_certificates();
    if has_certificates && mode == Some("disable") {
        return Err(PostgresError::TlsDisabled);
    }
    if is_required || has_certificates {
        return if cfg!(feature = "postgres-tls") { Ok(SslMode::Require) } else { Err(PostgresError::TlsNotCompiled) };
    }
    Ok(SslMode::Disable)
}

/// Explains an invalid connection string without quoting it, because a part of the password may
/// have been parsed as another option.
pub(super) fn explain(error: &Error) -> String {
    let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let is_unknown = |name: &str| text == format!("unknown option `{name}`");
    if text.starts_with("invalid value for option `") {
        text
    } else if let Some((name, remedy)) = UNSUPPORTED.into_iter().find(|(name, _)| is_unknown(name)) {
        format!("it contains `{name}`, which is not supported; {remedy}")
    } else {
        "it must look like `postgres://user:password@host:5432/database?sslmode=verify-full`, with special characters \
         in its parts percent-encoded; `PostgresAddress` takes the parts as they are"
            .to_owned()
    }
}

const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Options of `libpq` that are not supported, with what to do instead.
const UNSUPPORTED: [(&str, &str); 7] = [
    ("sslcrl", "revoked certificates are not looked up"),
    ("sslcrldir", "revoked certificates are not looked up"),
    ("sslpassword", "decrypt the key of the client's certificate"),
    ("passfile", "read the file and use `PostgresAddress::password` or `password_from`"),
    ("service", "write host, database and user into the address"),
    ("gssencmode", "remove it"),
    ("client_encoding", "remove it"),
];
