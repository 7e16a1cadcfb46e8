//! Encryption by rustls: the server's certificate is verified, with its name, whatever `sslmode` is.

use std::path::Path;
use std::sync::Arc;

use ::postgres::Config;
use ::postgres::config::SslMode;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_postgres_rustls::MakeRustlsConnect;

/// `authorities`: a file of certificates that takes the place of the system's store.
pub(super) fn connector(
    config: &Config,
    authorities: Option<&Path>,
) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = || {
        let builder = ClientConfig::builder_with_provider(provider.clone());
        builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())
    };
    let trusting = if let Some(path) = authorities {
        builder()?.with_root_certificates(read(path)?)
    } else {
        match builder()?.with_platform_verifier() {
            Ok(builder) => builder,
            Err(error) if config.get_ssl_mode() == SslMode::Require => {
                return Err(format!("the system's certificates cannot be read ({error})"));
            }
            // Without any no certificate is trusted; a server without encryption needs none.
            Err(_) => builder()?.with_root_certificates(RootCertStore::empty()),
        }
    };
    Ok(MakeRustlsConnect::new(trusting.with_no_client_auth()))
}

fn read(path: &Path) -> Result<RootCertStore, String> {
    let wrong = |reason: &str| format!("sslrootcert {}: {reason}", path.display());
    let pem = std::fs::read(path).map_err(|error| wrong(&error.to_string()))?;
    let mut store = RootCertStore::empty();
    let found = CertificateDer::pem_slice_iter(&pem).flatten();
    let (added, _) = store.add_parsable_certificates(found);
    if added == 0 { Err(wrong("holds no PEM certificate that can be used")) } else { Ok(store) }
}
