//! Certificates of authorities, as the features `redis-tls` and `postgres-tls` are given them.

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Why a text in PEM cannot be what certificates are checked against.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum PemFault {
    #[error("they hold no certificate")]
    Empty,
    #[error("they hold something else than certificates, such as a private key")]
    Foreign,
    #[error("a certificate among them cannot be read")]
    Unreadable,
}

/// All certificates of a text in PEM. None is left out: each of them can be read, and there is
/// nothing else between them but comments.
pub(super) fn root_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemFault> {
    const BEGIN: &[u8] = b"-----BEGIN";
    let sections = pem.windows(BEGIN.len()).filter(|&part| part == BEGIN).count();
    let mut scratch = RootCertStore::empty();
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| PemFault::Unreadable)?;
        scratch.add(certificate.clone()).map_err(|_| PemFault::Unreadable)?;
        certificates.push(certificate);
    }
    match (certificates.len(), sections) {
        (found, sections) if found != sections => Err(PemFault::Foreign),
        (0, _) => Err(PemFault::Empty),
        _ => Ok(certificates),
    }
}
