//! Parsing of CA certificates, for the features `redis-tls` and `postgres-tls`.

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Why a PEM text is not a usable list of CA certificates.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum PemError {
    #[error("no certificate found")]
    Empty,
    #[error("found something other than certificates, such as a private key")]
    Foreign,
    #[error("one of the certificates cannot be read")]
    Unreadable,
}

/// Parses all certificates of a PEM text. A certificate that cannot be read is an error, and so is
/// anything but certificates and comments.
pub(super) fn root_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    const BEGIN: &[u8] = b"-----BEGIN";
    let sections = pem.windows(BEGIN.len()).filter(|&part| part == BEGIN).count();
    let mut scratch = RootCertStore::empty();
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| PemError::Unreadable)?;
        scratch.add(certificate.clone()).map_err(|_| PemError::Unreadable)?;
        certificates.push(certificate);
    }
    match (certificates.len(), sections) {
        (found, sections) if found != sections => Err(PemError::Foreign),
        (0, _) => Err(PemError::Empty),
        _ => Ok(certificates),
    }
}
