//! The gateway's own certificate, read again when it was renewed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::GatewayError;

/// The files of a certificate and of its key, PEM both.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// The chain, its own certificate first.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// What connections are accepted with.
pub(crate) struct Tls {
    files: CertificateFiles,
    read: RwLock<(TlsAcceptor, Option<SystemTime>)>,
}

impl Tls {
    pub(crate) fn load(files: CertificateFiles) -> Result<Self, GatewayError> {
        let read = RwLock::new((acceptor(&files)?, changed(&files)));
        Ok(Self { files, read })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.read.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Reads the files again if one of them was changed; what cannot be used changes nothing. Blocks.
    pub(crate) fn refresh(&self) {
        let now = changed(&self.files);
        let known = self.read.read().unwrap_or_else(PoisonError::into_inner).1;
        if now.is_none() || now == known {
            return;
        }
        match acceptor(&self.files) {
            Ok(fresh) => *self.read.write().unwrap_or_else(PoisonError::into_inner) = (fresh, now),
            Err(error) => tracing::warn!(error = error.told(), "the renewed certificate is not used"),
        }
    }
}

/// When the younger of the two files was written.
fn changed(files: &CertificateFiles) -> Option<SystemTime> {
    let of = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified()).ok();
    Some(of(&files.certificate)?.max(of(&files.key)?))
}

fn acceptor(files: &CertificateFiles) -> Result<TlsAcceptor, GatewayError> {
    let bad = |path: &Path, reason: String| GatewayError::Certificate { path: path.to_owned(), reason };
    let unread = |error: &dyn std::fmt::Display| bad(&files.certificate, error.to_string());
    let chain = CertificateDer::pem_file_iter(&files.certificate).map_err(|error| unread(&error))?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(|error| unread(&error))?;
    if chain.is_empty() {
        return Err(bad(&files.certificate, "there is no certificate in it".to_owned()));
    }
    // What stands in a key's file is never repeated.
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|_| bad(&files.key, "there is no private key in it that can be read".to_owned()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| bad(&files.certificate, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
